"""What a vendor may be asked in a day. Each environment leases a block of it.

A leased mint counts at once, so no number of environments passes the limit. An environment that is
frozen or killed loses what is left of its block. The item therefore counts how many mints are in
open blocks, and these are at most MAX_OPEN_SHARE of the day. A block of one is never open, because
its mint is used at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from time import time
from typing import NamedTuple

from minting.counts import Count, ended, today, without
from minting.deadline import Deadline
from minting.gate import SECONDS_KNOWN, VENDOR, Gate
from minting.problems import Ambiguous, Problem
from minting.table import ConditionFailed, Table, Write

MAX_OPEN_SHARE = 0.01
"""The share of a day that may be in open blocks, and so the most that a day can lose."""

MAX_GROWTH = 4
"""A block is at most this many times as large as the use of the last one. One burst is no rate."""

MIN_CALLER_PER_DAY = 5

USED = "budget_used"
"""The metric of how much of the day is used, leased mints included. An alarm watches it."""


class Rates(NamedTuple):
    """The limits of one budget. `caller_per_day` 0 stands for a tenth of the day."""

    caller_per_hour: int
    caller_per_day: int
    vendor_per_day: int

    @property
    def caller_share(self) -> int:
        """Requests of one caller in a day."""
        return self.caller_per_day or max(self.vendor_per_day // 10, MIN_CALLER_PER_DAY)


class _Lease:
    """A block of the day. `open`: its size in the item's count of open blocks."""

    def __init__(self, count: Count, size: int) -> None:
        self.count = count
        self.open = size if size > 1 else 0
        self.left = size
        self.used = 0
        self._began = time()

    def is_live(self) -> bool:
        return self.left > 0 and time() < self.count.ends.timestamp() and 0 <= self._age() < SECONDS_KNOWN

    def next_size(self) -> int:
        """As many mints as a lease's time takes at the rate of this lease."""
        at_this_rate = self.used * SECONDS_KNOWN / max(self._age(), 0.001)
        return max(1, int(min(at_this_rate, self.used * MAX_GROWTH)))

    def _age(self) -> float:
        return time() - self._began


class Budget:
    """One budget of a vendor's day, as this environment uses it. Several threads may use it at once."""

    def __init__(self, table: Table, gate: Gate, name: str, rates: Rates) -> None:
        self.name = name
        self.rates = rates
        self._table = table
        self._gate = gate
        self._lock = Lock()
        self._lease = _Lease(self._today(), 0)
        self._full_until = 0.0

    @contextmanager
    def counted(self, deadline: Deadline) -> Iterator[None]:
        """Counts the block in the vendor's day. Gives the count back if the block fails.

        Raises `quota_exceeded`, `vendor_stopped` or `limits_unavailable`.
        """
        lease = self._take(deadline)
        deadline.meter.use(USED, self._gate.item.get(lease.count.attribute, 0), lease.count.limit)
        try:
            yield
        except Exception:
            self._give_back(lease, deadline)
            raise

    def require_room(self) -> None:
        """Raises `quota_exceeded` if the day was full a moment ago: the caller's item needs no write."""
        if time() < self._full_until:
            raise self._today().exceeded()

    def _take(self, deadline: Deadline) -> _Lease:
        with self._lock:
            if not self._lease.is_live():
                self._lease = self._renewed(deadline)
            self._lease.left -= 1
            self._lease.used += 1
            return self._lease

    def _give_back(self, lease: _Lease, deadline: Deadline) -> None:
        """Puts one mint back into the block, or into the day where the block is not open any more."""
        with self._lock:
            self._full_until = 0.0
            if lease is self._lease and lease.left < lease.open:
                lease.left += 1
                return
        attribute = lease.count.attribute
        write = Write(VENDOR, f"ADD #{attribute} :less", f"attribute_exists(#{attribute})", {"less": -1})
        with suppress(ConditionFailed, Problem):
            self._gate.learn(self._table.update(write, deadline.settling(), once=True))

    def _renewed(self, deadline: Deadline) -> _Lease:
        """A lease of the size that this environment needs or, where there is no room for it, of one mint."""
        count = self._today()
        old = self._lease if self._lease.count.attribute == count.attribute else _Lease(count, 0)
        size = min(old.next_size(), self._max_open(count) - self._gate.item.get(_open(count), 0) + old.open)
        for wanted in (size, 1) if size > 1 else (1,):
            try:
                return self._leased(old, _Lease(count, wanted), deadline)
            except ConditionFailed as failed:
                self._gate.learn(failed.item)
                self._gate.require_running()
        self._full_until = min(time() + SECONDS_KNOWN, count.ends.timestamp())
        deadline.meter.use(USED, count.limit, count.limit)
        raise count.exceeded()

    def _leased(self, old: _Lease, new: _Lease, deadline: Deadline) -> _Lease:
        """Takes the new block and puts back what is left of the old one, in one write.

        The write is sent once if it takes anything off a count: a second time would lift the limit.
        """
        try:
            item = self._table.update(self._exchange(old, new), deadline, once=old.open > 0)
        except Ambiguous:
            self._lease = _Lease(new.count, 0)  # the old block may be put back
            raise
        self._gate.learn(item)
        return new

    def _exchange(self, old: _Lease, new: _Lease) -> Write:
        count, opened = new.count.attribute, _open(new.count)
        taken, more_open = new.left - old.left, new.open - old.open
        values = {"taken": taken, "room": new.count.limit - taken}
        update, conditions = f"ADD #{count} :taken", ["attribute_not_exists(#stopped)", _at_most(count, "room")]
        if more_open:
            update += f", #{opened} :opened"
            values["opened"] = more_open
        if more_open > 0:
            conditions.append(_at_most(opened, "open_room"))
            values["open_room"] = self._max_open(new.count) - more_open
        return Write(VENDOR, update + without(ended(self._gate.item)), " AND ".join(conditions), values)

    def _max_open(self, count: Count) -> int:
        return int(count.limit * MAX_OPEN_SHARE)

    def _today(self) -> Count:
        return today(self.name, "vendor_per_day", self.rates.vendor_per_day)


def _open(count: Count) -> str:
    """The attribute that counts the mints in open blocks."""
    budget, _, day = count.attribute.rpartition("_")
    return f"{budget}_open_{day}"


def _at_most(attribute: str, value: str) -> str:
    return f"(attribute_not_exists(#{attribute}) OR #{attribute} <= :{value})"
