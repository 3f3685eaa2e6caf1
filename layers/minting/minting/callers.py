"""The caller: the user or backend that API Gateway has verified.

A backend can also name the user that it asks for.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from minting.problems import FieldError, Problem, not_allowed
from minting.settings import RequiredClaims

ON_BEHALF_OF = "Mint-On-Behalf-Of"
"""Header in which a backend names the user it asks for."""

MAX_CLAIM = 255
"""OpenID Connect Core 1.0 section 2 limits `sub` to 255 ASCII characters.

We limit `iss` in the same way.
"""

NOT_SIGNED_IN = "Send `Authorization: Bearer <JWT>` from this deployment's sign-in."
NOBODY = f"The JWT names nobody: its `sub` is not 1 to {MAX_CLAIM} printable ASCII characters. Send the JWT of a signed-in user."
"""Why a caller is `unauthenticated`."""


class Caller(msgspec.Struct, frozen=True, omit_defaults=True):
    """A signed-in user or backend. `sub` is unique within its issuer only, so both name the caller.

    `backend` is true when the JWT carries the deployment's `BackendScope`. `user` is the user that
    such a backend asks for: limits, ownership and records are then those of the pair.
    """

    iss: str
    sub: str
    user: str | None = None
    backend: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 in hex. It names the caller in table keys, is not readable, and is unique."""
        if self.user is None:
            return _sha256(f"{len(self.iss)}:{self.iss}{self.sub}")
        return _sha256(f"{len(self.iss)},{len(self.sub)}:{self.iss}{self.sub}{self.user}")

    @property
    def id(self) -> str:
        """The caller's id, which replaces `{caller}`: 32 hexadecimal digits.

        It is short, because some vendors limit names to 63 characters.
        """
        return self.digest[:32]


def caller_of(event: dict[str, Any], backend_scope: str = "") -> Caller:
    """The signed-in sender of an HTTP API event.

    Raises `unauthenticated` when verified claims are missing, as under `sam local`, or name nobody.
    """
    try:
        claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
        iss, sub = claims.get("iss"), claims.get("sub")
    except (AttributeError, KeyError, TypeError):
        raise Problem("unauthenticated", NOT_SIGNED_IN) from None
    if not (_is_name(iss) and _is_name(sub)):
        raise Problem("unauthenticated", NOBODY)
    return Caller(iss, sub, backend=backend_scope in _scopes(claims))


def require_claims(event: dict[str, Any], sender: Caller, required: RequiredClaims) -> None:
    """Raises `not_allowed` unless the sender's JWT says what this deployment requires.

    A backend is excepted: its machine's JWT says nothing about a user.
    """
    broken = [] if sender.backend else required.broken(event["requestContext"]["authorizer"]["jwt"]["claims"])
    if broken:
        detail = (
            "Your sign-in is not of a kind that this deployment accepts. Sign in as `errors` says, or ask the team."
        )
        errors = [
            FieldError(rule.name, f"This deployment requires the claim {rule} (REQUIRED_CLAIMS)") for rule in broken
        ]
        raise Problem("not_allowed", detail, errors=errors)


def acting_for(event: dict[str, Any], sender: Caller) -> Caller:
    """The sender and, if the event's header names one, the user that it acts for.

    Raises `not_allowed` if the sender is not a backend, and `invalid_request` if the name is
    malformed. The header is never ignored, because the sender would then act for itself.
    """
    user: str | None = (event.get("headers") or {}).get(ON_BEHALF_OF.lower())
    if user is None:
        return sender
    if not sender.backend:
        message = "Only a token with this deployment's scope for backends may send this header (BACKEND_SCOPE)"
        raise not_allowed([FieldError(ON_BEHALF_OF, message)])
    if not re.fullmatch(r"[\x20-\x7e]{1,128}", user):
        error = FieldError(ON_BEHALF_OF, "Expected 1 to 128 printable ASCII characters")
        raise Problem("invalid_request", "Correct the header and send the request again.", errors=[error])
    return msgspec.structs.replace(sender, user=user)


def _scopes(claims: Mapping[str, Any]) -> set[str]:
    """The scopes of the JWT.

    API Gateway reads them from `scope` or `scp`, and passes a list on as `[a b]`. The empty string
    is never a scope, so an empty `BackendScope` allows no backend.
    """
    granted = claims.get("scope") or claims.get("scp")
    return set(granted.removeprefix("[").removesuffix("]").split()) if isinstance(granted, str) else set()


def _is_name(claim: object) -> bool:
    return isinstance(claim, str) and 0 < len(claim) <= MAX_CLAIM and claim.isascii() and claim.isprintable()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
