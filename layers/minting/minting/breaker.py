"""The circuit breaker: pauses a failing vendor in all environments of its function at once."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import time

from minting.deadline import Deadline
from minting.limits import STOP
from minting.problems import Problem
from minting.table import ConditionFailed, Table, Write

TROUBLE = {"vendor_unavailable", "vendor_timeout"}
"""Problems of a vendor that is down or slow.

Any other answer, even an error, shows that it is up.
"""

THRESHOLD = 5
"""Failures in a row, in one environment, that open the breaker."""

OPEN_SECONDS = 15
"""How long the breaker stays open. After that, one more failure opens it again."""


class Breaker:
    """Counts failures in memory.

    It writes the pause into the item that every mint's transaction checks anyway.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._failures = 0

    @contextmanager
    def watching(self, deadline: Deadline) -> Iterator[None]:
        """Counts the block's outcome. Opens the breaker after THRESHOLD failures in a row."""
        try:
            yield
        except Problem as problem:
            self._failures = self._failures + 1 if problem.code in TROUBLE else 0
            if self._failures >= THRESHOLD:
                self._pause(deadline)
            raise
        self._failures = 0

    def _pause(self, deadline: Deadline) -> None:
        """Writes the pause. An operator's stop has no end, and stays."""
        until = int(time()) + OPEN_SECONDS
        not_stopped = "attribute_not_exists(#id) OR attribute_exists(#until)"
        pause = Write(STOP, "SET #until = :until, #expires = :until", not_stopped, {"until": until})
        with suppress(ConditionFailed, Problem):
            self._table.transact([pause], deadline.settling())
