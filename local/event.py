"""The event that API Gateway sends to a function. Source: its developer guide, HTTP APIs, payload format version 2.0."""

import base64
import time
import uuid
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Request

from local.routes import Match
from local.template import PSEUDO

TEXT = {"application/json", "application/javascript", "application/xml"}
"""The media types, besides text/*, whose bodies are sent as they are. Others are sent in base64."""


def raw_path(request: Request) -> str:
    """The path as sent, still percent-encoded."""
    path: str = request.environ["RAW_URI"].partition("?")[0]
    return path


def event_of(request: Request, match: Match, claims: dict[str, Any] | None) -> dict[str, Any]:
    """The event of a request. As at AWS, members that the request does not have are absent."""
    optional = {
        "cookies": _cookies(request),
        "queryStringParameters": {name: ",".join(values) for name, values in request.args.lists()},
        "pathParameters": match.path_parameters,
    }
    return {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": unquote(raw_path(request)),
        "rawQueryString": request.query_string.decode("latin-1"),
        "headers": _headers(request),
        "requestContext": _context(request, match.route.key, claims),
        **{name: value for name, value in optional.items() if value},
        **_body(request),
    }


def _context(request: Request, route_key: str, claims: dict[str, Any] | None) -> dict[str, Any]:
    host = request.headers.get("host", "localhost").partition(":")[0]
    now = time.time()
    return {
        "accountId": PSEUDO["AWS::AccountId"],
        "apiId": "local",
        **({} if claims is None else {"authorizer": {"jwt": {"claims": texts(claims), "scopes": None}}}),
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
        "path": unquote(raw_path(request)),
        "protocol": "HTTP/1.1",
        "sourceIp": request.remote_addr or "",
        "userAgent": request.headers.get("user-agent", ""),
    }


def _headers(request: Request) -> dict[str, str]:
    host, _, port = request.headers.get("host", "localhost").partition(":")
    sent = {name.lower(): value for name, value in request.headers.items() if name.lower() != "cookie"}
    forwarded = filter(None, (sent.get("x-forwarded-for"), request.remote_addr))
    return sent | {
        "host": host,
        "x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
        "x-forwarded-for": ", ".join(forwarded),
        "x-forwarded-port": port or "80",
        "x-forwarded-proto": "http",
    }


def _cookies(request: Request) -> list[str]:
    return [cookie.strip() for cookie in request.headers.get("cookie", "").split(";") if cookie.strip()]


def _body(request: Request) -> dict[str, Any]:
    sent = request.get_data()
    if not sent:
        return {"isBase64Encoded": False}
    if _is_text(request.headers.get("content-type", "text/plain")):
        try:
            return {"body": sent.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass  # AWS does not document this case, and base64 keeps every byte
    return {"body": base64.b64encode(sent).decode(), "isBase64Encoded": True}


def _is_text(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in TEXT


def texts(claims: dict[str, Any]) -> dict[str, str]:
    """The claims as a function gets them."""
    return {name: _text(value) for name, value in claims.items()}


def _text(claim: Any) -> str:
    """A claim as a function gets it: always a string, and a list as `[a b]`."""
    match claim:
        case bool():
            return str(claim).lower()
        case list():
            return f"[{' '.join(map(_text, claim))}]"
        case dict():
            return f"map[{' '.join(f'{name}:{_text(value)}' for name, value in sorted(claim.items()))}]"
        case _:
            return str(claim)
