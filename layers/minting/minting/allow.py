"""Allow-lists: the fields that a caller may fill only with values that the deployment lists."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.problems import FieldError
from minting.settings import OWN, AllowList, FunctionSettings

type Allow = Mapping[str, str]
"""A field of the request (a string or a list of strings), and the setting that lists its values.

An absent field is allowed.
"""


def expand_caller[B: Body](body: B, allow: Allow, caller: Caller) -> B:
    """Replace `{caller}` in the listed fields with the caller's id."""
    own = {field: _expanded(getattr(body, field), caller.id) for field in allow}
    return msgspec.structs.replace(body, **own) if own else body


def fields_not_allowed(body: Body, allow: Allow, settings: FunctionSettings, caller: Caller) -> Iterator[FieldError]:
    """Yield an error for each field that holds a value that this caller's list lacks."""
    for field, setting in allow.items():
        listed: AllowList = getattr(settings, setting).of(caller.id)
        if any(value not in listed for value in _values(getattr(body, field))):
            yield FieldError(field, f"Not offered by this deployment ({setting.upper()})")


def _expanded(sent: Any, caller_id: str) -> Any:
    match sent:
        case str():
            return sent.replace(OWN, caller_id)
        case list():
            return [value.replace(OWN, caller_id) for value in sent]
    return sent


def _values(sent: Any) -> list[str]:
    match sent:
        case None:
            return []
        case list():
            return sent
    return [str(sent)]
