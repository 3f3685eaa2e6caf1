"""What callers may choose: fields of a request that are held to the deployment's allow-lists."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.problems import FieldError
from minting.settings import AllowList, FunctionSettings

type Choices = Mapping[str, str]
"""A request's field (a text or a list of texts), and the setting that lists what it may hold; what is not sent holds nothing."""


def refused(body: Body, choices: Choices, settings: FunctionSettings, caller: Caller) -> Iterator[FieldError]:
    """Every name that is asked for and not offered to this caller."""
    for field, setting in choices.items():
        listed: AllowList = getattr(settings, setting)
        if any(listed.chosen(name, caller.id) is None for name in _names(getattr(body, field))):
            yield FieldError(field, f"Not offered by this deployment ({setting.upper()})")


def named[B: Body](body: B, choices: Choices, settings: FunctionSettings, caller: Caller) -> B:
    """The request with the caller's own names in the place of `{caller}`."""
    own: dict[str, Any] = {}
    for field, setting in choices.items():
        asked, listed = getattr(body, field), getattr(settings, setting)
        if isinstance(asked, str):
            own[field] = listed.chosen(asked, caller.id)
    return msgspec.structs.replace(body, **own) if own else body


def _names(asked: object) -> list[str]:
    match asked:
        case None:
            return []
        case list():
            return asked
    return [str(asked)]
