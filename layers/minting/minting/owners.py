"""Resource ownership: only the creator of a token, upload or broadcast may change or end it."""

import hashlib
from datetime import UTC, datetime, timedelta

from minting.callers import Caller
from minting.deadline import Deadline
from minting.problems import Problem
from minting.table import Table, Write

RETENTION = timedelta(days=2)
"""How long an owner is stored after the resource's expiry, or from now on if that is unknown."""


class Owners:
    """The owners of one vendor's resources.

    A resource has a name such as `token#<SHA-256>` or `upload#<id>`.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def remember(self, resource: str, caller: Caller, expires_at: datetime | None, deadline: Deadline) -> None:
        """Stores the owner.

        Raises `limits_unavailable`: a token whose owner is not stored could not be revoked.
        """
        gone = int(((expires_at or datetime.now(UTC)) + RETENTION).timestamp())
        values = {"owner": caller.digest, "gone": gone}
        self._table.update(Write(resource, "SET #owner = :owner, #expires = :gone", "", values), deadline)

    def require_owner(self, resource: str, caller: Caller, deadline: Deadline) -> None:
        """Raises `not_found` unless the caller owns the resource.

        The words are the same for another caller's resource and for one that never existed.
        """
        if self._table.get(resource, deadline).get("owner") != caller.digest:
            raise Problem("not_found", "It does not exist or belongs to another caller.")


def token_resource(secret: str) -> str:
    """The name of a token among the resources."""
    return f"token#{fingerprint(secret)}"


def fingerprint(secret: str) -> str:
    """SHA-256 in hex. It finds a token's record and owner, and the token itself is not stored."""
    return hashlib.sha256(secret.encode()).hexdigest()
