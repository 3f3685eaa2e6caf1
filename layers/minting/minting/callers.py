"""Who is asking: the claims that API Gateway's JWT authorizer has verified."""

import hashlib
from typing import Any

import msgspec

from minting.problems import Problem

LONGEST_CLAIM = 255
"""OpenID Connect Core 1.0 section 2 bounds `sub` at 255 ASCII characters; we hold `iss` to the same."""


class Caller(msgspec.Struct, frozen=True):
    """A signed-in user of the team's app. `sub` is unique within its issuer only, so both name the caller."""

    iss: str
    sub: str

    @property
    def digest(self) -> str:
        """SHA-256 in hex: the caller's place in keys, not readable, and never the same for two."""
        return hashlib.sha256(f"{len(self.iss)}:{self.iss}{self.sub}".encode()).hexdigest()

    @property
    def id(self) -> str:
        """The caller's own part of names that callers choose: 32 hexadecimal digits, as some vendors bound names at 63."""
        return self.digest[:32]


def caller_of(event: dict[str, Any]) -> Caller:
    """The caller of an HTTP API event. Raises `unauthenticated` when verified claims are missing, as under `sam local`."""
    try:
        claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
        caller = Caller(claims["iss"], claims["sub"])
    except (KeyError, TypeError):
        raise _unauthenticated() from None
    if not all(map(_is_name, (caller.iss, caller.sub))):
        raise _unauthenticated()
    return caller


def _is_name(claim: object) -> bool:
    return isinstance(claim, str) and 0 < len(claim) <= LONGEST_CLAIM and claim.isascii() and claim.isprintable()


def _unauthenticated() -> Problem:
    return Problem("unauthenticated", "Send `Authorization: Bearer <JWT>` from this deployment's sign-in.")
