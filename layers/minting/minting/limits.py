"""How much may be minted: per caller and hour, per vendor and day, and not at all while the operator has stopped the vendor."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import time
from typing import NamedTuple

from minting.callers import Caller
from minting.deadline import Deadline
from minting.ledger import Change, Item, Ledger, Refused
from minting.problems import Problem

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

STOP = "stop"
"""Key of the item that stops the vendor at once: for good (docs/operating.md has the command) or, with `until`, for a while."""


class Window(NamedTuple):
    """A count that begins anew at fixed times, in UTC."""

    name: str
    key: str
    most: int
    ends: datetime

    def take(self) -> Change:
        """One more, if there is room. The item outlives its window by a day, for whoever asks what happened."""
        values = {"one": 1, "most": self.most, "gone": int((self.ends + DAY).timestamp())}
        return Change(
            self.key, "ADD #used :one SET #expires = :gone", "attribute_not_exists(#used) OR #used < :most", values
        )

    def give_back(self) -> Change:
        """One less."""
        return Change(self.key, "ADD #used :less", "", {"less": -1})

    def exceeded(self) -> Problem:
        """The refusal, with the time until the window ends."""
        wait = max(1, int((self.ends - datetime.now(UTC)).total_seconds()) + 1)
        return Problem(
            "quota_exceeded", f"The limit {self.name} ({self.most}) is reached.", limit=self.name, retry_after=wait
        )


class Limits:
    """One vendor's limits over all of its function's environments, counted atomically. Where they cannot be, nobody mints."""

    def __init__(self, ledger: Ledger, caller_per_hour: int, vendor_per_day: int) -> None:
        self._ledger = ledger
        self._caller_per_hour = caller_per_hour
        self._vendor_per_day = vendor_per_day

    def windows(self, caller: Caller) -> list[Window]:
        """Those that count for a caller now, the narrowest first."""
        now = datetime.now(UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        day = hour.replace(hour=0)
        return [
            Window("caller_per_hour", f"hour#{caller.digest}#{hour:%Y-%m-%dT%H}", self._caller_per_hour, hour + HOUR),
            Window("vendor_per_day", f"day#{day:%Y-%m-%d}", self._vendor_per_day, day + DAY),
        ]

    def take(self, windows: Sequence[Window], deadline: Deadline, also: Sequence[Change] = ()) -> None:
        """Counts one mint in all windows, together with the changes in `also`, or nothing at all.

        Raises Refused for the first of `also` that cannot be; else `quota_exceeded`, `vendor_stopped`, `vendor_unavailable`
        (a pause) or `limits_unavailable`.
        """
        not_stopped = Change(STOP, "", "attribute_not_exists(#id) OR #until < :now", {"now": int(time())})
        changes = [*also, *(window.take() for window in windows), not_stopped]
        try:
            self._ledger.change(changes, deadline)
        except Refused as refused:
            index = refused.index - len(also)
            if index < 0:
                raise
            raise (windows[index].exceeded() if index < len(windows) else _stopped(refused.item)) from None

    def give_back(self, windows: Sequence[Window], deadline: Deadline, also: Sequence[Change] = ()) -> None:
        """Undoes `take`, as far as the table lets us: what cannot be given back stays counted."""
        if not (windows or also):
            return
        with suppress(Refused, Problem):
            self._ledger.change([*(window.give_back() for window in windows), *also], deadline.settling())


def _stopped(item: Item) -> Problem:
    if "until" not in item:
        return Problem("vendor_stopped", "The team has stopped this vendor for now.", retry_after=60)
    wait = max(1, item["until"] - int(time()) + 1)
    detail = "The vendor has failed again and again; it is left alone for a while."
    return Problem("vendor_unavailable", detail, retry_after=wait)
