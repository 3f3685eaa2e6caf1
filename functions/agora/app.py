"""Agora: AccessToken2 (`007`) for RTC and RTM, signed here. Facts and sources: docs/vendors/agora.md."""

import base64
import hmac
import re
import secrets
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from struct import pack
from time import time
from typing import Annotated, Literal, NamedTuple

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.credentials import Credential, CredentialTraits
from minting.keys import Key
from minting.operations import Mint, Request
from minting.problems import FieldError, not_allowed
from minting.settings import OWN, AllowList, ClientFields, Settings
from minting.vendor import Vendor

RTC, RTM = 1, 2
"""Types of services. RTC's privileges: 1 join, 2 to 4 publish audio, video and data. RTM's: 1 log in."""

PRIVILEGES = {"publisher": (1, 2, 3, 4), "subscriber": (1,)}
LOGIN = (1,)

MAX_CHANNEL = 63
MAX_TTL = 86_400
"""Seconds; the vendor takes no longer ones."""

LEAST_OWN = 1 << 30
"""Callers' own uids begin here. 30 more bits still fit a signed integer of 32; smaller uids stay free for the team."""

CALLER_ID = re.compile(r"(?=([0-9a-f]{32}))")
"""Every place in a text where a caller's id can be, places that overlap included."""


class BackendUids:
    """Uids of the team's own agents and avatars: whole numbers with commas between.

    Raises ValueError for one that could be a caller's own, and for 0, with which anyone may join.
    """

    def __init__(self, listed: str = "") -> None:
        self._uids = frozenset(int(uid) for uid in listed.split(",") if uid.strip())
        if not all(0 < uid < LEAST_OWN for uid in self._uids):
            raise ValueError(f"Expected whole numbers from 1 to {LEAST_OWN - 1}")

    def __contains__(self, uid: object) -> bool:
        return uid in self._uids


class AgoraSettings(Settings, frozen=True, kw_only=True):
    """Allow-lists: `AGORA_CHANNELS` (`{caller}` is the caller's own) and `AGORA_ROLES`.

    `AGORA_ALLOW_RTM`: whether tokens may log in to RTM too; there a caller reaches every channel and user of the App ID.
    `AGORA_BACKEND_UIDS`: uids that a backend with `BACKEND_SCOPE` may ask for, and nobody else.
    """

    agora_channels: AllowList = AllowList()
    agora_roles: AllowList = AllowList()
    agora_allow_rtm: bool = False
    agora_backend_uids: BackendUids = BackendUids()
    agora_client_fields: ClientFields = ClientFields()


type Hexadecimal = Annotated[str, msgspec.Meta(pattern=r"\A\s*[0-9a-fA-F]{32}\s*\Z")]


class AgoraKey(Key, frozen=True):
    """The vendor's secret. The App ID alone is public."""

    app_id: Hexadecimal
    app_certificate: Hexadecimal

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            msgspec.structs.force_setattr(self, name, getattr(self, name).strip())


type Channel = Annotated[
    str, msgspec.Meta(pattern=rf"\A[A-Za-z0-9 !#$%&()+\-:;<=.>?@\[\]^_{{}}|~,]{{1,{MAX_CHANNEL}}}\Z")
]


class TokenRequest(Body, frozen=True):
    """`uid` and `account` are the caller's own. Without either it is a uid; with `account` it is a text.

    A backend may send a `uid` of AGORA_BACKEND_UIDS instead. To renew, ask again for the same channel and uid: the vendor
    ends a call when its token expires.
    """

    channel: Channel
    role: Literal["publisher", "subscriber"]
    uid: Annotated[int, msgspec.Meta(ge=1, le=4_294_967_295)] | None = None
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=MAX_TTL)] = 3600
    rtm: bool = False

    def __post_init__(self) -> None:
        if self.uid is not None and self.account is not None:
            raise ValueError("Send `uid` or `account`, not both")


class ChannelToken(msgspec.Struct, frozen=True):
    """What the client takes, beside this deployment's own `AGORA_CLIENT_FIELDS`."""

    appId: str
    channel: str
    uid: int | str
    token: str


class Service(NamedTuple):
    """What a token is good for: privileges, and the names they are bound to."""

    kind: int
    privileges: tuple[int, ...]
    names: tuple[str, ...]

    def packed(self, seconds: int) -> bytes:
        """Each privilege ends with the token."""
        privileges = b"".join(pack("<HI", privilege, seconds) for privilege in self.privileges)
        return pack("<HH", self.kind, len(self.privileges)) + privileges + b"".join(map(text, self.names))


def public(fields: ClientFields) -> dict[str, str | int]:
    """The team's fields for the client. A uid is a number, because clients' types want it so; an id of digits is a text."""
    return {
        name: int(value) if name.endswith(("Uid", "_uid")) and value.isdecimal() else value
        for name, value in fields.members.items()
    }


vendor = Vendor("agora", AgoraSettings, AgoraKey)
settings = vendor.settings
PUBLIC = public(settings.agora_client_fields)


def for_backend(body: TokenRequest, caller: Caller) -> bool:
    """Whether the team's own backend asks for one of its agents or avatars."""
    return caller.backend and body.uid in settings.agora_backend_uids


def joinable(channel: str) -> bool:
    """Whether some caller can join it: it is listed, perhaps with that caller's id in the place of `{caller}`."""
    lists = [settings.agora_channels, *map(settings.agora_channels.of, CALLER_ID.findall(channel))]
    return any(channel in listed for listed in lists)


def permit(body: TokenRequest, caller: Caller) -> Iterator[FieldError]:
    """What this deployment does not let the caller have, but for the uid, which takes the key to tell."""
    if for_backend(body, caller) and not joinable(body.channel):
        yield FieldError("channel", "No caller of this deployment can join it (AGORA_CHANNELS)")
    if body.rtm and not settings.agora_allow_rtm:
        yield FieldError("rtm", "Not offered by this deployment (AGORA_ALLOW_RTM)")
    if body.account not in {None, OWN, caller.id}:
        yield FieldError("account", "Not yours. Ask for `{caller}`: the answer's uid is yours")
    if len(body.channel) > MAX_CHANNEL:
        yield FieldError("channel", f"Longer than {MAX_CHANNEL} characters with your id in the place of `{OWN}`")


@vendor.route(
    Mint(
        body=TokenRequest,
        traits=CredentialTraits(ends_session=True, ttl="ttl_seconds"),
        allow={"channel": "agora_channels", "role": "agora_roles"},
        forbidden_fields=permit,
        exempt=for_backend,
    ),
    "POST /v1/agora/tokens",
)
def mint(body: TokenRequest, request: Request[AgoraKey]) -> Credential[ChannelToken]:
    """One token for one channel and one user in it."""
    user = user_of(body, request)
    issued = int(time())
    services = services_of(body, str(user))
    token = access_token(request.key, services, issued, body.ttl_seconds, 1 + secrets.randbelow(99_999_999))
    fields = ChannelToken(request.key.app_id, body.channel, user, token)
    return Credential(fields, token, datetime.fromtimestamp(issued + body.ttl_seconds, UTC), PUBLIC)


def user_of(body: TokenRequest, request: Request[AgoraKey]) -> int | str:
    """The caller's own account or uid, or the backend's. A user who joins with the uid of another puts that one out."""
    if body.account is not None:
        return request.caller.id
    if body.uid is not None and for_backend(body, request.caller):
        return body.uid
    own = uid_of(body.channel, request.caller.id, request.key)
    if body.uid not in {None, own}:
        raise not_allowed([FieldError("uid", "Not yours in this channel. Send none: the answer's uid is yours")])
    return own


def uid_of(channel: str, caller_id: str, key: AgoraKey) -> int:
    """LEAST_OWN to 2^31 - 1. It is keyed, so that nobody can pick a `sub` that gets another's uid."""
    code = hmac.digest(key.app_certificate.encode(), f"uid {caller_id} {channel}".encode(), "sha256")
    return LEAST_OWN | int.from_bytes(code[:4]) >> 2


def services_of(body: TokenRequest, user: str) -> Iterator[Service]:
    """In the order of their types, as the format wants them. The user has one name in all of them."""
    yield Service(RTC, PRIVILEGES[body.role], (body.channel, user))
    if body.rtm:
        yield Service(RTM, LOGIN, (user,))


def access_token(key: AgoraKey, services: Iterator[Service], issued: int, seconds: int, salt: int) -> str:
    """AccessToken2. `issued` is in Unix seconds; all else that ends does so `seconds` later."""
    packed = [service.packed(seconds) for service in services]
    info = text(key.app_id) + pack("<IIIH", issued, seconds, salt, len(packed)) + b"".join(packed)
    signing_key = key.app_certificate.encode()
    for number in (issued, salt):
        signing_key = hmac.digest(pack("<I", number), signing_key, "sha256")
    signature = hmac.digest(signing_key, info, "sha256")
    return "007" + base64.b64encode(zlib.compress(pack("<H", len(signature)) + signature + info)).decode()


def text(value: str) -> bytes:
    """Its length, then its bytes."""
    return pack("<H", len(value)) + value.encode("ascii")


vendor.cannot_revoke("POST /v1/agora/tokens/revoke", "token", timedelta(seconds=MAX_TTL))
handler = vendor.handler
