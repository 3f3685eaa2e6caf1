"""One request's claim to a session and its lease of a slot, as writes to the table."""

from time import time
from typing import NamedTuple

from minting.owners import RETENTION
from minting.table import Item, Write

MAX_REPEATS = 20
"""Requests for an existing session. A client that backs off needs a few. A loop ends here."""

OVERTIME_SECONDS = 60
"""How much longer than `SlotLimits.seconds` a lease may last.

30 s are for API Gateway, and the rest is for clocks that differ.
"""


class SlotLimits(NamedTuple):
    """The limits of live slots. `seconds`: the time after which the vendor frees an unused slot."""

    live: int
    live_per_caller: int
    seconds: int


class Claim(NamedTuple):
    """One request's claim to a session, and its lease of a slot.

    key: the key of the item that repeated requests find.
    lease_id: the entry in both sets of live slots. It begins with the Unix second at which the slot
    is free again.
    seconds_kept: how long the key stands for the session.
    owner: the caller's digest.
    """

    key: str
    lease_id: str
    seconds_kept: int
    owner: str

    @property
    def sets(self) -> tuple[str, str]:
        """The keys of the sets of live slots: the caller's own, and all callers'."""
        return f"live#{self.owner}", "live"

    def take(self, limits: SlotLimits, pending_until: int) -> list[Write]:
        """Claims the session if no other request has it, and a free slot.

        The narrowest set comes first.
        """
        now = int(time())
        free = "attribute_not_exists(#id) OR #ends < :now"
        values = {"claim": self.lease_id, "ends": pending_until, "gone": now + limits.seconds, "now": now}
        update = "SET #claim = :claim, #ends = :ends, #expires = :gone REMOVE #found, #repeats, #waiting_until"
        own, everyones = self.sets
        joins = [self._join(own, limits.live_per_caller, limits), self._join(everyones, limits.live, limits)]
        return [Write(self.key, update, free, values), *joins]

    def _join(self, key: str, limit: int, limits: SlotLimits) -> Write:
        values = {"lease": {self.lease_id}, "limit": limit, "gone": int(time()) + limits.seconds + OVERTIME_SECONDS}
        room = "attribute_not_exists(#live) OR size(#live) < :limit"
        return Write(key, "ADD #live :lease SET #expires = :gone", room, values)

    def store(self, session: bytes, resource: str) -> list[Write]:
        """Stores the session for repeated requests.

        Stores it also under its `resource`, so that its owner can release it.
        """
        values = {"found": session, "ends": int(time()) + self.seconds_kept, "claim": self.lease_id}
        found = Write(self.key, "SET #found = :found, #ends = :ends", "#claim = :claim", values)
        gone = int(time() + RETENTION.total_seconds())
        owned = {"owner": self.owner, "key": self.key, "claim": self.lease_id, "gone": gone}
        update = "SET #owner = :owner, #key = :key, #claim = :claim, #expires = :gone"
        return [found, Write(resource, update, "", owned)]

    def wait(self, until: int) -> Write:
        """Lets one request wait for the session that another one opens. A second one finds no room."""
        opening = "#claim = :claim AND attribute_not_exists(#found) AND #ends >= :now"
        alone = "(attribute_not_exists(#waiting_until) OR #waiting_until < :now)"
        values = {"claim": self.lease_id, "now": int(time()), "until": until}
        return Write(self.key, "SET #waiting_until = :until", f"{opening} AND {alone}", values)

    def repeat(self) -> Write:
        """Counts one repeated request, if the key still stands for this session."""
        same = "#claim = :claim AND #ends >= :now AND (attribute_not_exists(#repeats) OR #repeats < :limit)"
        values = {"claim": self.lease_id, "now": int(time()), "one": 1, "limit": MAX_REPEATS}
        return Write(self.key, "ADD #repeats :one", same, values)

    def forget(self) -> Write:
        """Lets the next request with the key open another session.

        The slot of this one stays counted.
        """
        return Write(self.key, "SET #ends = :never", "#claim = :claim", {"never": 0, "claim": self.lease_id})

    def free(self) -> list[Write]:
        """Frees the slot.

        This write recreates a set that DynamoDB has already deleted, so it sets an expiry again.
        """
        update = "DELETE #live :lease SET #expires = if_not_exists(#expires, :gone)"
        values = {"lease": {self.lease_id}, "gone": int(time()) + OVERTIME_SECONDS}
        return [Write(key, update, "", values) for key in self.sets]


def is_open(item: Item) -> bool:
    """Whether the key stands for a session."""
    return "found" in item and not _is_over(item)


def is_opening(item: Item) -> bool:
    """Whether another request with the key asks the vendor for a session now."""
    return "ends" in item and "found" not in item and not _is_over(item)


def _is_over(item: Item) -> bool:
    return bool(item["ends"] < int(time()))
