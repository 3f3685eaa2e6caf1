"""API Gateway's JWT authorizer.

Source: API Gateway developer guide, "Control access to HTTP APIs with JWT authorizers in API Gateway".
"""

from functools import cached_property
from typing import Any

import jwt
import requests
from jwt.types import Options

ALGORITHMS = ["RS256"]
CHECKS: Options = {"require": ["iss", "exp"], "verify_aud": False, "verify_sub": False, "verify_jti": False}


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
        try:
            claims = self._verified(authorization.removeprefix("Bearer ").strip())
        except jwt.ExpiredSignatureError:
            raise UnauthorizedError("the token has expired") from None
        except jwt.InvalidIssuerError:
            raise UnauthorizedError("the token is not valid", f"the token's iss is not {self._issuer}") from None
        except jwt.PyJWTError as error:
            raise UnauthorizedError("the token is not valid", f"the token is not valid: {error}") from None
        if self._audience.isdisjoint(_audiences(claims)):
            wanted = " or ".join(sorted(self._audience))
            raise UnauthorizedError("the token does not have a valid audience", f"the token's aud is not {wanted}")
        if self._scopes and not set(self._scopes) & _granted(claims):
            raise ForbiddenError(self._scopes)
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
        if key is None:
            raise UnauthorizedError("the token's signing key is unknown")
        claims: dict[str, Any] = jwt.decode(token, key, ALGORITHMS, CHECKS, issuer=self._issuer)
        return claims

    @cached_property
    def _keys(self) -> dict[str, jwt.PyJWK]:
        with requests.Session() as session:
            session.trust_env = False
            found = session.get(f"{self._issuer}/.well-known/openid-configuration", timeout=5).json()
            published = session.get(found["jwks_uri"], timeout=5).json()
        return {str(key.key_id): key for key in jwt.PyJWKSet.from_dict(published).keys}


def _granted(claims: dict[str, Any]) -> set[str]:
    granted = claims.get("scope") or claims.get("scp") or ""
    return set(granted.split() if isinstance(granted, str) else granted)


def _audiences(claims: dict[str, Any]) -> list[str]:
    """The token's audiences. `client_id` counts only if there is no `aud`."""
    named = claims["aud"] if "aud" in claims else claims.get("client_id")
    return [name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)]
