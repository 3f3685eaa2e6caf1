"""Draws the stack's dashboard from its definition in template.yaml, with the records of a run.

Usage: make dashboard < LOG > docs/dashboard.svg, where LOG is what `make run VERBOSE=1` printed. Graphs of metrics that AWS
itself writes stay empty.
"""

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from local.template import Template, read

COLUMN, ROW = 44, 40
"""The size of one unit of the dashboard's grid, in pixels."""

BINS = 24
"""The points of each line. CloudWatch has one for each period of five minutes."""

COLORS = ("#1f77b4", "#d95f02", "#2ca02c", "#c4162a", "#7b52ab", "#8c564b", "#c2408f", "#6b6b6b", "#8a8a00", "#0f8b8d")
SEARCH = re.compile(r"SEARCH\('\{\"([^\"]+)\",service\} MetricName=(.+)','(\w+)'\)")
SHARE = re.compile(r"100\*\(1-(\w+)\)")
GROUPS = re.compile(r"stats count\(\*\) as (\w+) by ([\w., ]+?)(?: \||$)")

type Json = dict[str, Any]
type Line = list[float | None]


class Value(NamedTuple):
    """One value of a metric. at: milliseconds since 1970."""

    at: int
    metric: str
    vendor: str
    value: float


class Run(NamedTuple):
    """What a run has written."""

    records: list[Json]
    values: list[Value]


def run(lines: Iterable[str]) -> Run:
    """The records and metrics among the lines."""
    decoded = [json.loads(line[line.index("{") :]) for line in lines if '"_aws"' in line or '"mint_id"' in line]
    values = [value for line in decoded if "_aws" in line for value in _values(line)]
    return Run([line for line in decoded if "mint_id" in line], values)


def _values(line: Json) -> Iterator[Value]:
    for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
        for value in line[metric["Name"]]:
            yield Value(line["_aws"]["Timestamp"], metric["Name"], line["service"], value)


def percentile(percent: int, values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


STATISTICS: Mapping[str, Callable[[list[float]], float]] = {
    "Sum": sum,
    "Average": fmean,
    "Maximum": max,
    **{f"p{percent}": partial(percentile, percent) for percent in (50, 90, 99)},
}


def lines_of(widget: Json, measured: Run) -> dict[str, Line]:
    """The lines of a graph, by their labels."""
    found: dict[str, dict[str, Line]] = {}
    for _, expression in _expressions(widget):
        if search := SEARCH.fullmatch(expression["expression"]):
            found[expression["id"]] = _searched(search, measured)
        elif share := SHARE.fullmatch(expression["expression"]):
            served = found.pop(share[1])
            found[expression["id"]] = {
                label: [None if point is None else 100 * (1 - point) for point in line]
                for label, line in served.items()
            }
    return {label: line for lines in found.values() for label, line in lines.items()}


def _expressions(widget: Json) -> Iterator[tuple[int, Json]]:
    for number, metric in enumerate(widget["properties"]["metrics"]):
        if isinstance(metric[0], dict):
            yield number, metric[0]


def _searched(search: re.Match[str], measured: Run) -> dict[str, Line]:
    wanted = set(re.findall(r'"(\w+)"', search[2]))
    series = defaultdict[str, list[Value]](list)
    for value in measured.values:
        if value.metric in wanted:
            series[value.vendor if len(wanted) == 1 else f"{value.vendor} {value.metric}"].append(value)
    return {label: _binned(values, measured, STATISTICS[search[3]]) for label, values in sorted(series.items())}


def _binned(values: list[Value], measured: Run, statistic: Callable[[list[float]], float]) -> Line:
    times = [value.at for value in measured.values]
    first, width = min(times), (max(times) - min(times)) / BINS + 1
    bins = [[value.value for value in values if int((value.at - first) / width) == number] for number in range(BINS)]
    return [statistic(each) if each else None for each in bins]


def rows_of(widget: Json, measured: Run) -> list[list[str]]:
    """The rows of a table, its head first."""
    query = widget["properties"]["query"]
    (grouped,) = GROUPS.finditer(query)
    fields = [field.strip() for field in grouped[2].split(",")]
    kept = [record for record in measured.records if _keeps(query, record)]
    counts = Counter(tuple(_field(record, field) for field in fields) for record in kept)
    return [[*fields, grouped[1]], *([*key, str(count)] for key, count in counts.most_common(8))]


def _keeps(query: str, record: Json) -> bool:
    return "fault" in record if "ispresent(fault)" in query else record["outcome"] == "minted"


def _field(record: Json, path: str) -> str:
    found: Any = record
    for name in path.split("."):
        found = found.get(name, {})
    return str(found or "-")


def svg(widgets: list[Json], measured: Run) -> str:
    """The dashboard as a picture."""
    width = max(widget["x"] + widget["width"] for widget in widgets) * COLUMN
    height = max(widget["y"] + widget["height"] for widget in widgets) * ROW
    drawn = "\n".join(_widget(widget, measured) for widget in widgets)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="{width}" height="{height}" fill="#f2f3f3"/>\n{drawn}\n</svg>\n'
    )


def _widget(widget: Json, measured: Run) -> str:
    width, height = widget["width"] * COLUMN - 8, widget["height"] * ROW - 8
    inside = _table if widget["type"] == "log" else _graph
    return (
        f'<g transform="translate({widget["x"] * COLUMN + 4} {widget["y"] * ROW + 4})">'
        f'<rect width="{width}" height="{height}" rx="4" fill="#ffffff" stroke="#d5dbdb"/>'
        f"{_text(10, 20, widget['properties']['title'], "font-weight='bold' font-size='13'")}"
        f"{inside(widget, measured, width, height)}</g>"
    )


def _table(widget: Json, measured: Run, width: int, height: int) -> str:  # noqa: ARG001 - as _graph
    rows = rows_of(widget, measured)
    step = (width - 20) / len(rows[0])
    return "".join(
        _text(10 + step * column, 44 + 20 * number, cell, "" if number else "fill='#687078'")
        for number, row in enumerate(rows)
        for column, cell in enumerate(row)
    )


def _graph(widget: Json, measured: Run, width: int, height: int) -> str:
    lines = lines_of(widget, measured)
    if not lines:
        return _text(10, 44, "AWS writes this metric", "fill='#687078'")
    points = [point for line in lines.values() for point in line if point is not None]
    top = widget["properties"].get("yAxis", {}).get("left", {}).get("max") or max(*points, 1e-9)
    legend = 14 * -(-len(lines) // 2)
    area = (width - 60, height - 50 - legend)
    drawn = [_line(line, top, area, COLORS[number % len(COLORS)]) for number, line in enumerate(lines.values())]
    named = [_legend(label, number, width, height - legend) for number, label in enumerate(lines)]
    axis = f"{_text(6, 44, f'{top:,.5g}', '')}{_text(6, 40 + area[1], '0', '')}"
    return axis + "".join(drawn + named)


def _line(line: Line, top: float, area: tuple[int, int], color: str) -> str:
    width, height = area
    points = [
        f"{50 + number * width / (BINS - 1):.0f},{40 + height * (1 - point / top):.0f}"
        for number, point in enumerate(line)
        if point is not None
    ]
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="2" fill="{color}"/>' for x, y in (point.split(",") for point in points)
    )
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="1.5"/>{dots}'


def _legend(label: str, number: int, width: int, top: int) -> str:
    x, y = 12 + number % 2 * (width // 2), top + 14 * (number // 2) + 4
    return f'<rect x="{x}" y="{y - 8}" width="8" height="8" fill="{COLORS[number % len(COLORS)]}"/>{_text(x + 12, y, label, "")}'


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{escape(text)}</text>'


def widgets() -> list[Json]:
    """The widgets of the dashboard in template.yaml."""
    template = Template(read(Path("template.yaml")), {})
    body: str = template.resolve(template.properties("Dashboard")["DashboardBody"])
    found: list[Json] = json.loads(body)["widgets"]
    return found


if __name__ == "__main__":
    sys.stdout.write(svg(widgets(), run(sys.stdin)))
