"""What callers may choose: fields of a request that are held to the deployment's allow-lists."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.problems import FieldError
from minting.settings import OWN, AllowList, FunctionSettings

type Choices = Mapping[str, str]
"""A request's field (a text or a list of texts), and the setting that lists what it may hold; what is not sent holds nothing."""


def named[B: Body](body: B, choices: Choices, caller: Caller) -> B:
    """The request with the caller's own names in the place of `{caller}`, to be held to the lists as they are for the caller."""
    own = {field: _own(getattr(body, field), caller.id) for field in choices}
    return msgspec.structs.replace(body, **own) if own else body


def refused(body: Body, choices: Choices, settings: FunctionSettings, caller: Caller) -> Iterator[FieldError]:
    """Every field in which something is asked for that is not offered to this caller."""
    for field, setting in choices.items():
        offered: AllowList = getattr(settings, setting).of(caller.id)
        if any(name not in offered for name in _names(getattr(body, field))):
            yield FieldError(field, f"Not offered by this deployment ({setting.upper()})")


def _own(asked: Any, caller_id: str) -> Any:
    match asked:
        case str():
            return asked.replace(OWN, caller_id)
        case list():
            return [name.replace(OWN, caller_id) for name in asked]
    return asked


def _names(asked: Any) -> list[str]:
    match asked:
        case None:
            return []
        case list():
            return asked
    return [str(asked)]
