"""The limits: mints per caller and hour, mints per vendor and day, and the operator's stop."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import time
from typing import NamedTuple

from minting.callers import Caller
from minting.deadline import Deadline
from minting.problems import Problem
from minting.table import ConditionFailed, Item, Table, Write

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

STOP = "stop"
"""Key of the item that stops the vendor. With `until` it is a pause.

Without, it is an operator's stop (docs/operating.md has the command).
"""


class Window(NamedTuple):
    """A count that starts again at a fixed time, in UTC. At most `limit` requests fit into it."""

    name: str
    key: str
    limit: int
    ends: datetime

    def take(self) -> Write:
        """Counts one request, if there is room.

        The item outlives its window by a day, so that operators can look at it.
        """
        values = {"one": 1, "limit": self.limit, "gone": int((self.ends + DAY).timestamp())}
        return Write(
            self.key, "ADD #used :one SET #expires = :gone", "attribute_not_exists(#used) OR #used < :limit", values
        )

    def give_back(self) -> Write:
        """Takes one request off the count."""
        return Write(self.key, "ADD #used :less", "", {"less": -1})

    def exceeded(self) -> Problem:
        """The refusal, with the seconds until the window ends."""
        wait = max(1, int((self.ends - datetime.now(UTC)).total_seconds()) + 1)
        return Problem(
            "quota_exceeded",
            f"The limit {self.name} ({self.limit}) is reached. Try again later.",
            limit=self.name,
            retry_after=wait,
        )


class Limits:
    """One vendor's limits over all environments of its function, counted atomically.

    Fails closed: if the table cannot be reached, minting is refused.
    """

    def __init__(self, table: Table, caller_per_hour: int, vendor_per_day: int) -> None:
        self._table = table
        self._caller_per_hour = caller_per_hour
        self._vendor_per_day = vendor_per_day

    @contextmanager
    def counted(self, caller: Caller, deadline: Deadline) -> Iterator[None]:
        """Counts the block as one request of the caller. Gives the count back if the block fails.

        Raises as `take`.
        """
        windows = self.windows(caller)
        self.take(windows, deadline)
        try:
            yield
        except Exception:
            self.give_back(windows, deadline)
            raise

    def windows(self, caller: Caller) -> list[Window]:
        """The windows that count for the caller now, the narrowest first."""
        now = datetime.now(UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        day = hour.replace(hour=0)
        return [
            Window("caller_per_hour", f"hour#{caller.digest}#{hour:%Y-%m-%dT%H}", self._caller_per_hour, hour + HOUR),
            Window("vendor_per_day", f"day#{day:%Y-%m-%d}", self._vendor_per_day, day + DAY),
        ]

    def take(self, windows: Sequence[Window], deadline: Deadline, also: Sequence[Write] = ()) -> None:
        """Counts one request in all windows, together with the writes in `also`, or nothing at all.

        Raises ConditionFailed for the first of `also` that cannot be done. Otherwise raises
        `quota_exceeded`, `vendor_stopped`, `vendor_unavailable` (a pause) or `limits_unavailable`.
        """
        not_stopped = Write(STOP, "", "attribute_not_exists(#id) OR #until < :now", {"now": int(time())})
        try:
            self._table.transact([*also, *(window.take() for window in windows), not_stopped], deadline)
        except ConditionFailed as failed:
            index = failed.index - len(also)
            if index < 0:
                raise
            raise (windows[index].exceeded() if index < len(windows) else _stopped(failed.item)) from None

    def give_back(self, windows: Sequence[Window], deadline: Deadline, also: Sequence[Write] = ()) -> None:
        """Undoes `take`. A request stays counted if the table does not answer."""
        with suppress(ConditionFailed, Problem):
            self._table.transact([*(window.give_back() for window in windows), *also], deadline.settling())


def _stopped(item: Item) -> Problem:
    if "until" not in item:
        return Problem("vendor_stopped", "The team has stopped this vendor for now.", retry_after=60)
    wait = max(1, item["until"] - int(time()) + 1)
    detail = "The vendor failed several times in a row. This deployment sends it nothing for some seconds."
    return Problem("vendor_unavailable", detail, retry_after=wait)
