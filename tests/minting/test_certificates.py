"""A vendor is who its certificate says: checked against real servers, each of which has one thing wrong."""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

import roots
from minting import connections
from minting.aws import DYNAMODB, CallFailed, Client
from minting.deadline import Deadline
from minting.problems import Problem
from minting.upstream import Upstream
from tests.minting.conftest import Names
from tests.minting.raw import ANSWER, RawServer, answering

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
ELSEWHERE = x509.DNSName("vendor.example")
GARBAGE = b"\x17\x03\x03\x00\x20" + bytes(32)
"""A TLS record that was made with no key of the connection's."""


def usage(*, signing: bool) -> x509.KeyUsage:
    """What OpenSSL's strict check wants to be told of a key."""
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signing,
        crl_sign=signing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


class Signed(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        secret = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self.certificate.public_bytes(Encoding.PEM) + secret


def signed(
    name: str,
    host: x509.GeneralName = HERE,
    *,
    by: Signed | None = None,
    since: datetime = NOW - DAY,
    until: datetime = NOW + DAY,
) -> Signed:
    """A certificate for a host. One that signs itself may sign others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = by.key if by else key
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(usage(signing=by is None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    return Signed(certificate, key)


@pytest.fixture(scope="module")
def root() -> Signed:
    return signed("the root that tests trust")


@pytest.fixture(params=["in the source tree", "in the layer"])
def trusted(
    request: pytest.FixtureRequest, root: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Puts one root in the place of certifi's. Nothing else about the check is touched."""
    bundle = tmp_path / "root.pem"
    bundle.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    if request.param == "in the layer":
        roots.write(bundle.read_text(), tmp_path / "roots")
        monkeypatch.setattr(connections, "ROOTS", tmp_path / "roots")
    else:
        monkeypatch.setattr("certifi.where", lambda: str(bundle))
    connections.trusted.cache_clear()
    yield
    connections.trusted.cache_clear()


@pytest.fixture
def tls(tmp_path: Path) -> Callable[[Signed], ssl.SSLContext]:
    def context(identity: Signed) -> ssl.SSLContext:
        chain = tmp_path / "server.pem"
        chain.write_bytes(identity.pem())
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(chain)
        return made

    return context


@pytest.fixture
def good(root: Signed, tls: Callable[[Signed], ssl.SSLContext]) -> ssl.SSLContext:
    return tls(signed("good", by=root))


def problem_of(upstream: Upstream, path: str = "once", seconds: float = 5) -> Problem:
    with pytest.raises(Problem) as problem:
        upstream.reply("POST", path, Deadline(seconds), headers={"X-Api-Key": "the-key"}, json={})
    return problem.value


@pytest.mark.usefixtures("trusted")
def test_a_good_certificate_of_a_trusted_root_is_accepted(good: ssl.SSLContext) -> None:
    with answering(good) as vendor:
        assert Upstream(vendor.url).reply("POST", "once", Deadline(5), json={}).json() == {"target": "it"}


BAD: dict[str, Callable[[Signed], Signed]] = {
    "self-signed": lambda _: signed("self"),
    "of a root that nobody trusts": lambda _: signed("good", by=signed("the root that tests trust")),
    "for another host": lambda root: signed("other", ELSEWHERE, by=root),
    "expired": lambda root: signed("old", by=root, since=NOW - 2 * DAY, until=NOW - timedelta(hours=1)),
    "not valid yet": lambda root: signed("new", by=root, since=NOW + timedelta(hours=1)),
    "signed by one that may not sign": lambda root: signed("good", by=signed("leaf", by=root)),
}


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_vendor_with_a_bad_certificate_is_sent_nothing(
    root: Signed, tls: Callable[[Signed], ssl.SSLContext], bad: Callable[[Signed], Signed]
) -> None:
    with answering(tls(bad(root))) as vendor:
        problem = problem_of(Upstream(vendor.url, repeatable=["once"]))
    assert (problem.code, problem.ambiguous) == ("vendor_unavailable", False)
    assert vendor.connections > 0
    assert vendor.requests == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_aws_with_a_bad_certificate_is_sent_nothing(
    root: Signed,
    tls: Callable[[Signed], ssl.SSLContext],
    account: Callable[[str], None],
    bad: Callable[[Signed], Signed],
) -> None:
    with answering(tls(bad(root))) as stand_in:
        account(stand_in.url)
        with pytest.raises(CallFailed, match="SSLError") as failed:
            Client(DYNAMODB).call("GetItem", {}, Deadline(5))
    assert not failed.value.unsure
    assert stand_in.connections == 2
    assert stand_in.requests == []


def test_the_environment_adds_no_root(
    root: Signed, good: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "root.pem"
    bundle.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(variable, str(bundle))
    connections.trusted.cache_clear()
    with answering(good) as vendor:
        assert problem_of(Upstream(vendor.url)).code == "vendor_unavailable"
    assert vendor.requests == []


@pytest.fixture
def breaking(good: ssl.SSLContext) -> Iterator[RawServer]:
    """A vendor that takes a request and then sends what is no TLS of this connection."""

    def serve(connection: socket.socket) -> None:
        with server.shake_hands(connection) as secured:
            server.take(secured)
            with socket.socket(fileno=secured.detach()) as plain:
                plain.sendall(GARBAGE)

    with RawServer(serve, good) as server:
        yield server


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(("path", "times"), [("once", 1), ("again", 2)])
def test_a_request_that_tls_broke_under_is_sent_once_and_may_have_been_done(
    breaking: RawServer, path: str, times: int
) -> None:
    problem = problem_of(Upstream(breaking.url, repeatable=["again"]), path)
    assert (problem.code, problem.ambiguous) == ("vendor_unavailable", True)
    assert len(breaking.requests) == times


@pytest.mark.usefixtures("trusted")
def test_a_connection_that_ends_in_the_handshake_is_made_anew(good: ssl.SSLContext) -> None:
    def serve(connection: socket.socket) -> None:
        if server.connections > 1:
            with server.shake_hands(connection) as secured:
                server.take(secured)
                secured.sendall(ANSWER)

    with RawServer(serve, good) as server:
        assert Upstream(server.url).reply("POST", "once", Deadline(5), json={}).status == 200
    assert (server.connections, len(server.requests)) == (2, 1)


@pytest.mark.usefixtures("trusted")
def test_what_a_late_name_was_looked_up_for_is_not_sent(good: ssl.SSLContext, names: Names) -> None:
    names.slow.add("127.0.0.1")
    with answering(good) as vendor:
        upstream = Upstream(vendor.url)
        assert problem_of(upstream, seconds=0.1).code == "vendor_timeout"
        names.found.set()
        upstream._transport._workers._threads.shutdown()
    assert vendor.requests == []
