"""API Gateway's JWT authorizer.

Source: API Gateway developer guide, "Control access to HTTP APIs with JWT authorizers in API Gateway".
"""

import re
from functools import cached_property
from typing import Any

import jwt
from jwt.types import Options

from local import discovery

ALGORITHMS = ["RS256", "RS384", "RS512"]
CHECKS: Options = {"require": ["iss", "exp"], "verify_aud": False, "verify_sub": False, "verify_jti": False}
UNREAD: Options = {"verify_signature": False}


class UnauthorizedError(Exception):
    """`challenge` is the response's www-authenticate header. The exception's text is what AWS does not tell."""

    answer = (401, "Unauthorized")

    def __init__(self, reason: str = "", detail: str = "") -> None:
        self.challenge = f'Bearer scope="" error="invalid_token" error_description="{reason}"' if reason else "Bearer"
        super().__init__(detail or reason)


class ForbiddenError(Exception):
    """The token has none of the scopes. `challenge` is the response's www-authenticate header."""

    answer = (403, "Forbidden")

    def __init__(self, scopes: list[str]) -> None:
        wanted = " ".join(scopes)
        self.challenge = f'Bearer scope="{wanted}" error="insufficient_scope" error_description="insufficient scope"'
        super().__init__(f"the token has none of the scopes {wanted}")


class Authorizer:
    """Verifies tokens with the issuer's public keys, which it fetches for the first token and keeps.

    A token needs one of `scopes`, in its claim `scope` or, without that, `scp`.
    """

    def __init__(self, issuer: str, audience: list[str], scopes: list[str] | None = None) -> None:
        self._issuer = issuer
        self._audience = set(audience)
        self._scopes = scopes or []

    def claims(self, authorization: str | None) -> dict[str, Any]:
        """The verified claims of a header `Bearer <JWT>` or `<JWT>`. Raises UnauthorizedError, ForbiddenError."""
        if not authorization:
            raise UnauthorizedError(detail="the request has no Authorization header")
        token = authorization.removeprefix("Bearer ").strip()
        try:
            claims = self._verified(token)
        except discovery.IssuerError as error:
            raise UnauthorizedError(error.reason, str(error)) from None
        except jwt.ExpiredSignatureError:
            raise UnauthorizedError("the token has expired") from None
        except jwt.InvalidSignatureError:
            raise UnauthorizedError("the token is not valid", "the token's signature is not by its key") from None
        except jwt.PyJWTError as error:
            raise UnauthorizedError("the token is not valid", f"the token is not valid: {error}") from None
        if self._audience.isdisjoint(_audiences(claims)):
            raise UnauthorizedError("the token does not have a valid audience", self._wrong_audience(claims))
        if self._scopes and not set(self._scopes) & _granted(claims):
            raise ForbiddenError(self._scopes)
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        if token.count(".") != 2:
            raise UnauthorizedError("token contains an invalid number of segments")
        header = jwt.get_unverified_header(token)
        _require_rsa(header.get("alg"))
        self._require_issuer(jwt.decode(token, options=UNREAD))
        kid = header.get("kid")
        key = self._keys.get(kid) if kid else None
        if key is None:
            raise UnauthorizedError(
                "the token's signing key is unknown", f"the issuer publishes no RSA key with the token's kid {kid!r}"
            )
        claims: dict[str, Any] = jwt.decode(token, key, ALGORITHMS, CHECKS, issuer=self._issuer)
        return claims

    def _require_issuer(self, claims: dict[str, Any]) -> None:
        """Before the key: another issuer's key is unknown too, and this is the better reason."""
        named = claims.get("iss")
        if named != self._issuer:
            raise UnauthorizedError("issuer does not match", f"the token's iss is not {self._issuer}, but {named!r}")

    def _wrong_audience(self, claims: dict[str, Any]) -> str:
        wanted = " or ".join(sorted(self._audience))
        if "aud" in claims or "client_id" not in claims:
            return f"the token's aud is not {wanted}, but {claims.get('aud')!r}"
        return f"the token has no aud, and its client_id is not {wanted}, but {claims['client_id']!r}"

    @cached_property
    def _keys(self) -> dict[str, jwt.PyJWK]:
        return discovery.keys(self._issuer)


def _require_rsa(alg: Any) -> None:
    """Raises UnauthorizedError. What the token says goes into a header of the response only if it is a plain word."""
    if alg not in ALGORITHMS:
        detail = f"signing method {alg} is invalid: API Gateway takes RSA keys only ({', '.join(ALGORITHMS)})"
        plain = re.fullmatch(r"\w{1,16}", str(alg), re.ASCII)
        raise UnauthorizedError(f"signing method {alg} is invalid" if plain else "the token is not valid", detail)


def _granted(claims: dict[str, Any]) -> set[str]:
    granted = claims.get("scope") or claims.get("scp") or ""
    return set(granted.split() if isinstance(granted, str) else granted)


def _audiences(claims: dict[str, Any]) -> list[str]:
    """The token's audiences. `client_id` counts only if there is no `aud`."""
    named = claims["aud"] if "aud" in claims else claims.get("client_id")
    return [name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)]
