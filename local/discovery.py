"""The public keys that an OpenID Connect issuer publishes, fetched within API Gateway's own bounds.

Source: API Gateway developer guide, "Quotas for configuring and running an HTTP API": each document must come within 1,500 ms
and have at most 150,000 bytes.
"""

import json
from time import monotonic
from typing import Any

import jwt
import requests

SECONDS = 1.5
MAX_BYTES = 150_000
PATH = "/.well-known/openid-configuration"


class IssuerError(Exception):
    """API Gateway could not verify tokens with this issuer. The text says why in one line.

    reason: what API Gateway writes into its log.
    """

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


class _UnusableError(Exception):
    """A document that API Gateway would not take. The text continues a sentence about its address."""


def keys(issuer: str) -> dict[str, jwt.PyJWK]:
    """The issuer's RSA keys by their `kid`. Raises IssuerError."""
    jwks_uri = _jwks_uri(issuer)
    try:
        published = _document(jwks_uri).get("keys")
    except _UnusableError as error:
        raise _jwks_error(f"{jwks_uri} {error}") from None
    if not isinstance(published, list):
        raise _jwks_error(f"{jwks_uri} has no list `keys`")
    found = [key for key in published if isinstance(key, dict)]
    rsa = {str(key["kid"]): key for key in found if key.get("kty") == "RSA" and key.get("kid")}
    if not rsa:
        kinds = ", ".join(sorted({str(key.get("kty")) for key in found})) or "none"
        raise _jwks_error(
            f"{jwks_uri} publishes no RSA key with a kid, only: {kinds}. API Gateway verifies with RSA keys only"
        )
    try:
        return {kid: jwt.PyJWK(key) for kid, key in rsa.items()}
    except jwt.PyJWTError as error:
        raise _jwks_error(f"{jwks_uri} has a key that cannot be read: {error}") from None


def _jwks_uri(issuer: str) -> str:
    """The address of the keys, as the issuer's discovery document names it."""
    address = issuer.rstrip("/") + PATH
    try:
        found = _document(address)
    except _UnusableError as error:
        raise _discovery_error(f"{address} {error}") from None
    if found.get("issuer") != issuer:
        raise _discovery_error(f"{address} names the issuer {found.get('issuer')!r}, not {issuer!r}")
    if not isinstance(found.get("jwks_uri"), str):
        raise _discovery_error(f"{address} has no jwks_uri")
    return str(found["jwks_uri"])


def _document(address: str) -> dict[str, Any]:
    """A JSON object from the network. Raises _UnusableError."""
    with requests.Session() as session:
        session.trust_env = address.startswith("https://")  # no proxy reaches the plain HTTP of this machine
        try:
            with session.get(address, timeout=SECONDS, stream=True) as answer:
                if answer.status_code != 200:
                    raise _UnusableError(f"answers {answer.status_code}")
                document = json.loads(_body(answer, monotonic() + SECONDS))
        except requests.RequestException as error:
            raise _UnusableError(_unreachable(error)) from None
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise _UnusableError("is not JSON") from None
    if not isinstance(document, dict):
        raise _UnusableError("is not a JSON object")
    return document


def _body(answer: requests.Response, until: float) -> bytes:
    """Raises _UnusableError for a body that API Gateway would not read to its end."""
    body = b""
    for chunk in answer.iter_content(8192):
        body += chunk
        if len(body) > MAX_BYTES:
            raise _UnusableError(f"has more than {MAX_BYTES:,} bytes")
        if monotonic() > until:
            raise _UnusableError(f"takes more than {SECONDS} s")
    return body


def _unreachable(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"does not answer within {SECONDS} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "has no certificate that this machine trusts"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    return f"cannot be read ({type(error).__name__})"


def _discovery_error(text: str) -> IssuerError:
    return IssuerError("OIDC discovery endpoint communication error", text)


def _jwks_error(text: str) -> IssuerError:
    return IssuerError("JWKS communication error", text)
