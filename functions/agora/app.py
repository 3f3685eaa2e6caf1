"""Agora: AccessToken2 (`007`) for RTC and RTM, signed here.

Facts and sources: docs/vendors/agora.md.
"""

import hmac
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import time
from typing import Annotated

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.credentials import Credential, CredentialTraits
from minting.operations import Mint, Request
from minting.problems import FieldError, not_allowed
from minting.settings import OWN, AllowList, ClientFields, Settings
from minting.vendor import Vendor

from .access_token import AgoraKey, Role, Service, access_token, rtc, rtm

MAX_CHANNEL = 63
MAX_TTL = 86_400
"""Seconds. The longest lifetime that the vendor accepts."""

MIN_CALLER_UID = 1 << 30
"""The smallest uid of a caller. Smaller ones are for the team's agents and avatars.

A caller's uid has 30 more bits, so that it fits into a signed integer of 32 bits.
"""

CALLER_ID = re.compile(r"(?=([0-9a-f]{32}))")
"""Finds every place in a text that could be a caller's id, even if two places overlap."""


class BackendUids:
    """The uids of the team's own agents and avatars: whole numbers, separated by commas.

    Raises ValueError for a uid that could be a caller's. It also refuses 0, because any user may
    join with that uid.
    """

    def __init__(self, listed: str = "") -> None:
        self._uids = frozenset(int(uid) for uid in listed.split(",") if uid.strip())
        if not all(0 < uid < MIN_CALLER_UID for uid in self._uids):
            raise ValueError(f"Expected whole numbers from 1 to {MIN_CALLER_UID - 1}")

    def __contains__(self, uid: object) -> bool:
        return uid in self._uids


class AgoraSettings(Settings, frozen=True, kw_only=True):
    """Allow-lists: `AGORA_CHANNELS` (`{caller}` in it is the caller's id) and `AGORA_ROLES`.

    `AGORA_ALLOW_RTM`: whether a token may also log in to RTM. DANGER: in RTM a caller reaches every
    channel and every user of the App ID.
    `AGORA_BACKEND_UIDS`: uids that only a backend with `BACKEND_SCOPE` may ask for.
    `AGORA_CLIENT_FIELDS`: public settings that every response carries for the client.
    """

    agora_channels: AllowList = AllowList()
    agora_roles: AllowList = AllowList()
    agora_allow_rtm: bool = False
    agora_backend_uids: BackendUids = BackendUids()
    agora_client_fields: ClientFields = ClientFields()


type Channel = Annotated[
    str, msgspec.Meta(pattern=rf"\A[A-Za-z0-9 !#$%&()+\-:;<=.>?@\[\]^_{{}}|~,]{{1,{MAX_CHANNEL}}}\Z")
]


class TokenRequest(Body, frozen=True):
    """A mint. The user is the caller, under its own `uid` or its own `account` (a string).

    Without either, the response has the caller's uid. A backend may send a `uid` of
    AGORA_BACKEND_UIDS instead. The vendor ends a call when its token expires. To renew the token,
    send the same channel and uid again.
    """

    channel: Channel
    role: Role
    uid: Annotated[int, msgspec.Meta(ge=1, le=4_294_967_295)] | None = None
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=MAX_TTL)] = 3600
    rtm: bool = False

    def __post_init__(self) -> None:
        if self.uid is not None and self.account is not None:
            raise ValueError("Send `uid` or `account`, not both")


class ChannelToken(msgspec.Struct, frozen=True):
    """The fields for the client. The response also has this deployment's `AGORA_CLIENT_FIELDS`."""

    appId: str
    channel: str
    uid: int | str
    token: str


def public(fields: ClientFields) -> dict[str, str | int]:
    """AGORA_CLIENT_FIELDS for the response.

    A uid is a number there, because the clients' types ask for one. Any other id stays a string,
    even if it has digits only.
    """
    return {
        name: int(value) if name.endswith(("Uid", "_uid")) and value.isdecimal() else value
        for name, value in fields.members.items()
    }


vendor = Vendor("agora", AgoraSettings, AgoraKey)
settings = vendor.settings
PUBLIC = public(settings.agora_client_fields)


def for_backend(body: TokenRequest, caller: Caller) -> bool:
    """Whether the team's backend mints for one of the team's agents or avatars."""
    return caller.backend and body.uid in settings.agora_backend_uids


def joinable(channel: str) -> bool:
    """Whether any caller can join the channel.

    AGORA_CHANNELS must list it, possibly with a caller's id in place of `{caller}`.
    """
    lists = [settings.agora_channels, *map(settings.agora_channels.of, CALLER_ID.findall(channel))]
    return any(channel in listed for listed in lists)


def forbidden_fields(body: TokenRequest, caller: Caller) -> Iterator[FieldError]:
    """The fields that this deployment does not let the caller set.

    `user_of` checks the uid, because that needs the API key.
    """
    if for_backend(body, caller) and not joinable(body.channel):
        yield FieldError("channel", "No caller of this deployment can join this channel (AGORA_CHANNELS)")
    if body.rtm and not settings.agora_allow_rtm:
        yield FieldError("rtm", "This deployment does not offer RTM (AGORA_ALLOW_RTM)")
    if body.account not in {None, OWN, caller.id}:
        yield FieldError("account", "Must be your own account. Send `{caller}`; the response contains your account")
    if len(body.channel) > MAX_CHANNEL:
        yield FieldError(
            "channel", f"Longer than {MAX_CHANNEL} characters with your id in place of `{OWN}`. Send a shorter name"
        )


@vendor.route(
    Mint(
        body=TokenRequest,
        traits=CredentialTraits(ends_session=True, ttl="ttl_seconds"),
        allow={"channel": "agora_channels", "role": "agora_roles"},
        forbidden_fields=forbidden_fields,
        exempt=for_backend,
    ),
    "POST /v1/agora/tokens",
)
def mint(body: TokenRequest, request: Request[AgoraKey]) -> Credential[ChannelToken]:
    """Mints one token for one channel and one user in it."""
    user = user_of(body, request)
    issued = int(time())
    services = services_of(body, str(user))
    token = access_token(request.key, services, issued, body.ttl_seconds, 1 + secrets.randbelow(99_999_999))
    fields = ChannelToken(request.key.app_id, body.channel, user, token)
    return Credential(fields, token, datetime.fromtimestamp(issued + body.ttl_seconds, UTC), PUBLIC)


def user_of(body: TokenRequest, request: Request[AgoraKey]) -> int | str:
    """The caller's own account or uid, or the uid that a backend asks for.

    DANGER: a user who joins with another user's uid ends that user's call.
    """
    if body.account is not None:
        return request.caller.id
    if body.uid is not None and for_backend(body, request.caller):
        return body.uid
    caller_uid = uid_of(body.channel, request.caller.id, request.key)
    if body.uid not in {None, caller_uid}:
        raise not_allowed(
            [FieldError("uid", "This uid belongs to another caller. Omit it; the response contains yours")]
        )
    return caller_uid


def uid_of(channel: str, caller_id: str, key: AgoraKey) -> int:
    """The caller's uid in a channel, from MIN_CALLER_UID to 2^31 - 1.

    It depends on the App certificate, so that no caller can pick a `sub` that gets another's uid.
    """
    code = hmac.digest(key.app_certificate.encode(), f"uid {caller_id} {channel}".encode(), "sha256")
    return MIN_CALLER_UID | int.from_bytes(code[:4]) >> 2


def services_of(body: TokenRequest, user: str) -> Iterator[Service]:
    """The services of a token, in the order of their types.

    The user has the same name in all of them.
    """
    yield rtc(body.role, body.channel, user)
    if body.rtm:
        yield rtm(user)


vendor.cannot_revoke("POST /v1/agora/tokens/revoke", "token", timedelta(seconds=MAX_TTL))
handler = vendor.handler
