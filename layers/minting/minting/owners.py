"""Whose a thing is: a token is extended and revoked, an upload gone on with, a broadcast ended by the caller it was made for."""

import hashlib
from datetime import UTC, datetime, timedelta

from minting.callers import Caller
from minting.deadline import Deadline
from minting.ledger import Change, Ledger
from minting.problems import Problem

KEPT = timedelta(days=2)
"""How long past its expiry (or, where that is not known, from now on) a thing's owner is remembered."""


class Owners:
    """One vendor's things, by names such as `token#<SHA-256>` and `upload#<id>`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def remember(self, thing: str, caller: Caller, expires_at: datetime | None, deadline: Deadline) -> None:
        """Writes the owner down. Raises `limits_unavailable`: what cannot be revoked is not handed out as if it could."""
        gone = int(((expires_at or datetime.now(UTC)) + KEPT).timestamp())
        values = {"owner": caller.digest, "gone": gone}
        self._ledger.change([Change(thing, "SET #owner = :owner, #expires = :gone", "", values)], deadline)

    def check(self, thing: str, caller: Caller, deadline: Deadline) -> None:
        """Raises `not_found` for another caller's thing, in the same words as for one that never was."""
        if self._ledger.read(thing, deadline).get("owner") != caller.digest:
            raise Problem("not_found", "You have no such thing.")


def token(secret: str) -> str:
    """A token's name among the things."""
    return f"token#{fingerprint(secret)}"


def fingerprint(secret: str) -> str:
    """SHA-256 in hex: finds a token's record and owner without keeping the token."""
    return hashlib.sha256(secret.encode()).hexdigest()
