"""Reads, makes and writes docs/openapi.json."""

import json
import re
from collections.abc import Iterator
from typing import Any

from local.bundle import Bundle
from local.functions import ROOT
from tools.openapi.document import document
from tools.openapi.samples import GIVEN, samples
from tools.openapi.schemas import Json
from tools.operations import owners

FILE = ROOT / "docs/openapi.json"

TOKEN = 24
"""Characters. A shorter word of a response is the same every time, unless it has a digit, as short tokens do."""


def written() -> Json:
    """The file in the repository. Empty if there is none."""
    held: Json = json.loads(FILE.read_bytes()) if FILE.exists() else {}
    return held


def write(contract: Json) -> None:
    FILE.write_text(json.dumps(contract, indent=2, ensure_ascii=False) + "\n")


def fresh() -> Json:
    """The document with new samples. It takes some seconds."""
    with Bundle(given=GIVEN) as bundle:
        listed = list(owners(bundle))
        return document(listed, samples(bundle, [declared for owner in listed for declared in owner.routes]))


def kept(new: Any, old: Any) -> Any:
    """The new document, with the old examples that have the same members. Tokens and times differ every time."""
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [kept(*pair) for pair in zip(new, old, strict=True)]
    if not (isinstance(new, dict) and isinstance(old, dict)):
        return new
    return {name: _member(name, member, old[name]) if name in old else member for name, member in new.items()}


def _member(name: str, new: Any, old: Any) -> Any:
    match name:
        case "schema" | "schemas":  # they hold no examples, but may have a property of that name
            return new
        case "example":
            return old if _kinds(new) == _kinds(old) else new
        case "examples":
            return {code: _member("example", new[code], old.get(code)) for code in new}
    return kept(new, old)


def _kinds(value: Any) -> Any:
    """The parts of an example that are the same every time: all except numbers, and words that may be tokens or times."""
    match value:
        case dict():
            return {name: _kinds(member) for name, member in value.items()}
        case list():
            return [_kinds(item) for item in value]
        case str():
            return " ".join("…" if re.search(r"\d", word) or len(word) >= TOKEN else word for word in value.split())
    return value if isinstance(value, bool) else type(value)


def shown(contract: Any) -> Iterator[tuple[Any, Json]]:
    """Every example with its schema."""
    if isinstance(contract, list):
        for item in contract:
            yield from shown(item)
    elif isinstance(contract, dict):
        for example in _examples(contract):
            yield example, contract["schema"]
        for member in contract.values():
            yield from shown(member)


def _examples(holder: Json) -> list[Any]:
    """The examples of a parameter or of one content type."""
    if "schema" not in holder:
        return []
    named = [example["value"] for example in holder.get("examples", {}).values()]
    return [*named, holder["example"]] if "example" in holder else named
