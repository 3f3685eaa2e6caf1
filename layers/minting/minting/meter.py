"""What one request measures on its way, for its record and its metrics."""

from collections import Counter


class Meter:
    """The waits and the events of one request, and how full its limits are.

    vendor_seconds, aws_seconds: how long it has waited for the vendor and for AWS. used: percent of a
    limit, by metric. events: counts, by metric.
    """

    def __init__(self) -> None:
        self.vendor_seconds = 0.0
        self.aws_seconds = 0.0
        self.used: dict[str, float] = {}
        self.events = Counter[str]()

    def use(self, metric: str, count: int, limit: int) -> None:
        """Measures how much of a limit is used. Counts of failed requests that are not given back may exceed it."""
        self.used[metric] = min(100.0, round(100 * count / limit, 1))
