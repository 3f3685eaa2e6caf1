"""A vendor in trouble is left alone for a while, by every environment of its function at once."""

from contextlib import suppress
from time import time

from minting.deadline import Deadline
from minting.ledger import Change, Ledger, Refused
from minting.limits import STOP
from minting.problems import Problem

TROUBLE = {"vendor_unavailable", "vendor_timeout"}
"""Problems that say the vendor is down or slow; any answer of its own, an error too, says that it is not."""

THRESHOLD = 5
"""Failures in a row, in one environment, after which the vendor is left alone."""

OPEN_SECONDS = 15
"""How long it is left alone. After that one more failure is enough to leave it alone again."""


class Breaker:
    """Counts failures in memory, and writes a pause into the item that every mint's transaction checks anyway."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._failures = 0

    def saw(self, problem: Problem | None, deadline: Deadline) -> None:
        """Takes note of how the vendor did; None is a success."""
        if problem is None or problem.code not in TROUBLE:
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= THRESHOLD:
            self._pause(deadline)

    def _pause(self, deadline: Deadline) -> None:
        """An operator's stop has no end, and stays."""
        until = int(time()) + OPEN_SECONDS
        ours = "attribute_not_exists(#id) OR attribute_exists(#until)"
        with suppress(Refused, Problem):
            pause = Change(STOP, "SET #until = :until, #expires = :until", ours, {"until": until})
            self._ledger.change([pause], deadline.settling())
