"""The failures of every operation, from the catalogue of codes. All operations share one response for each status."""

from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from minting.operations import SessionMint
from minting.problems import CATALOGUE, FieldError, Kind
from tools.openapi.schemas import REF, Json
from tools.operations import Declared

PROBLEM = "application/problem+json"

GATEWAY = {
    401: "the JWT is missing or not valid",
    403: "the JWT lacks the scope that the deployment requires",
    404: "this deployment has no such route",
    413: "the request has more than 10 MB",
    429: "the API is throttled",
    500: "the function failed",
    503: "the function has no concurrency or no time left",
}
"""Responses of API Gateway itself, `{"message": ...}`. Source: API Gateway developer guide, HTTP APIs."""

MEMBERS: dict[str, Json] = {
    "type": {"type": "string", "format": "uri"},
    "title": {"type": "string"},
    "status": {"type": "integer"},
    "detail": {"type": "string"},
    "instance": {"type": "string", "format": "uri", "description": "This occurrence"},
    "code": {
        "type": "string",
        "examples": list(CATALOGUE),
        "description": "What happened. It is stable, so decide by it and never by texts. The examples are all codes of this "
        "version. A later one may add some: then decide by the status",
    },
    "retryable": {"type": "boolean", "description": "Whether the same request may succeed later"},
    "fault": {"enum": ["caller", "operator", "vendor"], "description": "Who must act"},
}
OPTIONAL: dict[str, Json] = {
    "retry_after": {"type": "integer", "minimum": 0, "description": "Seconds to wait before the next try"},
    "vendor_status": {"type": "integer", "description": "The status of the vendor's response"},
    "vendor_code": {
        "description": "The code in the vendor's response, if the vendor documents it: a string or an integer"
    },
    "limit": {"type": "string", "description": "The limit that is reached"},
    "valid_until": {"type": "string", "format": "date-time", "description": "The time by which the credential expires"},
    "errors": {"type": "array", "items": {"$ref": f"{REF}FieldError"}, "description": "Every error of the input"},
}


def statuses(declared: Declared) -> set[int]:
    """The statuses of an operation's failures."""
    operation = declared.operation
    lasting = operation.owner_only or isinstance(operation, SessionMint) or declared.answer is NoReturn
    return {
        *(400, 401, 403, 429, 500, 503),
        *((404,) if operation.owner_only or "{" in declared.path else ()),
        *((409,) if lasting else ()),
        *((413, 415) if declared.has_body else ()),
        *((502, 504) if declared.asked and operation.needs_key else ()),
    }


def schemas() -> dict[str, Json]:
    """The components of every failure."""
    _, field_error = msgspec.json.schema_components([FieldError])
    message = {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}
    return {
        **field_error,
        "GatewayMessage": {"title": "GatewayMessage", "description": "A text of API Gateway. Decide by the status."}
        | message,
        "Problem": {
            "title": "Problem",
            "description": "A problem (RFC 9457) with further members. docs/errors.md has a section for every code.",
            "type": "object",
            "required": list(MEMBERS),
            "properties": MEMBERS | OPTIONAL,
        },
    }


def responses(examples: Mapping[str, Any], messages: Mapping[int, Any]) -> dict[str, Json]:
    """A response `Problem<status>` for every status. Problems have their examples by code, messages by status."""
    kinds: dict[int, dict[str, Kind]] = {}
    for code, kind in CATALOGUE.items():
        kinds.setdefault(kind.status, {})[code] = kind
    return {f"Problem{status}": _response(status, codes, examples, messages) for status, codes in kinds.items()}


def _response(status: int, codes: dict[str, Kind], examples: Mapping[str, Any], messages: Mapping[int, Any]) -> Json:
    shown = {code: {"value": examples[code]} for code in codes if code in examples}
    content: Json = {PROBLEM: {"schema": {"$ref": f"{REF}Problem"}} | ({"examples": shown} if shown else {})}
    if status in GATEWAY:
        example = {"example": messages[status]} if status in messages else {}
        content["application/json"] = {"schema": {"$ref": f"{REF}GatewayMessage"}} | example
    return {"description": _description(status, codes), "headers": _headers(status, codes), "content": content}


def _description(status: int, codes: dict[str, Kind]) -> str:
    ours = "; ".join(f"{kind.title} (`{code}`)" for code, kind in codes.items())
    return f"{ours}. API Gateway itself: {GATEWAY[status]}." if status in GATEWAY else f"{ours}."


def _headers(status: int, codes: dict[str, Kind]) -> Json:
    wait = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    challenge = {"WWW-Authenticate": {"$ref": "#/components/headers/Challenge"}}
    retryable = any(kind.retryable for kind in codes.values())
    return (challenge if status == 401 else {}) | (wait if retryable else {})
