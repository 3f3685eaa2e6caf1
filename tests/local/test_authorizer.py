"""The gateway passes on requests with a valid token only."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.issuer import Issuer
from tests.local.conftest import Served

NOW = int(time.time())


@cache
def stranger() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _claims(issuer: Issuer) -> dict[str, Any]:
    return {"iss": issuer.url, "sub": "mallory", "aud": "app", "iat": NOW, "exp": NOW + 600}


def _unsigned(issuer: Issuer, alg: str) -> str:
    return f"{_part({'alg': alg, 'typ': 'JWT', 'kid': issuer.key_id})}.{_part(_claims(issuer))}."


def _hmac_with_public_key(issuer: Issuer) -> str:
    public = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': issuer.key_id})}.{_part(_claims(issuer))}"
    return f"{signed}.{_part(hmac.digest(public, signed.encode(), hashlib.sha256))}"


def _other_claims(issuer: Issuer) -> str:
    head, _, signature = issuer.token("alice").split(".")
    return f"{head}.{_part(_claims(issuer))}.{signature}"


def _with_own_key(issuer: Issuer) -> str:
    header = {"kid": "mine", "jwk": jwt.algorithms.RSAAlgorithm.to_jwk(stranger().public_key(), as_dict=True)}
    return jwt.encode(_claims(issuer), stranger(), "RS256", header)


FORGERIES: dict[str, Callable[[Issuer], str]] = {
    "signed by a stranger with the issuer's key id": lambda issuer: jwt.encode(
        _claims(issuer), stranger(), "RS256", {"kid": issuer.key_id}
    ),
    "signed by a stranger whose key is in the header": _with_own_key,
    "without a key id": lambda issuer: jwt.encode(_claims(issuer), issuer.key, "RS256"),
    "with an unknown key id": lambda issuer: jwt.encode(_claims(issuer), issuer.key, "RS256", {"kid": "other"}),
    "alg none": lambda issuer: _unsigned(issuer, "none"),
    "alg None": lambda issuer: _unsigned(issuer, "None"),
    "alg RS256 without a signature": lambda issuer: _unsigned(issuer, "RS256"),
    "HS256 with the public key as the secret": _hmac_with_public_key,
    "RS512": lambda issuer: jwt.encode(_claims(issuer), issuer.key, "RS512", {"kid": issuer.key_id}),
    "other claims with the signature of a good token": _other_claims,
    "expired": lambda issuer: issuer.token(exp=NOW - 1),
    "without an expiry": lambda issuer: issuer.token(exp=None),
    "an expiry that is not a number": lambda issuer: issuer.token(exp="tomorrow"),
    "not yet valid": lambda issuer: issuer.token(nbf=NOW + 600),
    "issued in the future": lambda issuer: issuer.token(iat=NOW + 600),
    "another audience": lambda issuer: issuer.token(aud="elsewhere"),
    "several audiences, none of them ours": lambda issuer: issuer.token(aud=["app2", "elsewhere"]),
    "without an audience": lambda issuer: issuer.token(aud=None),
    "the right client_id and a wrong audience": lambda issuer: issuer.token(aud="elsewhere", client_id="app"),
    "another issuer": lambda issuer: issuer.token(iss="https://issuer.example.com"),
    "the issuer with a slash at the end": lambda issuer: issuer.token(iss=f"{issuer.url}/"),
    "without an issuer": lambda issuer: issuer.token(iss=None),
    "an algorithm that is no word": lambda issuer: _unsigned(issuer, "RS256\r\nX-Header: x"),
    "not a JWT": lambda _: "opensesame",
    "two parts": lambda issuer: issuer.token().rpartition(".")[0],
    "claims that are not an object": lambda issuer: (
        f"{_part({'alg': 'RS256', 'kid': issuer.key_id})}.{_part([])}.{_part(b'x')}"
    ),
    "a header that is not JSON": lambda _: f"{_part(b'x')}.{_part({})}.{_part(b'x')}",
    "a key id that is not a string": lambda issuer: (
        f"{_part({'alg': 'RS256', 'kid': {}})}.{_part(_claims(issuer))}.{_part(b'x')}"
    ),
    "a character that is not in base64": lambda issuer: f"{issuer.token()}!",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_bad_token_is_refused_and_no_function_runs(forge: Callable[[Issuer], str], served: Served) -> None:
    answer = served.send("POST", "/v1/things", headers={"Authorization": f"Bearer {forge(served.issuer)}"}, data="{}")
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"].startswith('Bearer scope="" error="invalid_token" error_description="')
    assert served.events == []


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"X-Authorization": "Bearer x"}])
def test_without_a_token_no_function_runs(headers: dict[str, str], served: Served) -> None:
    answer = served.send("POST", "/v1/things", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"] == "Bearer"
    assert served.events == []


@pytest.mark.parametrize("scheme", ["Basic", "bearer", "Bearer Bearer"])
def test_another_scheme_is_refused(scheme: str, served: Served) -> None:
    answer = served.send("POST", "/v1/things", headers={"Authorization": f"{scheme} {served.issuer.token()}"})
    assert answer.status_code == 401
    assert served.events == []


def test_a_token_in_the_query_or_a_cookie_is_ignored(served: Served) -> None:
    token = served.issuer.token()
    answer = served.send("POST", f"/v1/things?Authorization={token}", headers={"Cookie": f"Authorization={token}"})
    assert answer.status_code == 401
    assert served.events == []


@pytest.mark.parametrize(
    "claims", [{}, {"aud": ["elsewhere", "other-app"]}, {"aud": None, "client_id": "app"}, {"nbf": NOW - 5}]
)
def test_a_good_token_reaches_the_function(claims: dict[str, Any], served: Served) -> None:
    token = served.issuer.token("alice", **claims)
    for header in (token, f"Bearer {token}"):
        assert served.send("POST", "/v1/things", headers={"Authorization": header}).status_code == 200
    assert [event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] for event in served.events] == ["alice"] * 2


def test_an_open_route_needs_no_token_and_has_no_claims(served: Served) -> None:
    assert served.send("GET", "/open", headers={}).status_code == 200
    assert "authorizer" not in served.events[0]["requestContext"]


def test_the_sign_in_route_returns_a_token_that_the_gateway_accepts(served: Served) -> None:
    token = served.send("POST", "/_local/token", headers={}, json={"sub": "bob"}).json()["token"]
    assert served.send("POST", "/v1/things", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert served.events[0]["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] == "bob"


def test_the_sign_in_route_has_a_default_caller(served: Served) -> None:
    token = served.send("POST", "/_local/token", headers={}).json()["token"]
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == "local-user"


def test_the_sign_in_route_also_makes_bad_tokens(served: Served) -> None:
    wanted = {"sub": "bob", "exp": 1, "iss": "https://elsewhere.example.com", "aud": None, "plan": "free"}
    token = served.send("POST", "/_local/token", headers={}, json=wanted).json()["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {"sub": "bob", "exp": 1, "iss": wanted["iss"], "iat": claims["iat"], "plan": "free"}


@pytest.mark.parametrize("body", ["[]", "{", "7", '{"iss": 5}', b"\xff"])
def test_the_sign_in_route_refuses_a_body_that_is_not_an_object_of_claims(body: str | bytes, served: Served) -> None:
    assert served.send("POST", "/_local/token", headers={}, data=body).status_code == 400


def test_a_local_token_is_valid_for_an_hour(issuer: Issuer) -> None:
    claims = jwt.decode(issuer.token("alice"), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize("claims", [{}, {"scope": "avatars.read"}, {"scp": ["email"]}, {"scope": "AVATARS"}])
def test_without_a_required_scope_no_function_runs(claims: dict[str, Any], served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.issuer.token('alice', **claims)}"}
    answer = served.send("GET", "/scoped", headers=headers)
    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert served.events == []


@pytest.mark.parametrize("claims", [{"scope": "openid avatars"}, {"scp": ["avatars"]}, {"scp": "avatars"}])
def test_a_token_with_a_required_scope_reaches_the_function(claims: dict[str, Any], served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.issuer.token('alice', **claims)}"}
    assert served.send("GET", "/scoped", headers=headers).status_code == 200
