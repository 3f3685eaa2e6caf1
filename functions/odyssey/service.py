"""The vendor: its settings, its client, and the access token that its calls carry.

A mint makes the calls that the vendor's SDK numbers 1 (`auth/token`), 3 (`sessions/request`) and 4
(`sessions/token`).
"""

from time import monotonic
from typing import Annotated, Any

import msgspec

from minting.keys import ApiKey
from minting.operations import Request
from minting.problems import Problem
from minting.replies import Interpret
from minting.settings import AllowList, Settings
from minting.upstream import Upstream
from minting.vendor import Vendor

from .errors import DAY, StaleAccess, interpret_sign_in_reply

RENEW_SECONDS = 60
"""How long before its expiry the vendor's own SDK replaces an access token."""


class OdysseySettings(Settings, frozen=True, kw_only=True):
    """`ODYSSEY_API_URL`: where the vendor's API is.

    `ODYSSEY_SLOTS`, `ODYSSEY_SLOTS_PER_CALLER`: how many sessions may be live, in total and for one
    caller.
    `ODYSSEY_QUEUE_SECONDS`: how long a mint waits for a free streamer before it fails
    (`no_capacity`).
    `ODYSSEY_BROADCAST_HOSTS`: the hosts that broadcasts may have, with the port unless it is 443.
    `.name` in it stands for all hosts below `name`.
    `BROADCASTS_CALLER_PER_HOUR`, `BROADCASTS_PER_DAY`: broadcasts that one host and all hosts may
    register.
    """

    odyssey_api_url: str = "https://api.odyssey.ml"
    odyssey_queue_seconds: Annotated[float, msgspec.Meta(ge=0, le=15)] = 5.0
    odyssey_slots: Annotated[int, msgspec.Meta(ge=1)] = 5
    odyssey_slots_per_caller: Annotated[int, msgspec.Meta(ge=1)] = 2
    odyssey_broadcast_hosts: AllowList = AllowList()
    broadcasts_caller_per_hour: Annotated[int, msgspec.Meta(ge=1)] = 10
    broadcasts_per_day: Annotated[int, msgspec.Meta(ge=1)] = 200


vendor = Vendor("odyssey", OdysseySettings, ApiKey)
settings = vendor.settings
BROADCASTS = "broadcasts"
"""The budget of registered broadcasts. They cost no session, so they must not use up the mints."""
vendor.add_budget(BROADCASTS, settings.broadcasts_caller_per_hour, settings.broadcasts_per_day)
# Calls 1 and 4 may be retried. Call 3 may not, because each one that arrives takes another slot.
# Call 4 is also retried after a 500, because its session has a slot already.
api = Upstream(
    settings.odyssey_api_url,
    repeatable=["auth/token", "sessions/token"],
    repeat_after={"sessions/token": {500}},
)


class Access(msgspec.Struct, frozen=True):
    """The reply to call 1. The default of `expires_in` is that of the vendor's Python SDK."""

    access_token: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]+\Z")]
    expires_in: Annotated[int, msgspec.Meta(le=DAY)] = 3600


class SignIn:
    """The access token of call 1. It is cached in memory until it expires, to save a round trip."""

    def __init__(self) -> None:
        self._held: tuple[ApiKey, str, float] | None = None

    def access_token(self, request: Request[ApiKey]) -> str:
        """An access token for the request's API key: the cached one or a new one."""
        held = self._held
        if held and held[0] == request.key and monotonic() < held[2]:
            return held[1]
        body = {"api_key": request.key.api_key}
        try:
            access = api.request(
                "POST", "auth/token", Access, request.deadline, json=body, interpret=interpret_sign_in_reply
            )
        except Problem as problem:
            problem.ambiguous = False  # call 1 takes no slot, even if its reply is lost
            raise
        self._held = (request.key, access.access_token, monotonic() + access.expires_in - RENEW_SECONDS)
        return access.access_token

    def forget(self) -> None:
        """Drops a token that the vendor rejects."""
        self._held = None


sign_in = SignIn()


def ask[T](path: str, shape: type[T], body: dict[str, Any], request: Request[ApiKey], interpret: Interpret) -> T:
    """Sends a request with the access token. If the vendor rejects the token, signs in again, once.

    We assume that a new token helps. The vendor's SDKs do not try.
    """
    try:
        return ask_once(path, shape, body, request, interpret)
    except StaleAccess:
        sign_in.forget()
        return ask_once(path, shape, body, request, interpret)


def ask_once[T](path: str, shape: type[T], body: dict[str, Any], request: Request[ApiKey], interpret: Interpret) -> T:
    """Sends one request with the access token."""
    headers = {"Authorization": f"Bearer {sign_in.access_token(request)}"}
    return api.request("POST", path, shape, request.deadline, headers=headers, json=body, interpret=interpret)
