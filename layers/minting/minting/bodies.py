"""What a request holds. Decodes an HTTP API event into a checked value, or reports all its errors."""

import base64
import binascii
import re
import types
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any, Union, get_args, get_origin
from urllib.parse import parse_qs

import msgspec

from minting.decoding import DECODE_ERRORS
from minting.problems import FieldError, Problem

MAX_BODY_BYTES = 16 * 1024
"""The largest body that a mint needs is under 2 kB."""

MAX_ERRORS = 1000
"""The most errors in one response, and the most items of a list that are checked one by one.

A large body must not cause a larger response.
"""

NOTHING_SENT = {"", "application/json", "application/x-www-form-urlencoded"}
"""Content types of an empty body.

Generated clients declare JSON on every POST. HTTP clients declare a POST without data as a form,
curl and Unity's `UnityWebRequest.PostWwwForm(url, "")` among them. API Gateway hands a form's body
over in base64.
"""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of a request. An undeclared field is refused."""

    @classmethod
    def errors(cls, sent: Any) -> Iterable[FieldError]:  # noqa: ARG003 - for shapes with rules across fields
        """Yields errors between fields.

        The value may be any JSON: decoding reports fields of the wrong type.
        """
        return ()


def decode_request[B: Body](event: dict[str, Any], shape: type[B], max_bytes: int = MAX_BODY_BYTES) -> B:
    """Decodes the event as `shape`.

    It joins the path parameters with the JSON body, or with the query for GET and DELETE. An empty
    body is the empty object, unless it is declared as something that is neither JSON nor a form.
    Raises `body_too_large`, `not_json` or `invalid_request`.
    """
    path: dict[str, Any] = event.get("pathParameters") or {}
    if event["requestContext"]["http"]["method"] in {"GET", "DELETE"}:
        return _converted(_query(event, shape) | path, shape, strict=False)
    value = _parsed(_json_body(event, max_bytes))
    return _converted(value | path if isinstance(value, dict) else value, shape, strict=True)


def _json_body(event: dict[str, Any], max_bytes: int) -> bytes:
    raw = _raw(event)
    content_type = _content_type(event)
    if not raw and content_type in NOTHING_SENT:
        return b"{}"
    if content_type != "application/json":
        raise Problem("not_json", "Send the body as JSON, with `Content-Type: application/json`.")
    if len(raw) > max_bytes:
        raise Problem("body_too_large", f"Send at most {max_bytes} bytes.")
    return raw


def _parsed(raw: bytes) -> Any:
    try:
        return _PARSER.decode(raw)
    except DECODE_ERRORS:
        raise _invalid(FieldError("", "The body is not JSON in UTF-8")) from None


def _number(literal: str) -> float:
    """JSON has one type of number, and some clients write 60 as 60.0."""
    number = float(literal)
    return int(number) if number.is_integer() else number


_PARSER = msgspec.json.Decoder(float_hook=_number)


def _query(event: dict[str, Any], shape: type[Body]) -> dict[str, Any]:
    """The query parameters.

    API Gateway joins repeated ones with commas, so this reads the raw query.
    """
    lists = {
        field.encode_name
        for field in msgspec.structs.fields(shape)
        if any(get_origin(option) is list for option in _options(field.type))
    }
    given = parse_qs(event.get("rawQueryString") or "", keep_blank_values=True)
    return {name: values if name in lists or len(values) > 1 else values[0] for name, values in given.items()}


def _converted[B: Body](value: Any, shape: type[B], *, strict: bool) -> B:
    between = list(shape.errors(value))
    try:
        body = msgspec.convert(value, shape, strict=strict)
    except DECODE_ERRORS:
        raise _invalid(*_errors(value, shape, "", strict=strict), *between) from None
    if between:
        raise _invalid(*between)
    return body


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
    detail = "Correct the fields named in `errors` and send the request again."
    return Problem("invalid_request", detail, errors=errors[:MAX_ERRORS])


def _errors(value: object, shape: Any, path: str, *, strict: bool) -> list[FieldError]:
    """All errors in a value that is not a `shape`. msgspec itself stops at the first."""
    return list(_inner_errors(value, shape, path, strict)) or list(_own_error(value, shape, path, strict))


def _inner_errors(value: object, shape: Any, path: str, strict: bool) -> Iterator[FieldError]:  # noqa: FBT001
    for option in _options(shape):
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, msgspec.Struct):
            yield from _field_errors(value, option, path, strict)
        elif isinstance(value, list) and get_origin(option) is list:
            for index, item in enumerate(value[:MAX_ERRORS]):
                yield from _errors(item, get_args(option)[0], f"{path}[{index}]", strict=strict)
        elif isinstance(value, dict) and get_origin(option) is dict:
            names, items = get_args(option)
            for name, item in islice(value.items(), MAX_ERRORS):
                yield from _errors(name, names, _join(path, name), strict=strict)
                yield from _errors(item, items, _join(path, name), strict=strict)


def _options(shape: Any) -> tuple[Any, ...]:
    """`Annotated[X, ...]` is X; `X | Y` is both, in either of the forms that Python has for it."""
    if get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    if get_origin(shape) in {types.UnionType, Union}:
        return tuple(option for side in get_args(shape) for option in _options(side))
    return (shape,)


def _field_errors(
    value: dict[str, object],
    shape: type[msgspec.Struct],
    path: str,
    strict: bool,  # noqa: FBT001
) -> Iterator[FieldError]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name in value.keys() - fields.keys():
        yield FieldError(_join(path, name), "Unknown field")
    for name, field in fields.items():
        if name in value:
            yield from _errors(value[name], field.type, _join(path, name), strict=strict)
        elif field.required:
            yield FieldError(_join(path, name), "Required")


def _own_error(value: object, shape: Any, path: str, strict: bool) -> Iterator[FieldError]:  # noqa: FBT001
    try:
        msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        message, _, inside = str(error).partition(" - at `")
        yield FieldError(path + inside.rstrip("`").rpartition("$")[2], message)  # a map's key: "`key` in `$`"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def idempotency_key(event: dict[str, Any]) -> str | None:
    """The Idempotency-Key header.

    Raises `invalid_request` unless it is 1 to 255 printable ASCII characters.
    """
    key: str | None = (event.get("headers") or {}).get("idempotency-key")
    if key is not None and not re.fullmatch(r"[\x20-\x7e]{1,255}", key):
        error = FieldError("Idempotency-Key", "Expected 1 to 255 printable ASCII characters")
        raise Problem("invalid_request", "Correct the header and send the request again.", errors=[error])
    return key
