"""docs/openapi.json matches the code, its examples fit its schemas, and it keeps what was promised."""

import json
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from minting.problems import CATALOGUE
from tools.openapi.breaks import breaks
from tools.openapi.file import FILE, fresh, kept, shown, written

type Json = dict[str, Any]

PROMISED = Path(__file__).parent / "openapi/promised.json"
"""The contract of the last release. At a release, docs/openapi.json is copied over it."""

STALE = "run `make generate`; if an example no longer fits, delete docs/openapi.json first"


@pytest.fixture
def contract() -> Json:
    return written()


@pytest.fixture(scope="module")
def made() -> Json:
    return fresh()


def errors(contract: Json) -> list[str]:
    """The errors of all examples against their schemas."""
    found = []
    for example, schema in shown(contract):
        validator = OAS31Validator(schema | {"components": contract["components"]})
        found += [f"{example}: {error.message}" for error in validator.iter_errors(example)]
    return found


def minted(contract: Json) -> Json:
    """The example of the response of Convai's mint."""
    answer = contract["paths"]["/v1/convai/tokens"]["post"]["responses"]["201"]["content"]["application/json"]
    example: Json = answer["example"]
    return example


def test_the_file_matches_the_functions_declarations_and_responses(contract: Json, made: Json) -> None:
    assert kept(made, contract) == contract, STALE


def test_the_contract_has_the_projects_version(contract: Json) -> None:
    project = tomllib.loads((FILE.parents[1] / "pyproject.toml").read_text())["project"]
    assert contract["info"]["version"] == project["version"]


def test_the_file_has_exactly_the_routes_of_the_events(contract: Json) -> None:
    events = [json.loads(path.read_bytes())["routeKey"] for path in FILE.parents[1].glob("events/*.json")]
    routes = [f"{method.upper()} {path}" for path, methods in contract["paths"].items() for method in methods]
    assert sorted(routes) == sorted(events)


def test_every_example_fits_its_schema(contract: Json, made: Json) -> None:
    assert len(list(shown(contract))) > len(contract["paths"])
    assert errors(contract) == errors(made) == [], STALE


def test_an_example_that_does_not_fit_its_schema_is_found(contract: Json) -> None:
    minted(contract)["mint"]["expires_in"] = "soon"
    assert len(errors(contract)) == 1


def test_a_new_member_makes_the_file_stale_and_a_new_token_does_not(contract: Json) -> None:
    other = deepcopy(contract)
    minted(other)["apiAuthToken"] = "another-1"
    assert kept(other, contract) == contract
    minted(other)["added"] = 1
    assert kept(other, contract) == other


@pytest.mark.parametrize(("member", "value"), [("vendor", "another"), ("single_use", True)])
def test_an_example_that_no_function_returns_makes_the_file_stale(contract: Json, member: str, value: object) -> None:
    written_by_hand = deepcopy(contract)
    minted(written_by_hand)["mint"][member] = value
    assert kept(contract, written_by_hand) == contract


def test_a_changed_schema_makes_the_file_stale(contract: Json) -> None:
    other = deepcopy(contract)
    other["components"]["schemas"]["Problem"]["required"].remove("fault")
    assert kept(other, contract) == other


def test_the_contract_keeps_everything_that_was_promised(contract: Json) -> None:
    assert list(breaks(json.loads(PROMISED.read_bytes()), contract)) == []


def schemas(value: Any) -> Iterator[Json]:
    """Every schema in a part of the contract, those inside others too. Examples are none."""
    if isinstance(value, dict):
        yield value
        members = value.get("properties", {})
        inner = [part for name, part in value.items() if name not in {"example", "examples", "properties"}]
        yield from (each for part in [*inner, *members.values()] for each in schemas(part))
    elif isinstance(value, list):
        yield from (each for item in value for each in schemas(item))


def test_every_object_with_members_has_a_name(contract: Json) -> None:
    """A generator gives the others names such as InlineObject1."""
    named = list(contract["components"]["schemas"].values())
    nameless = [each for each in schemas(contract) if "properties" in each and each not in named]
    assert len(named) > 40
    assert nameless == []


def test_no_member_has_a_default_or_two_types(contract: Json) -> None:
    """Some generators require a member with a default, and make a class without members of one with two types."""
    of_members = list(schemas(contract["components"]["schemas"]))
    assert [each for each in of_members if "default" in each] == []
    assert [
        each for each in of_members if len({*each.get("type", ""), "null"}) > 2 and isinstance(each["type"], list)
    ] == []


def test_a_problems_code_is_an_open_string_that_lists_every_code(contract: Json) -> None:
    code = contract["components"]["schemas"]["Problem"]["properties"]["code"]
    assert (code["type"], set(code["examples"]), "enum" in code) == ("string", set(CATALOGUE), False)


def test_every_schemas_title_is_its_name(contract: Json) -> None:
    """Generators of clients use either as the name of a class, and skip operations if two names are equal."""
    titles = {name: schema["title"] for name, schema in contract["components"]["schemas"].items() if "title" in schema}
    assert titles
    assert [name for name, title in titles.items() if name != title] == []
