"""The circuit breaker: pauses a failing operation in all environments of its function."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from minting.deadline import Deadline
from minting.gate import Gate, Paused
from minting.problems import Problem

TROUBLE = {"vendor_unavailable", "vendor_timeout"}
"""Problems of a vendor that is down or slow."""

THRESHOLD = 5
"""Failures in a row, in one environment, that open the breaker."""

OPEN_SECONDS = 15
"""How long the breaker stays open. After that, one more failure opens it again."""


class Breaker:
    """Counts each operation's failures in memory. Operations ask a vendor different things, and fail apart."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._failures = Counter[str]()

    @contextmanager
    def watching(self, operation: str, deadline: Deadline) -> Iterator[None]:
        """Counts the block as one request to the vendor. Opens the breaker after THRESHOLD failures in a row.

        A refusal of our own says nothing about the vendor, and counts neither way.
        """
        try:
            yield
        except Paused:
            raise
        except Problem as problem:
            if problem.code in TROUBLE:
                self._fail(operation, deadline)
            elif problem.vendor_status is not None:
                self._failures[operation] = 0
            raise
        self._failures[operation] = 0

    def _fail(self, operation: str, deadline: Deadline) -> None:
        self._failures[operation] += 1
        if self._failures[operation] >= THRESHOLD:
            deadline.meter.events["breaker_opened"] += 1
            self._gate.pause(operation, OPEN_SECONDS, deadline)
