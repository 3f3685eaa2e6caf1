"""Request bodies: from an HTTP API event to a checked value, or every fault in it at once."""

import base64
import binascii
import types
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import msgspec

from minting.problems import FieldError, Problem

LARGEST_BODY = 16 * 1024
"""Bytes. The largest body any mint route needs is under 2 kB."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operation takes from its caller. A field that is not declared is refused."""


def decode_body[B: Body](event: dict[str, Any], shape: type[B], largest: int = LARGEST_BODY) -> B:
    """Decodes the event's JSON body as `shape`.

    No body and no content type, or a GET, is the empty object: nothing was sent. A declared body must be there and be JSON.
    Raises `body_too_large`, `not_json` or `invalid_request`.
    """
    raw = _raw(event)
    content_type = _content_type(event)
    if event["requestContext"]["http"]["method"] == "GET" or not (raw or content_type):
        raw = b"{}"
    elif content_type != "application/json":
        raise Problem("not_json", "Send the body as JSON, with `Content-Type: application/json`.")
    if len(raw) > largest:
        raise Problem("body_too_large", f"Send at most {largest} bytes.")
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, RecursionError):
        raise _invalid(*_explain(raw, shape)) from None


def _raw(event: dict[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(FieldError("", "The body is not valid base64")) from None


def _content_type(event: dict[str, Any]) -> str:
    headers: dict[str, str] = event.get("headers") or {}
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _invalid(*errors: FieldError) -> Problem:
    return Problem("invalid_request", "Correct the fields named in `errors` and send the request again.", errors=errors)


def _explain(raw: bytes, shape: type[Body]) -> list[FieldError]:
    """Every fault in a body that is not a `shape`; msgspec itself stops at the first."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return [FieldError("", "The body is not JSON in UTF-8")]
    return _faults(value, shape, "")


def _faults(value: object, shape: Any, path: str) -> list[FieldError]:
    return list(_inner_faults(value, shape, path)) or list(_own_fault(value, shape, path))


def _inner_faults(value: object, shape: Any, path: str) -> Iterator[FieldError]:
    for option in _options(shape):
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, msgspec.Struct):
            yield from _field_faults(value, option, path)
        elif isinstance(value, list) and get_origin(option) is list:
            for index, item in enumerate(value):
                yield from _faults(item, get_args(option)[0], f"{path}[{index}]")


def _options(shape: Any) -> tuple[Any, ...]:
    """`Annotated[X, ...]` is X; `X | Y` is both."""
    if get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    return get_args(shape) if isinstance(shape, types.UnionType) else (shape,)


def _field_faults(value: dict[str, object], shape: type[msgspec.Struct], path: str) -> Iterator[FieldError]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name in value.keys() - fields.keys():
        yield FieldError(_join(path, name), "Unknown field")
    for name, field in fields.items():
        if name in value:
            yield from _faults(value[name], field.type, _join(path, name))
        elif field.required:
            yield FieldError(_join(path, name), "Required")


def _own_fault(value: object, shape: Any, path: str) -> Iterator[FieldError]:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as fault:
        message, _, inside = str(fault).partition(" - at `")
        yield FieldError(path + inside.rstrip("`").removeprefix("$"), message)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
