"""The dashboard of the template, and the picture of it."""

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from minting.problems import CATALOGUE
from tools.dashboard import lines_of, rows_of, run, svg, widgets

MEASURED = {
    *("minted", "duration", "own_duration", "aws_duration", "vendor_duration", "vendor_fault", "operator_fault"),
    *("breaker_opened", "budget_used", "caller_used", "slots_used", "function_died"),
}
type Json = dict[str, Any]


def line(at: int, vendor: str, **metrics: float) -> str:
    """A line of metrics as a function writes it, with what the console of `make run` puts before it."""
    told = [{"Name": name} for name in metrics]
    return "convai | " + json.dumps(
        {
            "_aws": {"Timestamp": at, "CloudWatchMetrics": [{"Metrics": told}]},
            "service": vendor,
            **{name: [value] for name, value in metrics.items()},
        }
    )


def record(vendor: str, outcome: str, **fields: Any) -> str:
    return json.dumps({"mint_id": "1", "vendor": vendor, "outcome": outcome, **fields})


LINES = [
    "ready http://127.0.0.1:3000",
    line(1000, "convai", minted=1, vendor_fault=0, duration=30, own_duration=5),
    line(1001, "convai", minted=1, vendor_fault=1, duration=50, own_duration=7),
    line(9000, "trulience", minted=1, vendor_fault=0, duration=20, own_duration=6),
    record("convai", "minted", caller={"sub": "alice"}),
    record("convai", "minted", caller={"sub": "alice"}),
    record("convai", "vendor_busy", fault="vendor"),
    record("agora", "unauthenticated", fault="caller"),
]


def widget(title: str) -> Json:
    (found,) = [each for each in widgets() if each["properties"]["title"].startswith(title)]
    return found


def points(title: str) -> dict[str, list[float]]:
    lines = lines_of(widget(title), run(LINES))
    return {label: [point for point in line if point is not None] for label, line in lines.items()}


def test_a_graph_has_a_line_for_each_vendor() -> None:
    assert points("Minted") == {"convai": [2], "trulience": [1]}


def test_the_served_share_is_what_the_vendor_did_not_fail() -> None:
    assert points("Served by the vendor") == {"convai": [50], "trulience": [100]}


def test_a_percentile_is_one_of_the_values() -> None:
    assert points("Where the time goes: p99")["convai own_duration"] == [7]


def test_a_table_counts_refusals_by_vendor_and_reason() -> None:
    head, *rows = rows_of(widget("Refused"), run(LINES))
    assert head == ["vendor", "outcome", "refused"]
    assert sorted(rows) == [["agora", "unauthenticated", "1"], ["convai", "vendor_busy", "1"]]


def test_a_table_names_the_busiest_callers() -> None:
    assert rows_of(widget("Callers"), run(LINES)) == [["vendor", "caller.sub", "mints"], ["convai", "alice", "2"]]


def test_the_picture_is_svg_and_has_every_title() -> None:
    drawn = svg(widgets(), run(LINES))
    texts = {element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")}  # noqa: S314 - our own
    assert {each["properties"]["title"] for each in widgets()} <= texts


@pytest.mark.parametrize("each", widgets(), ids=lambda each: each["properties"]["title"])
def test_a_graph_asks_for_metrics_that_exist(each: Json) -> None:
    asked = set(
        re.findall(r'MetricName=\(?((?:\\?"\w+\\?"(?: OR )?)+)', each["properties"].get("query", "") + str(each))
    )
    names = {name for group in asked for name in re.findall(r"\w+", group)} - {"OR"}
    assert names <= MEASURED | CATALOGUE.keys()


def test_widgets_do_not_overlap() -> None:
    cells = [
        (x, y)
        for each in widgets()
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(cells) == len(set(cells))
