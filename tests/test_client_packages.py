"""What the clients in clients/ state about the routes, the functions declare too."""

import json
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.packages.snippets import PAGES, code
from tests.pages import FENCED
from tools.client_types import TYPES, client_types, routes_that_mint

ROOT = Path(__file__).parents[1]
TABLE = json.loads((ROOT / "clients/behaviours.json").read_text())
ROUTES: dict[str, dict[str, Any]] = TABLE["routes"]
CONTRACT = json.loads((ROOT / "docs/openapi.json").read_text())
DECLARED = json.loads((ROOT / "functions/catalogue/declared.json").read_text())

TESTED = {
    "android.md": {"kotlin": "packages/test_kotlin.py", "xml": "test_client_packages.py"},
    "flutter.md": {"dart": "packages/test_dart.py"},
    "generated.md": {"ts": "openapi/generators.py"},
    "ios.md": {"swift": "packages/test_swift.py"},
    "react-native.md": {"ts": "packages/test_javascript.py"},
    "unity.md": {"csharp": "packages/test_csharp.py"},
    "web.md": {
        "js": "packages/test_javascript.py",
        "ts": "packages/test_javascript.py",
        "sh": "packages/test_javascript.py",
    },
}
"""What takes the code of each page, by its language."""


def traits(route: str) -> dict[str, Any]:
    declared: dict[str, Any] = DECLARED[route.partition("/")[0]]
    return declared


def operation(path: str) -> dict[str, Any]:
    found: dict[str, Any] = CONTRACT["paths"][f"/v1/{path}"]["post"]
    return found


def test_the_javascript_types_are_those_of_the_contract() -> None:
    assert TYPES.read_text() == client_types(), "run `make generate`"


def test_the_javascript_package_has_the_projects_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    package, lock = (
        json.loads((ROOT / "clients/js" / name).read_text()) for name in ("package.json", "package-lock.json")
    )
    assert {package["version"], lock["version"], lock["packages"][""]["version"]} == {version}


def test_the_clients_know_only_routes_that_mint_and_all_that_take_a_slot() -> None:
    """Clients mint for each call of a route that they do not know. That is safe, unless a lost answer costs a slot."""
    minting = routes_that_mint()
    assert {route for route in minting if traits(route)["takes_slot"]} <= ROUTES.keys() <= set(minting)


@pytest.mark.parametrize("route", ROUTES)
def test_the_clients_reuse_nothing_that_is_for_one_use_or_takes_a_slot(route: str) -> None:
    declared = traits(route)
    assert not (ROUTES[route]["reuse"] and (declared["single_use"] or declared["takes_slot"]))
    assert ("slot" in ROUTES[route]) == declared["takes_slot"]


@pytest.mark.parametrize("route", ROUTES)
def test_the_clients_send_a_key_where_the_contract_takes_one(route: str) -> None:
    takes_key = "Idempotency-Key" in [parameter.get("name") for parameter in operation(route)["parameters"]]
    assert (ROUTES[route].get("slot") == "keyed") == takes_key


RELEASES = {route: of["release"] for route, of in ROUTES.items() if "release" in of}


@pytest.mark.parametrize("route", RELEASES)
def test_the_clients_release_with_the_field_that_the_contract_asks_for(route: str) -> None:
    release = RELEASES[route]
    schema = operation(release["path"])["requestBody"]["content"]["application/json"]["schema"]
    asked = CONTRACT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert asked["required"] == [release["field"]]
    assert "204" in operation(release["path"])["responses"]


def test_the_table_has_every_row_of_the_agreed_behaviours() -> None:
    assert {behaviour["row"] for behaviour in TABLE["behaviours"]} == set(range(1, 26))


def test_no_two_behaviours_state_the_same_fact() -> None:
    facts = [behaviour["fact"] for behaviour in TABLE["behaviours"]]
    assert len(set(facts)) == len(facts)


def test_every_block_of_code_on_the_clients_pages_is_run_compiled_or_parsed() -> None:
    blocks = {page.name: {language for language, _ in FENCED.findall(page.read_text())} for page in PAGES.iterdir()}
    assert blocks == {page: set(tested) for page, tested in TESTED.items()}
    tests = {test for languages in TESTED.values() for test in languages.values()}
    assert [test for test in tests if not (ROOT / "tests" / test).exists()] == []


def test_androids_settings_are_xml_and_allow_the_emulators_address() -> None:
    [settings] = code("android.md", "xml")
    domains = {domain.text for domain in ET.fromstring(settings).iter("domain")}  # noqa: S314 - our own page
    assert "10.0.2.2" in domains


@pytest.mark.parametrize(
    "client",
    [
        "js/src/routes.ts",
        "kotlin/MintClient.kt",
        "csharp/MintClient.cs",
        "swift/MintClient.swift",
        "dart/mint_client.dart",
    ],
)
def test_every_client_names_every_route_and_where_to_release_it(client: str) -> None:
    """The runners compare whole tables. Not every machine has Swift, and none has Dart."""
    text = (ROOT / "clients" / client).read_text()
    named = [*ROUTES, *(part for release in RELEASES.values() for part in release.values())]
    assert [name for name in named if name not in text] == []
