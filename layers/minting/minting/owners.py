"""Whose token it is: extending and revoking are for the caller that it was minted for."""

from datetime import UTC, datetime, timedelta

from minting.callers import Caller
from minting.ledger import Change, Ledger
from minting.limits import digest
from minting.problems import Problem
from minting.upstream import Deadline

KEPT = timedelta(days=2)
"""How long past its expiry (or, where that is not known, its mint) a token's owner is remembered."""


class Owners:
    """One vendor's tokens, by their fingerprints."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def remember(self, fingerprint: str, caller: Caller, expires_at: datetime | None, deadline: Deadline) -> None:
        """Writes the owner down. Raises `limits_unavailable`: what cannot be revoked is not handed out as if it could."""
        gone = int(((expires_at or datetime.now(UTC)) + KEPT).timestamp())
        values = {"owner": digest(caller), "gone": gone}
        self._ledger.change(
            [Change(f"token#{fingerprint}", "SET #owner = :owner, #expires = :gone", "", values)], deadline
        )

    def check(self, fingerprint: str, caller: Caller) -> None:
        """Raises `not_found` for another caller's token, in the same words as for one that never was."""
        if self._ledger.read(f"token#{fingerprint}").get("owner") != digest(caller):
            raise Problem("not_found", "You have no such token.")
