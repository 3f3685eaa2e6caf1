"""Writes the types of the JavaScript client from docs/openapi.json: clients/js/src/credentials.ts.

Usage: python -m tools.client_types.
"""

import json
from typing import Any

from local.functions import ROOT

CONTRACT = ROOT / "docs/openapi.json"
DECLARED = ROOT / "functions/catalogue/declared.json"
TYPES = ROOT / "clients/js/src/credentials.ts"
BASIC = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}
LONGEST = 120

type Json = dict[str, Any]

HEAD = """// Written by `make generate` from docs/openapi.json. Do not edit.

/** The traits of a credential, the same for every vendor. */
export interface Mint {mint}

/** What every answer of a mint has. */
export interface Credential {{
  mint: Mint
}}

/** Each route that mints: what it takes, and the vendor's own fields that it gives. */
export interface Mints {{
{routes}
}}
"""


def routes_that_mint() -> list[str]:
    """The routes that clients ask, without `/v1/`."""
    declared = json.loads(DECLARED.read_text())
    mints = [route.split() for vendor in declared.values() for route in vendor["mint"]]
    return sorted(path.removeprefix("/v1/") for method, path in mints if method == "POST")


def client_types() -> str:
    """The text of the file."""
    contract = json.loads(CONTRACT.read_text())
    schemas = contract["components"]["schemas"]
    routes = [_route(route, contract["paths"][f"/v1/{route}"]["post"], schemas) for route in routes_that_mint()]
    return HEAD.format(mint=_type(schemas["Mint"], schemas, "", wide=True), routes="\n".join(routes))


def _route(route: str, operation: Json, schemas: Json) -> str:
    asked = _type(_schema(operation["requestBody"]), schemas, "    ")
    given = _type(_schema(operation["responses"]["201"]), schemas, "    ")
    return f"  '{route}': {{\n    request: {asked}\n    credential: {given}\n  }}"


def _schema(message: Json) -> Json:
    schema: Json = message["content"]["application/json"]["schema"]
    return schema


def _type(schema: Json, schemas: Json, indent: str, *, wide: bool = False) -> str:
    """The TypeScript of a schema. An unconstrained one is `unknown`. `wide`: one member a line in any case."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return " | ".join(_options(schema, schemas, indent, wide=wide)) or "unknown"


def _options(schema: Json, schemas: Json, indent: str, *, wide: bool) -> list[str]:
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if values:
        return [f"'{value}'" for value in values]
    if "anyOf" in schema:
        return [_type(option, schemas, indent) for option in schema["anyOf"]]
    kinds: str | list[str] = schema.get("type") or schema.get("x-types") or []
    return [_kind(kind, schema, schemas, indent, wide=wide) for kind in ([kinds] if isinstance(kinds, str) else kinds)]


def _kind(kind: str, schema: Json, schemas: Json, indent: str, *, wide: bool) -> str:
    match kind:
        case "object":
            return _object(schema, schemas, indent, wide=wide)
        case "array":
            return f"Array<{_type(schema['items'], schemas, indent)}>"
        case _:
            return BASIC[kind]


def _object(schema: Json, schemas: Json, indent: str, *, wide: bool) -> str:
    """The credential's `mint` is in `Credential`, and so it is left out here."""
    values = schema.get("additionalProperties")
    if isinstance(values, dict):
        return f"Record<string, {_type(values, schemas, indent)}>"
    required = schema.get("required", [])
    members = [
        f"{name}{'' if name in required else '?'}: {_type(of, schemas, indent + '  ')}"
        for name, of in schema.get("properties", {}).items()
        if name != "mint"
    ]
    line = f"{{ {'; '.join(members)} }}" if members else "Record<string, never>"
    if not wide and len(indent) + len(line) < LONGEST and "\n" not in line:
        return line
    return "{\n" + "".join(f"{indent}  {member}\n" for member in members) + indent + "}"


if __name__ == "__main__":
    TYPES.write_text(client_types())
