"""The environment of a function, read once, here and nowhere else."""

import os
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec

OWN = "{caller}"
"""In a listed name, and in one that is asked for: an id of the caller's, so that each has a name that no other can choose."""


class AllowList:
    """What callers may choose from: a comma-separated list; `*` allows anything; nothing listed allows nothing."""

    def __init__(self, listed: str = "") -> None:
        self._names = frozenset(name.strip() for name in listed.split(",")) - {""}

    def __contains__(self, name: str) -> bool:
        return name in self._names or "*" in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def of(self, caller_id: str) -> "AllowList":
        """The list as it is for one caller, whose id is in the place of `{caller}`."""
        return AllowList(",".join(self).replace(OWN, caller_id))


class ClientFields:
    """Public settings that answers carry for the client: `name=value` with commas. The credential's own fields win."""

    def __init__(self, listed: str = "") -> None:
        pairs = (field.partition("=") for field in listed.split(",") if field.strip())
        self.members = {name.strip(): value.strip() for name, _, value in pairs}


class FunctionSettings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """What every function is told: each field is read from the variable of the same name in capitals.

    `deadline_seconds` is for one whole request: API Gateway gives up at 30 s, the function's own timeout is 28 s.
    `backend_scope`: a JWT with this scope may ask on behalf of a user; empty: none may.
    `metrics_namespace` is the stack's own.
    """

    deadline_seconds: Annotated[float, msgspec.Meta(gt=0, le=24)] = 20.0
    backend_scope: str = ""
    metrics_namespace: str = "AvatarMint"


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """What every vendor's function is told; a vendor adds fields of its own."""

    api_key_secret: str
    limits_table: str
    caller_per_hour: Annotated[int, msgspec.Meta(ge=1)]
    vendor_per_day: Annotated[int, msgspec.Meta(ge=1)]
    aws_lambda_initialization_type: str = "on-demand"


def load[S: FunctionSettings](shape: type[S], environment: Mapping[str, str] = os.environ) -> S:
    """Reads `shape` from the environment; an empty variable counts as not set. Raises ValueError naming the wrong one."""
    given = {name: value for name, value in environment.items() if value}
    return msgspec.convert(given, shape, strict=False, dec_hook=_decode)


def setting(name: str) -> str:
    """One variable, empty where it is not set: for a function whose settings are not known by name when it is written."""
    return os.environ.get(name, "")


def _decode(shape: type, value: object) -> object:
    return shape(value)
