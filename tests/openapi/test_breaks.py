"""`breaks` finds the changes of a contract that break clients, and no others."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tools.openapi.breaks import breaks

type Json = dict[str, Any]

WANTED: Json = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"enum": ["host", "viewer"]},
        "seconds": {"anyOf": [{"type": "integer", "minimum": 60, "maximum": 600}, {"type": "null"}]},
        "names": {"type": "array", "maxItems": 8, "items": {"type": "string", "pattern": "^a$"}},
    },
    "additionalProperties": False,
}
MINT: Json = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
ANSWER: Json = {
    "allOf": [
        {
            "type": "object",
            "required": ["token"],
            "properties": {
                "token": {"type": "string"},
                "kind": {"enum": ["a", "b"]},
                "code": {"type": "string", "examples": ["busy", "gone"]},
            },
        },
        {"type": "object", "required": ["mint"], "properties": {"mint": {"$ref": "#/components/schemas/Mint"}}},
    ]
}
CONTRACT: Json = {
    "paths": {
        "/tokens": {
            "post": {
                "parameters": [{"name": "key", "in": "header", "required": False, "schema": {"type": "string"}}],
                "requestBody": {"required": False, "content": {"application/json": {"schema": WANTED}}},
                "responses": {
                    "201": {
                        "headers": {"Cache-Control": {"schema": {"const": "no-store"}}},
                        "content": {"application/json": {"schema": ANSWER}},
                    },
                    "403": {"$ref": "#/components/responses/Problem"},
                },
            }
        }
    },
    "components": {"schemas": {"Mint": MINT}, "responses": {"Problem": {"description": "No"}}},
}


def changed(place: str, change: Callable[[Any], Any]) -> Json:
    """The contract with one change. `place`: names with `>` between them. The first name may be short for a longer path."""
    short = {
        "operation": "paths>/tokens>post",
        "key": "paths>/tokens>post>parameters>0",
        "wanted": "paths>/tokens>post>requestBody>content>application/json>schema",
        "answer": "paths>/tokens>post>responses>201>content>application/json>schema>allOf>0",
    }
    first, _, rest = place.partition(">")
    names = f"{short.get(first, first)}>{rest}".rstrip(">").split(">")
    document = deepcopy(CONTRACT)
    holder: Any = document
    for name in names:
        holder = holder[int(name)] if isinstance(holder, list) else holder[name]
    change(holder)
    return document


def put(**members: Any) -> Callable[[Json], None]:
    return lambda holder: holder.update(members)


def drop(name: str) -> Callable[[Json], Any]:
    return lambda holder: holder.pop(name)


@pytest.mark.parametrize(
    ("place", "change", "line"),
    [
        ("paths", drop("/tokens"), "/tokens: gone"),
        ("paths>/tokens", drop("post"), "/tokens post: gone"),
        ("operation>responses", drop("403"), "/tokens post 403: gone"),
        ("operation>responses>201", drop("headers"), "/tokens post 201 Cache-Control: gone"),
        ("operation>responses>201>content", drop("application/json"), "/tokens post 201 application/json: gone"),
        ("operation", drop("parameters"), "/tokens post request header key: gone"),
        ("operation", drop("requestBody"), "/tokens post request body application/json: gone"),
        ("operation>requestBody", put(required=True), "/tokens post request body application/json: required"),
        ("key", put(required=True), "/tokens post request header key: required"),
        ("key>schema", put(type="integer"), "/tokens post request header key string: gone"),
        ("key>schema", put(pattern="^b$"), "/tokens post request header key: pattern is new or changed"),
        ("key>schema", put(minLength=2), "/tokens post request header key: minLength is higher"),
        ("key>schema", put(enum=["a"]), "/tokens post request header key: only some values"),
        ("wanted", put(required=["role", "seconds"]), "/tokens post request body application/json seconds: required"),
        ("wanted>properties", drop("seconds"), "/tokens post request body application/json seconds: gone"),
        (
            "wanted>properties>role",
            put(enum=["host"]),
            "/tokens post request body application/json role: no longer viewer",
        ),
        (
            "wanted>properties>seconds",
            put(anyOf=[{"type": "integer", "minimum": 60, "maximum": 600}]),
            "/tokens post request body application/json seconds null: gone",
        ),
        (
            "wanted>properties>seconds>anyOf>0",
            put(minimum=61),
            "/tokens post request body application/json seconds: minimum is higher",
        ),
        (
            "wanted>properties>seconds>anyOf>0",
            put(maximum=599),
            "/tokens post request body application/json seconds: maximum is lower",
        ),
        (
            "wanted>properties>names",
            put(maxItems=7),
            "/tokens post request body application/json names: maxItems is lower",
        ),
        (
            "wanted>properties>names>items",
            put(pattern="^b$"),
            "/tokens post request body application/json names items: pattern is new or changed",
        ),
        ("answer>properties", drop("kind"), "/tokens post 201 application/json kind: gone"),
        ("answer", put(required=[]), "/tokens post 201 application/json token: may be absent"),
        (
            "answer>properties>token",
            put(type=["string", "null"]),
            "/tokens post 201 application/json token: may be null",
        ),
        ("answer>properties>kind", put(enum=["a"]), "/tokens post 201 application/json kind: no longer b"),
        (
            "answer>properties>code",
            put(examples=["busy", "new"]),
            "/tokens post 201 application/json code: no longer gone",
        ),
        ("components>schemas>Mint>properties", drop("id"), "/tokens post 201 application/json mint id: gone"),
    ],
)
def test_a_change_that_breaks_clients_is_found(place: str, change: Callable[[Any], Any], line: str) -> None:
    assert line in list(breaks(CONTRACT, changed(place, change)))


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("paths", put(**{"/others": {"get": {"responses": {}}}})),
        ("paths>/tokens", put(get={"responses": {}})),
        ("operation>responses", put(**{"409": {}})),
        ("key>schema", put(type=["string", "integer"])),
        ("wanted>properties", put(more={"type": "string"})),
        ("wanted", put(required=[])),
        ("wanted>properties>role", put(enum=["host", "viewer", "guest"])),
        ("wanted>properties>seconds>anyOf>0", put(minimum=1, maximum=6000)),
        ("wanted>properties>names>items", drop("pattern")),
        ("answer>properties", put(more={"type": "string"})),
        ("answer", put(required=["token", "kind"])),
        ("answer>properties>kind", put(enum=["a", "b", "c"])),
        ("answer>properties>code", put(examples=["busy", "gone", "new"])),
        ("components>schemas>Mint>properties>id", put(description="Another text")),
    ],
)
def test_an_addition_or_a_wider_request_is_no_break(place: str, change: Callable[[Any], Any]) -> None:
    assert list(breaks(CONTRACT, changed(place, change))) == []
