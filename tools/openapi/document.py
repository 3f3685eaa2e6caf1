"""Builds the HTTP contract from the declarations of the functions and from their responses."""

import re
import tomllib
from typing import NoReturn

from local.functions import ROOT
from minting import callers
from minting.operations import SessionMint
from tools.openapi import problems
from tools.openapi.samples import Sample, Samples
from tools.openapi.schemas import REF, Json, referred, schemas_of, sendable, without
from tools.operations import Declared, Owner

TIME = {"type": "string", "format": "date-time", "pattern": "^[0-9-]{10}T[0-9:]{8}Z$"}

MINT: Json = {
    "title": "Mint",
    "description": "The traits of a credential, the same for every vendor. Unknown values are null.",
    "type": "object",
    "required": [
        *("id", "vendor", "issued_at", "expires_at", "expires_in"),
        *("single_use", "extendable", "revocable", "takes_slot"),
    ],
    "properties": {
        "id": {
            "type": "string",
            "description": "The id of the log record. Name it when you ask the team about this mint",
        },
        "vendor": {"type": "string"},
        "issued_at": TIME | {"description": "By the server's clock"},
        "expires_at": TIME | {"type": ["string", "null"]},
        "expires_in": {"type": ["integer", "null"], "minimum": 0, "description": "Seconds"},
        "single_use": {"type": "boolean"},
        "extendable": {"type": "boolean"},
        "revocable": {"type": "boolean"},
        "takes_slot": {
            "type": "boolean",
            "description": "Whether the credential holds a paid session of the team's plan",
        },
    },
}

HEADERS: Json = {
    "NoStore": {"required": True, "description": "No cache stores a response", "schema": {"const": "no-store"}},
    "RetryAfter": {"description": "Seconds, as `retry_after`", "schema": {"type": "integer", "minimum": 0}},
    "Challenge": {"required": True, "description": "RFC 9110", "schema": {"type": "string", "pattern": "^Bearer"}},
}

IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "If a response is lost, repeat the call with the same key. You get credentials for the same session.",
    "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
}

ON_BEHALF_OF: Json = {
    "name": callers.ON_BEHALF_OF,
    "in": "header",
    "description": "The user for whom a backend of the team calls. Limits, ownership and records are then those of the user. "
    "The token must have the scope that the deployment names for backends.",
    "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,126}[!-~])?$"},
}


def document(owners: list[Owner], samples: Samples) -> Json:
    """The whole file. The examples of an operation are its sample."""
    components, paths = problems.schemas() | {"Mint": MINT}, dict[str, Json]()
    for owner in owners:
        for declared in owner.routes:
            operation, shapes = described(declared, samples.seen[declared.name])
            paths.setdefault(declared.path, {})[declared.method] = operation
            components |= shapes
    failures = problems.responses(samples.problems, samples.messages)
    return {
        "openapi": "3.1.1",
        "info": info(),
        "servers": [SERVER],
        "security": [{"caller": []}],
        "tags": [{"name": owner.name, "description": owner.about} for owner in owners],
        "paths": paths,
        "components": {
            "securitySchemes": {"caller": CALLER},
            "headers": HEADERS,
            "responses": failures,
            "schemas": referred({"paths": paths, "responses": failures}, components),
        },
    }


def info() -> Json:
    """The project's name, version and description are those of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        "title": project["name"],
        "version": project["version"],
        "summary": project["description"],
        "description": "The operator of a deployment chooses its vendors and their routes. `GET /v1/vendors` lists them. "
        "Every response has `Cache-Control: no-store`, except those of API Gateway itself.",
    }


SERVER: Json = {
    "url": "https://{host}",
    "description": "The output ApiUrl of the team's stack",
    "variables": {"host": {"default": "abcde12345.execute-api.eu-west-1.amazonaws.com"}},
}

CALLER: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A JWT of the team's sign-in (any OpenID Connect issuer), for the audience that the deployment names.",
}


def described(declared: Declared, sample: Sample) -> tuple[Json, dict[str, Json]]:
    """An operation and the components to which it may refer."""
    answers = declared.answer
    shapes = [declared.operation.body, *([] if answers in {NoReturn, type(None)} else [answers])]
    (body, *answer), components = schemas_of(declared.owner, shapes)
    if declared.mints:
        credential = components[answer[0]["$ref"].removeprefix(REF)]
        credential["properties"] |= {"mint": {"$ref": f"{REF}Mint"}}
        credential["required"] = [*credential.get("required", []), "mint"]
        if sample.answer.keys() - credential["properties"].keys():
            credential["additionalProperties"] = True  # public fields that the deployment configures
    name = body["$ref"].removeprefix(REF)
    in_path = set(re.findall(r"{(\w+)}", declared.path))
    parameters = in_path if declared.has_body else set(components[name]["properties"])
    parts = {
        "operationId": declared.name,
        "tags": [declared.owner],
        **about(declared.handler.__doc__ or ""),
        "parameters": [
            *(parameter(field, in_path, components[name], sample) for field in sorted(parameters)),
            *([IDEMPOTENCY_KEY] if isinstance(declared.operation, SessionMint) else []),
            ON_BEHALF_OF,
        ],
        "deprecated": hasattr(declared.handler, "__deprecated__"),
        "requestBody": None,
        "responses": responses(declared, answer, sample),
    }
    components[name] = without(components[name], parameters)
    if declared.has_body and (components[name]["properties"] or not parameters):
        parts["requestBody"] = request_body(body, components[name], sample)
    return {member: value for member, value in parts.items() if value}, components


def about(docstring: str) -> Json:
    """The first sentence of a docstring, and all of it if it has more."""
    text = " ".join(docstring.split())
    first = re.split(r"(?<=[a-z`])[.:;] ", text)[0]
    return {"summary": first.removesuffix(".")} | ({"description": text} if text != first else {})


def parameter(field: str, in_path: set[str], component: Json, sample: Sample) -> Json:
    """A field of the request that is in the path or in the query."""
    place = "path" if field in in_path else "query"
    required = field in in_path or field in component.get("required", [])
    schema = sendable(component["properties"][field])
    example = {"example": sample.parameters[field]} if field in sample.parameters else {}
    return {"name": field, "in": place, "required": required, "schema": schema} | example


def request_body(schema: Json, component: Json, sample: Sample) -> Json:
    """The JSON object. It is optional if none of its members is required."""
    content = {"application/json": {"schema": schema, "example": sample.body}}
    return {"required": bool(component["required"]), "content": content}


def responses(declared: Declared, answer: list[Json], sample: Sample) -> Json:
    """The success, if the operation can succeed, and every failure."""
    failures = {str(status): f"Problem{status}" for status in sorted(problems.statuses(declared))}
    refused = {status: {"$ref": f"#/components/responses/{name}"} for status, name in failures.items()}
    return success(declared, answer, sample) | refused


def success(declared: Declared, answer: list[Json], sample: Sample) -> Json:
    """The shape of the response."""
    if declared.answer is NoReturn:
        return {}
    content = [{"application/json": {"schema": schema, "example": sample.answer}} for schema in answer]
    parts = {
        "description": declared.operation.outcome.capitalize(),
        "headers": {"Cache-Control": {"$ref": "#/components/headers/NoStore"}},
        "content": content and content[0],
    }
    return {str(declared.operation.status): {member: value for member, value in parts.items() if value}}
