"""An issuer is held to API Gateway's bounds, and what is wrong with it is said in one line."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from local import discovery
from local.discovery import IssuerError
from local.issuer import Issuer
from local.server import Server

EC = {"kty": "EC", "kid": "1", "crv": "P-256", "x": "x", "y": "y"}


class Published:
    """An issuer whose two documents a test sets: JSON, or a body as it is."""

    def __init__(self) -> None:
        self._server = Server()
        self.url = self._server.url
        self.configuration: Any = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.keys: Any = {"keys": []}
        self.status = 200

    def start(self) -> None:
        self._server.start(Request.application(self._answer))

    def stop(self) -> None:
        self._server.stop()

    def _answer(self, request: Request) -> Response:
        document = {discovery.PATH: self.configuration, "/keys": self.keys}[request.path]
        return Response(document if isinstance(document, bytes) else json.dumps(document), self.status)


@pytest.fixture
def published() -> Iterator[Published]:
    published = Published()
    published.start()
    yield published
    published.stop()


def configured(document: Any) -> Callable[[Published], None]:
    return lambda published: setattr(published, "configuration", document)


def keyed(document: Any) -> Callable[[Published], None]:
    return lambda published: setattr(published, "keys", document)


def _other_issuer(published: Published) -> None:
    published.configuration["issuer"] += "/"


DISCOVERY = "OIDC discovery endpoint communication error"
JWKS = "JWKS communication error"
WRONG: dict[str, tuple[Callable[[Published], None], str, str]] = {
    "no document": (lambda published: setattr(published, "status", 404), DISCOVERY, "answers 404"),
    "no JSON": (configured(b"<html>"), DISCOVERY, "is not JSON"),
    "no text": (configured(b"\xff"), DISCOVERY, "is not JSON"),
    "no object": (configured([]), DISCOVERY, "is not a JSON object"),
    "too long": (configured(b" " * 150_001), DISCOVERY, "has more than 150,000 bytes"),
    "a slash too many": (_other_issuer, DISCOVERY, r"names the issuer 'http://.*/', not 'http://.*\d'"),
    "no jwks_uri": (lambda published: published.configuration.pop("jwks_uri"), DISCOVERY, "has no jwks_uri"),
    "no keys": (keyed({}), JWKS, "has no list `keys`"),
    "an empty list": (keyed({"keys": []}), JWKS, "publishes no RSA key with a kid, only: none"),
    "other kinds of key": (keyed({"keys": [EC, 7]}), JWKS, "publishes no RSA key with a kid, only: EC"),
    "a broken key": (keyed({"keys": [{"kty": "RSA", "kid": "1"}]}), JWKS, "has a key that cannot be read"),
}


@pytest.mark.parametrize(("spoil", "reason", "text"), WRONG.values(), ids=WRONG.keys())
def test_an_issuer_that_api_gateway_cannot_use_is_refused_with_what_is_wrong(
    published: Published, spoil: Callable[[Published], None], reason: str, text: str
) -> None:
    spoil(published)
    with pytest.raises(IssuerError, match=text) as refused:
        discovery.keys(published.url)
    assert refused.value.reason == reason


def test_an_issuer_that_nobody_serves_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(IssuerError, match=rf"{url}/.well-known/openid-configuration cannot be reached"):
        discovery.keys(url)


def test_an_issuer_that_does_not_answer_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "SECONDS", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(IssuerError, match=r"does not answer within 0\.05 s"),
    ):
        discovery.keys(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_the_rsa_keys_are_found_among_others(published: Published, issuer: Issuer) -> None:
    published.keys = {"keys": [EC, issuer._keys()["keys"][0]]}
    assert list(discovery.keys(published.url)) == [issuer.key_id]


def test_an_issuer_with_a_slash_at_the_end_has_no_second_slash_in_its_address(published: Published) -> None:
    published.configuration["issuer"] = f"{published.url}/"
    with pytest.raises(IssuerError, match="no RSA key"):  # so the first document was found
        discovery.keys(f"{published.url}/")
