"""The deadline of a request. Every call to a vendor or to AWS gets the time that is left."""

from time import monotonic

from minting.meter import Meter
from minting.problems import Ambiguous, Problem

SETTLING_SECONDS = 2.0
"""The time after its deadline in which a failed request gives back its counts and slot. The longest
deadline is 24 s, and the function's own timeout is 28 s.
"""


class Deadline:
    """The time by which a request must end. `meter` takes what the request measures."""

    def __init__(self, seconds: float, meter: Meter | None = None) -> None:
        self._at = monotonic() + seconds
        self.meter = meter or Meter()

    def part(self, share: float) -> "Deadline":
        """An earlier deadline, after a share (0 to 1) of the time that is left.

        So a call that misses it can be retried. Raises `vendor_timeout` when no time is left.
        """
        return Deadline(self.seconds_or_raise() * share, self.meter)

    def at_most(self, seconds: float) -> "Deadline":
        """This deadline, or an earlier one after so many seconds."""
        return Deadline(min(self.seconds_left(), seconds), self.meter)

    def seconds_left(self) -> float:
        """Seconds left. Negative once the deadline has passed."""
        return self._at - monotonic()

    def seconds_or_raise(self) -> float:
        """Seconds left. Raises `vendor_timeout` once the deadline has passed."""
        seconds = self.seconds_left()
        if seconds <= 0:
            raise timed_out(sent=False)
        return seconds

    def settling(self) -> "Deadline":
        """A slightly later deadline, in which a failed request gives back its counts and slot."""
        return Deadline(self.seconds_left() + SETTLING_SECONDS, self.meter)


def timed_out(*, sent: bool) -> Problem:
    """The problem of a request whose deadline has passed. If nothing was sent, it had no effect."""
    kind = Ambiguous if sent else Problem
    return kind("vendor_timeout", "The vendor did not answer in time. Try again.", retry_after=1)
