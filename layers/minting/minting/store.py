"""Short-lived storage that callers share by an unguessable id.

Values are encrypted with the id, so reading the table reveals nothing.
"""

import secrets
from contextlib import suppress
from time import time

import msgspec

from minting.callers import Caller
from minting.deadline import Deadline
from minting.problems import Problem
from minting.sealing import derived, seal, unseal
from minting.table import ConditionFailed, Item, Table, Write

ID_BYTES = 24
ID = rf"\A[A-Za-z0-9_-]{{{ID_BYTES * 4 // 3}}}\Z"


class SealedStore[T]:
    """One vendor's values of one `kind`, each of a `shape`."""

    def __init__(self, table: Table, kind: str, shape: type[T]) -> None:
        self._table = table
        self._kind = kind
        self._shape = shape

    def resource(self, stored_id: str) -> str:
        """The value's key in the table. It does not reveal the id.

        The item's `owner` is the caller who stored it.
        """
        return f"{self._kind}#{derived(stored_id, 'name').hex()}"

    def put(self, value: T, owner: Caller, ends: int, max_viewers: int | None, deadline: Deadline) -> str:
        """Stores a value until `ends` (Unix seconds) for at most `max_viewers` callers.

        Returns its id.
        """
        stored_id = secrets.token_urlsafe(ID_BYTES)
        values = {
            "owner": owner.digest,
            "sealed": seal(stored_id, msgspec.json.encode(value)),
            "ends": ends,
            "max": max_viewers or 0,
        }
        update = "SET #owner = :owner, #sealed = :sealed, #ends = :ends, #max_viewers = :max, #expires = :ends"
        self._table.update(Write(self.resource(stored_id), update, "", values), deadline)
        return stored_id

    def get(self, stored_id: str, viewer: Caller, deadline: Deadline) -> T:
        """The value.

        Raises `not_found` if it has ended or never existed, and `quota_exceeded` if it has no room
        for another viewer.
        """
        item = self._table.get(self.resource(stored_id), deadline)
        if "sealed" not in item or item["ends"] < time():
            raise _ended()
        self._admit(stored_id, viewer, item, deadline)
        return msgspec.json.decode(unseal(stored_id, item["sealed"]), type=self._shape)

    def delete(self, stored_id: str, deadline: Deadline) -> None:
        """Deletes the value and keeps its owner.

        The caller of this method has checked the owner.
        """
        with suppress(ConditionFailed):  # the table has deleted the item already
            self._table.update(Write(self.resource(stored_id), "REMOVE #sealed", "attribute_exists(#id)"), deadline)

    def _admit(self, stored_id: str, viewer: Caller, item: Item, deadline: Deadline) -> None:
        """Adds the viewer.

        A viewer never leaves, so a known viewer and a full value need no write.
        """
        max_viewers, viewers = item["max_viewers"], item.get("viewers", frozenset())
        if not max_viewers or viewer.id in viewers:
            return
        if len(viewers) >= max_viewers:
            raise _full(max_viewers)
        room = "attribute_not_exists(#viewers) OR contains(#viewers, :viewer) OR size(#viewers) < :max"
        # Without this condition, the update would create an item that never expires.
        there = f"attribute_exists(#sealed) AND ({room})"
        values = {"joining": {viewer.id}, "viewer": viewer.id, "max": max_viewers}
        try:
            self._table.update(Write(self.resource(stored_id), "ADD #viewers :joining", there, values), deadline)
        except ConditionFailed as failed:
            raise (_full(max_viewers) if "sealed" in failed.item else _ended()) from None


def _ended() -> Problem:
    """The same words for a value that has ended and for one that never existed."""
    return Problem("not_found", "It does not exist, or it has ended.")


def _full(max_viewers: int) -> Problem:
    """Waiting does not help, because no viewer leaves."""
    return Problem(
        "quota_exceeded",
        f"No more viewers are allowed (limit `viewers`: {max_viewers}).",
        limit="viewers",
        retryable=False,
    )
