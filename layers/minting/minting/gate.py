"""Whether a vendor may be asked: the operator's stop, and the breaker's pauses."""

from contextlib import suppress
from time import time

from minting.deadline import Deadline
from minting.problems import Problem
from minting.table import ConditionFailed, Item, Table, Write

VENDOR = "vendor"
"""Key of the vendor's one item. It holds `stopped`, the pauses and the day's counts.

docs/operating.md has the command that sets `stopped`.
"""

SECONDS_KNOWN = 5
"""How long an environment trusts what it has read of the item. A stop takes effect within this time."""


class Paused(Problem):
    """The breaker's refusal. It says nothing new about the vendor."""


class Gate:
    """What this environment knows of the vendor's item."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._read_at = 0.0
        self.item: Item = {}

    def learn(self, item: Item) -> None:
        """Remembers the item as it is now."""
        self.item = item
        self._read_at = time()

    def require_running(self) -> None:
        """Raises `vendor_stopped` if this environment knows that the team has stopped the vendor."""
        if self._is_known() and "stopped" in self.item:
            raise Problem("vendor_stopped", "The team has stopped this vendor for now.", retry_after=60)

    def require_open(self, operation: str) -> None:
        """Raises as `require_running`, or Paused if this environment knows of the operation's pause."""
        self.require_running()
        seconds = self.item.get(_pause(operation), 0) - time()
        if seconds > 0:
            detail = "The vendor failed several times in a row. This deployment sends it nothing for some seconds."
            raise Paused("vendor_unavailable", detail, retry_after=int(seconds) + 1)

    def check(self, operation: str, deadline: Deadline) -> None:
        """Reads the item unless it is known, then raises as `require_open`, or `limits_unavailable`."""
        if not self._is_known():
            self.learn(self._table.get(VENDOR, deadline))
        self.require_open(operation)

    def pause(self, operation: str, seconds: int, deadline: Deadline) -> None:
        """Pauses the operation in all environments. They hear of it within SECONDS_KNOWN."""
        until = {"until": int(time()) + seconds}
        with suppress(ConditionFailed, Problem):
            self.learn(
                self._table.update(Write(VENDOR, f"SET #{_pause(operation)} = :until", "", until), deadline.settling())
            )

    def _is_known(self) -> bool:
        return 0 <= time() - self._read_at < SECONDS_KNOWN


def _pause(operation: str) -> str:
    return f"paused_{operation}"
