"""Finds the changes in a new contract that break clients of the old one. An addition breaks none."""

from collections.abc import Iterator
from typing import Any

type Json = dict[str, Any]

FLOORS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
CEILINGS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
FORMS = ("pattern", "format", "propertyNames", "uniqueItems")
TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def breaks(old: Json, new: Json) -> Iterator[str]:
    """A line for each break. It begins with the place of the break."""
    paths, later = plain(old["paths"], old), plain(new["paths"], new)
    yield from gone(paths, later, "")
    for path in paths.keys() & later.keys():
        yield from gone(paths[path], later[path], f"{path} ")
        for method in paths[path].keys() & later[path].keys():
            was, now, where = paths[path][method], later[path][method], f"{path} {method}"
            yield from narrower(request_of(was), request_of(now), f"{where} request")
            yield from poorer_answers(was["responses"], now["responses"], where)


def plain(value: Any, root: Json) -> Any:
    """The same value, with every reference replaced by its target, and every `allOf` joined into one schema."""
    if isinstance(value, list):
        return [plain(item, root) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        found: Any = root
        for part in value["$ref"].split("/")[1:]:
            found = found[part]
        return plain(found, root)
    members = {name: plain(member, root) for name, member in value.items() if name != "allOf"}
    for part in plain(value.get("allOf", []), root):
        members = joined(members, part)
    return members


def joined(one: Json, other: Json) -> Json:
    """One schema for two that apply together. The later one is the narrower one, so its keywords win."""
    properties = one.get("properties", {}), other.get("properties", {})
    both = {
        name: joined(properties[0][name], properties[1][name]) for name in properties[0].keys() & properties[1].keys()
    }
    required = [*one.get("required", []), *other.get("required", [])]
    return one | other | {"properties": properties[0] | properties[1] | both, "required": required}


def request_of(operation: Json) -> Json:
    """One schema for a whole request: its parameters by place and name, and its body."""
    parts = {f"{each['in']} {each['name']}": each for each in operation.get("parameters", [])}
    parts |= {f"body {kind}": body for kind, body in operation.get("requestBody", {}).get("content", {}).items()}
    required = [name for name, each in parts.items() if each.get("required")]
    required += [name for name in parts if name.startswith("body ") and operation["requestBody"]["required"]]
    schemas = {name: each["schema"] for name, each in parts.items()}
    return {"type": "object", "properties": schemas, "required": required, "additionalProperties": False}


def poorer_answers(old: Json, new: Json, where: str) -> Iterator[str]:
    """The breaks in responses: in their statuses, headers, content types and schemas."""
    yield from gone(old, new, f"{where} ")
    for status in old.keys() & new.keys():
        for part in ("headers", "content"):
            was, now = old[status].get(part, {}), new[status].get(part, {})
            yield from gone(was, now, f"{where} {status} ")
            for name in was.keys() & now.keys():
                yield from poorer(was[name]["schema"], now[name]["schema"], f"{where} {status} {name}")


def narrower(old: Json, new: Json, where: str) -> Iterator[str]:
    """The values that a request may no longer hold."""
    was, now = kinds(old), kinds(new)
    yield from gone(was, now, f"{where} ")
    for kind in was.keys() & now.keys():
        one, other = was[kind], now[kind]
        yield from (
            f"{where}: {name} is new or changed" for name in FORMS if other.get(name, one.get(name)) != one.get(name)
        )
        yield from (f"{where}: {name} is higher" for name in FLOORS if other.get(name, 0) > one.get(name, 0))
        yield from (
            f"{where}: {name} is lower" for name in CEILINGS if name in other and other[name] < one.get(name, 1e99)
        )
        yield from fewer_values(values(one), values(other), where)
        yield from [f"{where}: only some values"] if values(other) and not values(one) else []
        closed = other.get("additionalProperties") is False
        yield from gone(one.get("properties", {}) if closed else {}, other.get("properties", {}), f"{where} ")
        needed = {*other.get("required", [])} - {*one.get("required", [])}
        yield from (f"{where} {name}: required" for name in sorted(needed))
        for name, before, after in inside(one, other):
            yield from narrower(before, after, f"{where} {name}")


def poorer(old: Json, new: Json, where: str) -> Iterator[str]:
    """The promises about a response that no longer hold."""
    was, now = kinds(old), kinds(new)
    yield from (f"{where}: may be {kind}" for kind in sorted(now.keys() - was.keys()))
    for kind in was.keys() & now.keys():
        one, other = was[kind], now[kind]
        yield from fewer_values(known(one), known(other), where)
        yield from gone(one.get("properties", {}), other.get("properties", {}), f"{where} ")
        unsure = {*one.get("required", [])} - {*other.get("required", [])}
        yield from (f"{where} {name}: may be absent" for name in sorted(unsure))
        for name, before, after in inside(one, other):
            yield from poorer(before, after, f"{where} {name}")


def kinds(schema: Json) -> dict[str, Json]:
    """The schema of each JSON type that a value may have. The type is `any` if the schema names none.

    No other keyword narrows null.
    """
    if "anyOf" in schema:
        return {kind: each for option in schema["anyOf"] for kind, each in kinds(option).items()}
    named = schema.get("type") or [TYPES[type(value)] for value in values(schema) or []] or "any"
    return {kind: {} if kind == "null" else schema for kind in ([named] if isinstance(named, str) else named)}


def values(schema: Json) -> list[Any] | None:
    """The possible values, if the schema lists them."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def known(schema: Json) -> list[Any] | None:
    """The values of a response by which clients may decide. An open string, such as a problem's code, has examples."""
    return values(schema) or schema.get("examples")


def fewer_values(old: list[Any] | None, new: list[Any] | None, where: str) -> Iterator[str]:
    """A line for each value that the new list lacks."""
    yield from (f"{where}: no longer {value}" for value in old or [] if new and value not in new)


def inside(old: Json, new: Json) -> Iterator[tuple[str, Json, Json]]:
    """The members and items that both schemas have."""
    members = old.get("properties", {}), new.get("properties", {})
    yield from ((name, members[0][name], members[1][name]) for name in members[0].keys() & members[1].keys())
    for name in ("items", "additionalProperties"):
        if isinstance(old.get(name), dict) and isinstance(new.get(name), dict):
            yield name, old[name], new[name]


def gone(old: Json, new: Json, where: str) -> Iterator[str]:
    yield from (f"{where}{name}: gone" for name in sorted(old.keys() - new.keys()))
