"""docs/openapi.json is what the code does, its examples are what it says they are, and nothing that was promised is gone."""

import json
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from tests.openapi.breaks import breaks
from tools.openapi.file import FILE, fresh, kept, shown, written

type Json = dict[str, Any]

PROMISED = Path(__file__).parent / "openapi/promised.json"
"""The contract as it was last released: then, docs/openapi.json is copied over it."""

STALE = "run `make generate`; where an example fits no more, delete docs/openapi.json first"


@pytest.fixture
def contract() -> Json:
    return written()


@pytest.fixture(scope="module")
def made() -> Json:
    return fresh()


def faults(contract: Json) -> list[str]:
    """Of all examples, held to their schemas."""
    found = []
    for example, schema in shown(contract):
        validator = OAS31Validator(schema | {"components": contract["components"]})
        found += [f"{example}: {error.message}" for error in validator.iter_errors(example)]
    return found


def minted(contract: Json) -> Json:
    """The example of what Convai's mint answers."""
    answer = contract["paths"]["/v1/convai/tokens"]["post"]["responses"]["201"]["content"]["application/json"]
    example: Json = answer["example"]
    return example


def test_the_file_is_what_the_code_declares_and_answers(contract: Json, made: Json) -> None:
    assert kept(made, contract) == contract, STALE


def test_the_contract_has_the_projects_version(contract: Json) -> None:
    project = tomllib.loads((FILE.parents[1] / "pyproject.toml").read_text())["project"]
    assert contract["info"]["version"] == project["version"]


def test_every_route_of_an_event_is_in_it_and_no_other(contract: Json) -> None:
    events = [json.loads(path.read_bytes())["routeKey"] for path in FILE.parents[1].glob("events/*.json")]
    routes = [f"{method.upper()} {path}" for path, methods in contract["paths"].items() for method in methods]
    assert sorted(routes) == sorted(events)


def test_every_example_is_of_its_schema(contract: Json, made: Json) -> None:
    assert len(list(shown(contract))) > len(contract["paths"])
    assert faults(contract) == faults(made) == [], STALE


def test_an_example_that_is_not_of_its_schema_is_found(contract: Json) -> None:
    minted(contract)["mint"]["expires_in"] = "soon"
    assert len(faults(contract)) == 1


def test_another_token_does_not_make_the_file_stale_but_another_member_does(contract: Json) -> None:
    other = deepcopy(contract)
    minted(other)["apiAuthToken"] = "another-1"
    assert kept(other, contract) == contract
    minted(other)["added"] = 1
    assert kept(other, contract) == other


@pytest.mark.parametrize(("member", "value"), [("vendor", "another"), ("single_use", True)])
def test_what_nobody_answered_makes_the_file_stale(contract: Json, member: str, value: object) -> None:
    written_by_hand = deepcopy(contract)
    minted(written_by_hand)["mint"][member] = value
    assert kept(contract, written_by_hand) == contract


def test_another_schema_makes_the_file_stale(contract: Json) -> None:
    other = deepcopy(contract)
    other["components"]["schemas"]["Problem"]["required"].remove("fault")
    assert kept(other, contract) == other


def test_nothing_that_was_promised_is_gone(contract: Json) -> None:
    assert list(breaks(json.loads(PROMISED.read_bytes()), contract)) == []


def test_every_schema_is_titled_as_it_is_called(contract: Json) -> None:
    """Generators of clients take either for a class's name, and leave out operations where two are the same."""
    titles = {name: schema["title"] for name, schema in contract["components"]["schemas"].items() if "title" in schema}
    assert titles
    assert [name for name, title in titles.items() if name != title] == []
