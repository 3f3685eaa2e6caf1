"""The file in clients/dart, and Flutter's page: the syntax, and the names that the page takes from the client. CI has no Dart."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_dart
from tree_sitter import Language, Node, Parser

from tests.packages.snippets import code

CLIENT = (Path(__file__).parents[2] / "clients/dart/mint_client.dart").read_text()
BLOCKS = code("flutter.md", "dart")
PARSER = Parser(Language(tree_sitter_dart.language()))

DARTS_OWN = {"map"}
"""Members that the page's code uses of Dart's own classes."""


def wrong(source: str) -> list[str]:
    """The places where Dart's grammar ends."""
    return [f"line {node.start_point.row + 1}" for node in _errors(PARSER.parse(source.encode()).root_node)]


def _errors(node: Node) -> Iterator[Node]:
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        yield from _errors(child)


def test_the_client_and_the_code_of_the_page_are_dart() -> None:
    assert [wrong(source) for source in (CLIENT, *BLOCKS)] == [[], [], []]


def test_a_mistake_in_dart_is_found() -> None:
    assert wrong(CLIENT.replace("{", "", 1))


@pytest.mark.parametrize("block", BLOCKS)
def test_the_page_uses_members_and_parameters_that_the_client_has(block: str) -> None:
    members = set(re.findall(r"\.(\w+)", block)) - DARTS_OWN - {"dart"}
    parameters = set(re.findall(r"[(,] *(\w+):", block))
    assert {name for name in members | parameters if not re.search(rf"\b{name}\b", CLIENT)} == set()
    assert members
