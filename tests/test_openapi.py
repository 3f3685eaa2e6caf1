"""docs/openapi.json is what the code does, its examples are what it says they are, and nothing that was promised is gone."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from local.openapi.file import FILE, fresh, shape, shown
from tests.openapi.breaks import breaks

type Json = dict[str, Any]

PROMISED = Path(__file__).parent / "openapi/promised.json"
"""The contract as it was last released: then, docs/openapi.json is copied over it."""


@pytest.fixture(scope="module")
def written() -> Json:
    document: Json = json.loads(FILE.read_bytes())
    return document


@pytest.fixture(scope="module")
def made() -> Json:
    return fresh()


def faults(document: Json) -> list[str]:
    """Of all examples, held to their schemas."""
    found = []
    for example, schema in shown(document):
        validator = OAS31Validator(schema | {"components": document["components"]})
        found += [f"{example}: {error.message}" for error in validator.iter_errors(example)]
    return found


def test_the_file_is_what_the_code_declares(written: Json, made: Json) -> None:
    assert shape(written) == shape(made), "stale: run `make openapi`"


def test_every_route_of_an_event_is_in_it_and_no_other(written: Json) -> None:
    events = [json.loads(path.read_bytes())["routeKey"] for path in FILE.parents[1].glob("events/*.json")]
    routes = [f"{method.upper()} {path}" for path, methods in written["paths"].items() for method in methods]
    assert sorted(routes) == sorted(events)


def test_every_example_is_of_its_schema(written: Json, made: Json) -> None:
    assert len(list(shown(written))) > len(written["paths"])
    assert faults(written) == faults(made) == []


def test_an_example_that_is_not_of_its_schema_is_found(written: Json) -> None:
    other = deepcopy(written)
    answer = other["paths"]["/v1/convai/tokens"]["post"]["responses"]["201"]["content"]["application/json"]
    answer["example"]["mint"]["expires_in"] = "soon"
    assert len(faults(other)) == 1


def test_a_member_of_an_answer_that_is_new_makes_the_file_stale(written: Json) -> None:
    other = deepcopy(written)
    answer = other["paths"]["/v1/convai/tokens"]["post"]["responses"]["201"]["content"]["application/json"]
    answer["example"]["apiAuthToken"] = "another"
    assert shape(other) == shape(written)
    answer["example"]["added"] = 1
    assert shape(other) != shape(written)


def test_nothing_that_was_promised_is_gone(written: Json) -> None:
    assert list(breaks(json.loads(PROMISED.read_bytes()), written)) == []
