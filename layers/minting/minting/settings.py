"""The settings of a function. This module alone reads the environment."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

import msgspec

OWN = "{caller}"
"""Stands for the caller's id, in a list and in a request. So each caller has a name of its own."""


class AllowList:
    """The values that callers may choose: a comma-separated list. `*` allows any value.

    An empty list allows none.
    """

    def __init__(self, listed: str = "") -> None:
        self._names = frozenset(name.strip() for name in listed.split(",")) - {""}

    def __contains__(self, name: str) -> bool:
        return name in self._names or "*" in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def of(self, caller_id: str) -> "AllowList":
        """The list for one caller, with the caller's id in place of `{caller}`."""
        return AllowList(",".join(self).replace(OWN, caller_id))


class ClientFields:
    """Public settings in every response for the client: `name=value`, separated by commas."""

    def __init__(self, listed: str = "") -> None:
        pairs = (field.partition("=") for field in listed.split(",") if field.strip())
        self.members = {name.strip(): value.strip() for name, _, value in pairs}


class ClaimRule(NamedTuple):
    """One rule of RequiredClaims. `operator` is empty, `=` or `!=`."""

    name: str
    operator: str
    value: str

    def holds(self, claims: Mapping[str, object]) -> bool:
        """Whether the claim is present, and a text that equals or does not equal the value."""
        claim = claims.get(self.name)
        if not isinstance(claim, str):
            return False
        return not self.operator or (claim == self.value) is (self.operator == "=")

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{self.value}"


class RequiredClaims:
    """What every caller's JWT must say: `name`, `name=value` or `name!=value`, separated by commas.

    A missing claim breaks each of these rules. Raises ValueError for another form.
    """

    def __init__(self, listed: str = "") -> None:
        self._rules = [_rule(rule.strip()) for rule in listed.split(",") if rule.strip()]

    def broken(self, claims: Mapping[str, object]) -> list[ClaimRule]:
        """The rules that do not hold for these claims. API Gateway passes each claim as a text."""
        return [rule for rule in self._rules if not rule.holds(claims)]


def _rule(text: str) -> ClaimRule:
    found = re.fullmatch(r"([^=!\s]+)(!?=|)(.*)", text)
    if not found or (found[3] and not found[2]):
        raise ValueError(f"{text!r} is not name, name=value or name!=value")
    return ClaimRule(*found.groups())


class FunctionSettings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """The settings of every function.

    Each field is read from the variable of the same name in capitals.

    deadline_seconds: for one whole request. API Gateway gives up at 30 s, and the function's own
    timeout is 28 s.
    backend_scope: a JWT with this scope may mint on behalf of a user. Empty allows no backend.
    required_claims: what every caller's JWT must say, a backend's excepted.
    metrics_namespace: differs for each stack, so that stacks share no metric.
    """

    deadline_seconds: Annotated[float, msgspec.Meta(gt=0, le=24)] = 20.0
    backend_scope: str = ""
    required_claims: RequiredClaims = RequiredClaims()
    metrics_namespace: str = "AvatarMint"


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """The settings of every vendor's function. A vendor adds fields of its own.

    caller_per_day: 0 stands for a tenth of `vendor_per_day`.
    """

    api_key_secret: str
    limits_table: str
    caller_per_hour: Annotated[int, msgspec.Meta(ge=1)]
    caller_per_day: Annotated[int, msgspec.Meta(ge=0)] = 0
    vendor_per_day: Annotated[int, msgspec.Meta(ge=1)]


class Account(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """The region and the role's credentials, which Lambda sets, and endpoints other than AWS's own.

    Its repr shows nothing.
    """

    aws_region: str
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str = ""
    aws_endpoint_url: str = ""
    aws_endpoint_url_dynamodb: str = ""
    aws_endpoint_url_secrets_manager: str = ""

    def __repr__(self) -> str:
        return "Account(...)"


def load[S: msgspec.Struct](shape: type[S], environment: Mapping[str, str] = os.environ) -> S:
    """Reads `shape` from the environment. An empty variable counts as not set.

    Raises ValueError that names the wrong variable.
    """
    given = {name: value for name, value in environment.items() if value}
    return msgspec.convert(given, shape, strict=False, dec_hook=_decode)


def setting(name: str) -> str:
    """One variable, or an empty string.

    For the catalogue, whose settings depend on the deployed vendors.
    """
    return os.environ.get(name, "")


def _decode(shape: type, value: object) -> object:
    return shape(value)
