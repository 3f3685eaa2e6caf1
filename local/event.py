"""The event that a function is given. Source: API Gateway developer guide, HTTP APIs, payload format version 2.0."""

import base64
import time
import uuid
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.routes import Match
from local.server import Request
from local.template import PSEUDO

TEXT = {"application/json", "application/javascript", "application/xml"}
"""Beside text/*, the media types whose bodies come as they are; any other comes in base64."""


def event_of(request: Request, match: Match, claims: dict[str, Any] | None) -> dict[str, Any]:
    """What a request does not have (cookies, query, path parameters, body, authorizer) is left out, as AWS does."""
    optional = {
        "cookies": _cookies(request),
        "queryStringParameters": _parameters(request.query),
        "pathParameters": match.path_parameters,
    }
    return {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": unquote(request.path),
        "rawQueryString": request.query,
        "headers": _headers(request),
        "requestContext": _context(request, match.route.key, claims),
        **{name: value for name, value in optional.items() if value},
        **_body(request),
    }


def _context(request: Request, route_key: str, claims: dict[str, Any] | None) -> dict[str, Any]:
    host = (request.header("host") or "localhost").partition(":")[0]
    now = time.time()
    return {
        "accountId": PSEUDO["AWS::AccountId"],
        "apiId": "local",
        **({} if claims is None else {"authorizer": {"jwt": {"claims": _texts(claims), "scopes": None}}}),
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "http": _http(request),
        "requestId": str(uuid.uuid4()),
        "routeKey": route_key,
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }


def _http(request: Request) -> dict[str, str]:
    return {
        "method": request.method,
        "path": unquote(request.path),
        "protocol": "HTTP/1.1",
        "sourceIp": request.source_ip,
        "userAgent": request.header("user-agent") or "",
    }


def _headers(request: Request) -> dict[str, str]:
    host, _, port = (request.header("host") or "localhost").partition(":")
    names = {name.lower() for name, _ in request.headers} - {"cookie"}
    forwarded = filter(None, (request.header("x-forwarded-for"), request.source_ip))
    return {name: request.header(name) or "" for name in names} | {
        "host": host,
        "x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
        "x-forwarded-for": ", ".join(forwarded),
        "x-forwarded-port": port or "80",
        "x-forwarded-proto": "http",
    }


def _cookies(request: Request) -> list[str]:
    sent = ";".join(value for name, value in request.headers if name.lower() == "cookie")
    return [cookie.strip() for cookie in sent.split(";") if cookie.strip()]


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {"isBase64Encoded": False}
    if _is_text(request.header("content-type") or "text/plain"):
        try:
            return {"body": request.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass  # nothing is said of it by AWS; base64 keeps every byte
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}


def _is_text(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in TEXT


def _texts(claims: dict[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in claims.items()}


def _text(claim: Any) -> str:
    """Claims reach a function as strings; a list as `[a b]`."""
    match claim:
        case bool():
            return str(claim).lower()
        case list():
            return f"[{' '.join(map(_text, claim))}]"
        case dict():
            return f"map[{' '.join(f'{name}:{_text(value)}' for name, value in sorted(claim.items()))}]"
        case _:
            return str(claim)
