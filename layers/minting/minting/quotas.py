"""What each caller has used of a vendor, and the operator's block: one item for each caller."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import time

from minting.callers import Caller
from minting.counts import DAY, Count, ended, without
from minting.deadline import Deadline
from minting.problems import Problem
from minting.table import ConditionFailed, Item, Table, Write

MAX_ENDED = 20
"""How many old counts an item keeps. They are removed together, and the item stays below 1 KB.

DynamoDB bills a write by the KB.
"""


USED = "caller_used"
"""The metric of how much of its own day a caller has used. An alarm watches it."""


class Quotas:
    """The quotas of one vendor's callers.

    A request costs one conditional write. The caller's next request meets a block.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    @contextmanager
    def counted(self, caller: Caller, counts: Sequence[Count], deadline: Deadline) -> Iterator[None]:
        """Counts the block as one request of the caller. Gives the count back if the block fails.

        Raises `quota_exceeded` for the first count that is full, `not_allowed` for a blocked
        caller, or `limits_unavailable`.
        """
        self._take(caller, counts, deadline)
        try:
            yield
        except Exception:
            self._give_back(caller, counts, deadline)
            raise

    def require_unblocked(self, caller: Caller, deadline: Deadline) -> None:
        """Raises `not_allowed` for a blocked caller. For requests that no limit counts."""
        _require_unblocked(self._table.get(key_of(caller), deadline))

    def _take(self, caller: Caller, counts: Sequence[Count], deadline: Deadline) -> None:
        rooms = [
            f"(attribute_not_exists(#{count.attribute}) OR #{count.attribute} < :limit{n})"
            for n, count in enumerate(counts)
        ]
        adds = ", ".join(f"#{count.attribute} :one" for count in counts)
        values = {f"limit{n}": count.limit for n, count in enumerate(counts)} | {"one": 1, "gone": _gone()}
        condition = " AND ".join(["attribute_not_exists(#blocked)", *rooms])
        write = Write(key_of(caller), f"ADD {adds} SET #expires = :gone", condition, values)
        try:
            item = self._table.update(write, deadline)
        except ConditionFailed as failed:
            _require_unblocked(failed.item)
            _measure(failed.item, counts, deadline)
            raise next(
                count for count in counts if failed.item.get(count.attribute, 0) >= count.limit
            ).exceeded() from None
        _measure(item, counts, deadline)
        self._tidy(caller, ended(item), deadline)

    def _give_back(self, caller: Caller, counts: Sequence[Count], deadline: Deadline) -> None:
        """Takes one request off the counts. It stays counted if the table does not answer."""
        less = ", ".join(f"#{count.attribute} :less" for count in counts)
        there = " AND ".join(f"attribute_exists(#{count.attribute})" for count in counts)
        with suppress(ConditionFailed, Problem):
            self._table.update(
                Write(key_of(caller), f"ADD {less}", there, {"less": -1}), deadline.settling(), once=True
            )

    def _tidy(self, caller: Caller, attributes: Sequence[str], deadline: Deadline) -> None:
        if len(attributes) > MAX_ENDED:
            with suppress(Problem):
                self._table.update(Write(key_of(caller), without(attributes).strip()), deadline)


def key_of(caller: Caller) -> str:
    """The key of the caller's item."""
    return f"caller#{caller.digest}"


def _measure(item: Item, counts: Sequence[Count], deadline: Deadline) -> None:
    """How much of its day the caller has used. The day is the longest of the counts, and the last."""
    day = counts[-1]
    deadline.meter.use(USED, item.get(day.attribute, 0), day.limit)


def _require_unblocked(item: Item) -> None:
    if "blocked" in item:
        raise Problem("not_allowed", "The team has blocked this caller. Ask the team to unblock you.")


def _gone() -> int:
    """The item goes two days after the caller's last request."""
    return int(time() + (2 * DAY).total_seconds())
