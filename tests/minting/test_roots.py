"""The layer's build stores each root where OpenSSL looks for it."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

import roots

KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
NOW = datetime.now(UTC)
KNOWN = {
    "4042bcee": "ISRG Root X1",
    "ce5e74ef": "Amazon Root CA 1",
    "de6d66f3": "Amazon Root CA 4",
}
"""Roots by their file's name in Debian's /etc/ssl/certs, which `openssl rehash` made."""

printable = st.text("AZaz09 '()+,-./:=?", min_size=1, max_size=30)
letters = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
attributes = st.one_of(
    st.builds(x509.NameAttribute, st.just(NameOID.COMMON_NAME), letters, st.just(_ASN1Type.UTF8String)),
    st.builds(x509.NameAttribute, st.just(NameOID.COMMON_NAME), letters, st.just(_ASN1Type.BMPString)),
    st.builds(x509.NameAttribute, st.just(NameOID.ORGANIZATION_NAME), printable, st.just(_ASN1Type.PrintableString)),
    st.builds(x509.NameAttribute, st.just(NameOID.ORGANIZATION_NAME), printable, st.just(_ASN1Type.T61String)),
    st.builds(x509.NameAttribute, st.just(NameOID.EMAIL_ADDRESS), printable, st.just(_ASN1Type.IA5String)),
)
sets = st.lists(attributes, min_size=1, max_size=2, unique_by=lambda each: each.oid).map(x509.RelativeDistinguishedName)
names = st.lists(sets, min_size=1, max_size=6).map(x509.Name)


def signed(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A certificate that the root's key signs. A root signs its own."""
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), 1, NOW - timedelta(days=1), NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=key is KEY, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("vendor.example")]), critical=False)
        .sign(KEY, hashes.SHA256())
    )


def trusts(folder: Path, server: x509.Certificate) -> bool:
    """Whether a client with these roots ends a handshake with the server."""
    client_context, server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client_context.load_verify_locations(capath=folder)
    chain = folder / "server.pem"
    private = OTHER_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(server.public_bytes(Encoding.PEM) + private)
    server_context.load_cert_chain(chain)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(back, there, server_hostname="vendor.example")
    answering = server_context.wrap_bio(there, back, server_side=True)
    try:
        for side in (client, answering, client):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    except ssl.SSLCertVerificationError:
        return False
    return client.version() is not None and client.getpeercert() is not None


@given(names)
def test_a_root_of_any_name_is_found(name: x509.Name) -> None:
    root, server = signed(name, name, KEY), signed(x509.Name([]), name, OTHER_KEY)
    with TemporaryDirectory() as folder:
        roots.write(root.public_bytes(Encoding.PEM).decode(), Path(folder) / "roots")
        assert trusts(Path(folder) / "roots", server)
        assert not trusts(Path(folder), server)


def test_roots_of_one_name_are_numbered(tmp_path: Path) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "one name")])
    both = (signed(name, name, KEY), signed(name, name, OTHER_KEY))
    roots.write("".join(each.public_bytes(Encoding.PEM).decode() for each in both), tmp_path / "roots")
    assert {path.suffix for path in (tmp_path / "roots").iterdir()} == {".0", ".1"}
    assert len({path.stem for path in (tmp_path / "roots").iterdir()}) == 1


def test_every_root_of_certifi_is_written_under_the_name_that_openssl_gives_it(tmp_path: Path) -> None:
    bundle = Path(certifi.where()).read_text()
    roots.write(bundle, tmp_path / "roots")
    written = {path.stem: path.read_text() for path in (tmp_path / "roots").iterdir()}
    assert len(list((tmp_path / "roots").iterdir())) == bundle.count("BEGIN CERTIFICATE") > 100
    for stem, name in KNOWN.items():
        root = x509.load_pem_x509_certificate(written[stem].encode())
        assert name in root.subject.rfc4514_string()


@pytest.mark.parametrize("bundle", ["", "no certificate"])
def test_a_bundle_without_a_root_ends_the_build(tmp_path: Path, bundle: str) -> None:
    with pytest.raises(ValueError, match="no root"):
        roots.write(bundle, tmp_path / "roots")
