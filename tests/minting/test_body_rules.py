"""Rules between the fields of a body: told together with the faults of its fields, and never in an answer that is too long."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest

from minting.bodies import MAX_ERRORS, Body, decode_request
from minting.problems import FieldError, Problem


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An element of a list."""

    size: int


class Range(Body, frozen=True):
    """A shape with a rule: `first` is at most `last`."""

    first: int
    last: int = 9
    items: Annotated[list[Item], msgspec.Meta(max_length=2000)] | None = None
    sizes: dict[str, int] | None = None

    @classmethod
    def errors(cls, sent: Any) -> Iterator[FieldError]:
        match sent:
            case {"first": int(first), "last": int(last)} if first > last:
                yield FieldError("last", "Before first")


def told(body: Any) -> list[tuple[str, str]]:
    event = {
        "requestContext": {"http": {"method": "POST"}},
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body),
    }
    try:
        decode_request(event, Range, max_bytes=1_000_000)
    except Problem as problem:
        return [(error.field, error.message) for error in problem.errors]
    return []


@pytest.mark.parametrize("body", [{"first": 1}, {"first": 1, "last": 1}, {"first": 1, "items": [{"size": 1}]}])
def test_a_body_that_keeps_the_rules_is_taken(body: Any) -> None:
    assert told(body) == []


def test_a_broken_rule_is_told() -> None:
    assert told({"first": 2, "last": 1}) == [("last", "Before first")]


def test_a_broken_rule_is_told_beside_the_faults_of_fields() -> None:
    fields = [field for field, _ in told({"first": 2, "last": 1, "more": 0, "items": [{"size": 1}, {"size": "1"}]})]
    assert sorted(fields) == ["items[1].size", "last", "more"]


@pytest.mark.parametrize("body", [None, 5, "first", [], [{"first": 2, "last": 1}], {"first": "2", "last": 1}])
def test_what_is_not_the_shape_at_all_is_told_as_such(body: Any) -> None:
    assert told(body)
    assert ("last", "Before first") not in told(body)


@pytest.mark.parametrize(
    "body", [{"first": 1, "items": [0] * 50_000}, {"first": 1} | {str(name): 0 for name in range(50_000)}]
)
def test_a_large_body_has_no_larger_answer(body: Any) -> None:
    assert len(told(body)) == MAX_ERRORS


def test_a_fault_far_down_a_list_is_told_alone() -> None:
    assert told({"first": 1, "items": [{"size": 1}] * 1500 + [{"size": "1"}]}) == [
        ("items[1500].size", "Expected `int`, got `str`")
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"first": 1, "items": [{"size": 1}] * MAX_ERRORS + [{"size": "1"}] * 2},
        {"first": 1, "sizes": {str(name): 1 if name < MAX_ERRORS else "1" for name in range(MAX_ERRORS + 2)}},
    ],
    ids=["list", "map"],
)
def test_what_lies_beyond_a_thousand_items_is_not_looked_at_one_by_one(body: Any) -> None:
    assert len(told(body)) == 1
