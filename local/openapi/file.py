"""docs/openapi.json as it would be written now, and what of it a change of code must not change unnoticed."""

from collections.abc import Iterator
from typing import Any

from local.bundle import Bundle
from local.functions import ROOT
from local.openapi.document import document
from local.openapi.operations import owners
from local.openapi.samples import GIVEN, samples
from local.openapi.schemas import Json

FILE = ROOT / "docs/openapi.json"


def fresh() -> Json:
    """The document, with new samples: takes some seconds."""
    with Bundle(given=GIVEN) as bundle:
        listed = list(owners(bundle))
        return document(listed, samples(bundle, [declared for owner in listed for declared in owner.routes]))


def shape(document: Any) -> Any:
    """All of it but the values in examples: tokens and times are other ones every time."""
    if isinstance(document, list):
        return [shape(item) for item in document]
    if not isinstance(document, dict):
        return document
    examples = {name: _kinds(value) for name, value in document.items() if name in {"example", "examples"}}
    return {name: shape(member) for name, member in document.items()} | examples


def _kinds(value: Any) -> Any:
    if isinstance(value, list):
        return [_kinds(item) for item in value]
    return {name: _kinds(member) for name, member in value.items()} if isinstance(value, dict) else type(value).__name__


def shown(document: Any) -> Iterator[tuple[Any, Json]]:
    """Every example, with its schema."""
    if isinstance(document, list):
        for item in document:
            yield from shown(item)
    elif isinstance(document, dict):
        for example in _examples(document):
            yield example, document["schema"]
        for member in document.values():
            yield from shown(member)


def _examples(holder: Json) -> list[Any]:
    """Those of a parameter or of one kind of content."""
    if "schema" not in holder:
        return []
    named = [example["value"] for example in holder.get("examples", {}).values()]
    return [*named, holder["example"]] if "example" in holder else named
