"""Turns msgspec's types into schemas of OpenAPI 3.1.

These are JSON Schema 2020-12, with regular expressions of ECMA-262.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

type Json = dict[str, Any]

REF = "#/components/schemas/"

BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
"""Validators ignore `contentEncoding`, so the pattern checks the text."""


def schemas_of(owner: str, shapes: Iterable[Any]) -> tuple[list[Json], dict[str, Json]]:
    """A schema for each shape, and the components to which they refer. Their names begin with the owner's name.

    So do their titles, because some generators of clients use titles as names.
    """
    found, components = msgspec.json.schema_components(shapes, ref_template=f"{REF}{owner}{{name}}")
    titled = {owner + name: portable(schema) | {"title": owner + name} for name, schema in components.items()}
    return [portable(schema) for schema in found], titled


def portable(schema: Any) -> Any:
    """The same schema, as generators of clients and JavaScript can read it too."""
    if isinstance(schema, list):
        return [portable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    members = {name: portable(member) for name, member in schema.items()}
    if isinstance(pattern := members.get("pattern"), str):
        members["pattern"] = pattern.replace(r"\A", "^").replace(r"\Z", "$")
    if members.get("contentEncoding") == "base64":
        members["pattern"] = BASE64
    if "properties" in members:
        members["properties"] = {name: _optional(member) for name, member in members["properties"].items()}
    return _plainly(members)


def _optional(member: Json) -> Json:
    """A member without its default, which is told instead: some generators require every member that has one."""
    kept = {name: value for name, value in member.items() if name != "default"}
    if member.get("default") in (None, "", [], {}):
        return kept
    return kept | {"description": f"Without it: {json.dumps(member['default'])}"}


def _plainly(schema: Json) -> Json:
    """Alternatives that differ by their type alone: one type that may be null, or any value.

    Generators make a class without members of `anyOf`, and of a list of several types. It could hold none of the values.
    """
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    types = {option.get("type") for option in options} - ({"integer"} if {"type": "number"} in options else set())
    if not options or None in types:
        return schema
    last: Json = options[-1]
    rest: Json = {name: value for name, value in schema.items() if name != "anyOf"}
    if len(types) > 1:
        return rest | {"description": f"Of type {' or '.join(sorted(types))}", "x-types": sorted(types)}
    kind = types.pop()
    nullable: Json = {"type": [kind, "null"]} if {"type": "null"} in schema["anyOf"] else {"type": kind}
    return rest | last | nullable


def without(component: Json, names: set[str]) -> Json:
    """The schema of an object without some of its members."""
    members = {name: member for name, member in component.get("properties", {}).items() if name not in names}
    needed = [name for name in component.get("required", []) if name not in names]
    return component | {"properties": members, "required": needed}


def sendable(schema: Json) -> Json:
    """The schema of a member that is a parameter. A parameter may be absent, but is never null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    kept = {name: value for name, value in schema.items() if value is not None}
    return options[0] | {name: value for name, value in kept.items() if name != "anyOf"} if len(options) == 1 else kept


def referred(document: Json, components: dict[str, Json]) -> dict[str, Json]:
    """The components to which the document or another component refers."""
    names, found = set(_names(document)), set[str]()
    while names - found:
        found |= names
        names = {name for known in found for name in _names(components[known])}
    return {name: components[name] for name in sorted(found)}


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name == "$ref" and str(member).startswith(REF):
                yield member.removeprefix(REF)
            else:
                yield from _names(member)
