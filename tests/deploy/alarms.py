"""The stack's alarms, evaluated on what its functions have written.

An alarm looks at periods of five minutes. A story writes one period, and stands for as many as the alarm looks at.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

type Json = dict[str, Any]

QUERY = re.compile(
    r'SELECT (?P<of>\w+)\((?P<name>\w+)\) FROM SCHEMA\("(?P<namespace>[^"]+)", service\)'
    r" GROUP BY service ORDER BY (?P=of)\(\) DESC"
)
ANY_WORD = re.compile(r'\?"([^"]+)"')


class Datum(NamedTuple):
    """One value of a metric. dimensions: sorted pairs of name and value."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    value: float


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


STATISTICS: Mapping[str, Callable[[list[float]], float]] = {
    "SUM": sum,
    "AVG": mean,
    "MAX": max,
    "MIN": min,
    "Sum": sum,
    "Average": mean,
    "Maximum": max,
    "Minimum": min,
}
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


class Alarm:
    """properties: as DescribeAlarms returns them. The emulator returns a query as the metric's name."""

    def __init__(self, properties: Json) -> None:
        self._properties = properties

    @property
    def namespace(self) -> str:
        query = QUERY.fullmatch(self._properties["MetricName"])
        return query["namespace"] if query else str(self._properties["Namespace"])

    def ringing(self, data: Iterable[Datum]) -> set[str]:
        """The vendors for which the alarm is on; "" where it watches no vendor. Missing data never rings."""
        threshold, holds = self._properties["Threshold"], COMPARISONS[self._properties["ComparisonOperator"]]
        statistic, series = self._series(data)
        return {name for name, values in series.items() if holds(STATISTICS[statistic](values), threshold)}

    def _series(self, data: Iterable[Datum]) -> tuple[str, dict[str, list[float]]]:
        """The statistic, and the values by vendor."""
        query, found = QUERY.fullmatch(self._properties["MetricName"]), defaultdict[str, list[float]](list)
        for datum in data:
            if query and datum[:2] == (query["namespace"], query["name"]):
                ((_, vendor),) = datum.dimensions
                found[vendor].append(datum.value)
            elif not query and datum[:3] == self._metric():
                found[dict(datum.dimensions).get("service", "")].append(datum.value)
        return (query["of"] if query else self._properties["Statistic"]), found

    def _metric(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        wanted = self._properties
        dimensions = sorted((each["Name"], each["Value"]) for each in wanted.get("Dimensions", []))
        return wanted["Namespace"], wanted["MetricName"], tuple(dimensions)


def embedded(line: Json) -> Iterable[Datum]:
    """The metrics in a line of CloudWatch's embedded metric format."""
    for group in line["_aws"]["CloudWatchMetrics"]:
        for names in group["Dimensions"]:
            dimensions = tuple(sorted((name, line[name]) for name in names))
            for metric in group["Metrics"]:
                for value in line[metric["Name"]]:
                    yield Datum(group["Namespace"], metric["Name"], dimensions, value)


def filtered(metric_filter: Json, messages: Iterable[str]) -> Iterable[Datum]:
    """The metrics of a filter such as `?"one text" ?"another"`: a value for each line that holds any of them."""
    words = ANY_WORD.findall(metric_filter["filterPattern"])
    assert " ".join(f'?"{word}"' for word in words) == metric_filter["filterPattern"]
    matching = [message for message in messages if any(word in message for word in words)]
    for made in metric_filter["metricTransformations"]:
        yield from [
            Datum(made["metricNamespace"], made["metricName"], (), float(made["metricValue"])) for _ in matching
        ]
