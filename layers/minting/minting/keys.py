"""The shapes of a vendor's secret. Values never show in a repr."""

from collections.abc import Callable
from typing import Annotated

import msgspec

type Secret = Annotated[str, msgspec.Meta(max_length=4096, pattern=r"\A\s*[\x21-\x7e]+\s*\Z")]
"""One value of a secret: printable ASCII, so that a header can carry it.

White space around it comes from pasting and is removed.
"""


class Key(msgspec.Struct, frozen=True):
    """What a vendor's secret holds. Its repr shows no value."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class ApiKey(Key, frozen=True):
    """The usual secret: `{"api_key": "..."}`."""

    api_key: Secret

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "api_key", self.api_key.strip())


type UsesKey[K: Key] = Callable[[K], Key | None]
"""Picks the key that an operation uses from a secret that holds several.

A rejected key does not affect the others.
"""


def whole_key(key: Key) -> Key:
    """The whole secret, because most vendors have one key."""
    return key
