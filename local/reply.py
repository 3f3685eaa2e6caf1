"""Turns a function's reply into API Gateway's response.

Source: API Gateway developer guide, HTTP APIs, Lambda function response for format 2.0.
"""

import base64
import json
import re
from typing import Any

from local.server import Response

PRINTABLE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def response_of(reply: Any) -> Response:
    """Raises ValueError or TypeError for a reply that API Gateway cannot send."""
    if not (isinstance(reply, dict) and "statusCode" in reply):
        return _implicit(reply)
    headers = {name.lower(): _header(value) for name, value in (reply.get("headers") or {}).items()}
    cookies = [("set-cookie", _header(cookie)) for cookie in reply.get("cookies") or []]
    headers = {"content-type": "text/plain;charset=UTF-8"} | headers
    headers.pop("content-length", None)  # the length of the body counts, not what the function claims
    return Response(_body(reply), _status(reply["statusCode"]), [*headers.items(), *cookies])


def message(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """A response of API Gateway itself, such as `{"message":"Not Found"}`."""
    body = json.dumps({"message": text}, separators=(",", ":"))
    return Response(body, status, [("content-type", "application/json"), *headers])


def _implicit(reply: Any) -> Response:
    """A reply without a status is the body: a string as it is, anything else as JSON."""
    text = reply if isinstance(reply, str) else json.dumps(reply)
    return Response(text, 200, [("content-type", "application/json")])


def _status(status: Any) -> int:
    number = int(status)
    if not 100 <= number <= 599:
        raise ValueError(f"statusCode {number}")
    return number


def _header(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else value
    if not isinstance(text, str | int | float) or not PRINTABLE.fullmatch(str(text)):
        raise TypeError("a header's value is neither printable text nor a number")
    return str(text)


def _body(reply: dict[str, Any]) -> bytes:
    body = reply.get("body") or ""
    if not isinstance(body, str):
        raise TypeError("the body is not a string")
    return base64.b64decode(body, validate=True) if reply.get("isBase64Encoded") else body.encode()
