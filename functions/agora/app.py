"""Agora: AccessToken2 (`007`) for RTC and RTM, signed here. Facts and sources: docs/vendors/agora.md."""

import base64
import hmac
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
from minting.credentials import Credential, Facts
from minting.keys import Key
from minting.problems import FieldError, not_allowed
from minting.settings import OWN, AllowList, Settings
from minting.vendor import Call, Vendor

RTC, RTM = 1, 2
"""Types of services. RTC's privileges: 1 join, 2 to 4 publish audio, video and data. RTM's: 1 log in."""

PRIVILEGES = {"publisher": (1, 2, 3, 4), "subscriber": (1,)}
LOGIN = (1,)

LONGEST_CHANNEL = 63
LONGEST = 86_400
"""Seconds; the vendor takes no longer ones."""


class AgoraSettings(Settings, frozen=True, kw_only=True):
    """Allow-lists: `AGORA_CHANNELS` (`{caller}` is the caller's own) and `AGORA_ROLES`.

    `AGORA_ALLOW_RTM`: whether tokens may log in to RTM too; there a caller reaches every channel and user of the App ID.
    """

    agora_channels: AllowList = AllowList()
    agora_roles: AllowList = AllowList()
    agora_allow_rtm: bool = False


type Hexadecimal = Annotated[str, msgspec.Meta(pattern=r"\A\s*[0-9a-fA-F]{32}\s*\Z")]


class AgoraKey(Key, frozen=True):
    """The vendor's secret. The App ID alone is public."""

    app_id: Hexadecimal
    app_certificate: Hexadecimal

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            msgspec.structs.force_setattr(self, name, getattr(self, name).strip())


type Channel = Annotated[
    str, msgspec.Meta(pattern=rf"\A[A-Za-z0-9 !#$%&()+\-:;<=.>?@\[\]^_{{}}|~,]{{1,{LONGEST_CHANNEL}}}\Z")
]


class TokenRequest(Body, frozen=True):
    """`uid` and `account` are the caller's own or nobody's. Without either it is a uid; with `account` it is a text.

    A token for the same channel, asked for again, renews: the vendor ends a call when its token expires.
    """

    channel: Channel
    role: Literal["publisher", "subscriber"]
    uid: Annotated[int, msgspec.Meta(ge=1, le=4_294_967_295)] | None = None
    account: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=LONGEST)] = 3600
    rtm: bool = False

    def __post_init__(self) -> None:
        if self.uid is not None and self.account is not None:
            raise ValueError("Send `uid` or `account`, not both")


class ChannelToken(msgspec.Struct, frozen=True):
    """What the client takes."""

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


vendor = Vendor("agora", AgoraSettings, AgoraKey)
settings = vendor.settings


def permit(request: TokenRequest, caller: Caller) -> Iterator[FieldError]:
    """What is not the caller's, or nobody's in this deployment."""
    if request.rtm and not settings.agora_allow_rtm:
        yield FieldError("rtm", "Not offered by this deployment (AGORA_ALLOW_RTM)")
    if request.account not in {None, OWN, caller.id}:
        yield FieldError("account", "Not yours. Ask for `{caller}`: the answer's uid is yours")
    if len(request.channel) > LONGEST_CHANNEL:
        yield FieldError("channel", f"Longer than {LONGEST_CHANNEL} characters with your id in the place of `{OWN}`")


@vendor.mints(
    "POST /v1/agora/tokens",
    body=TokenRequest,
    facts=Facts(ends_session=True, ttl="ttl_seconds"),
    choices={"channel": "agora_channels", "role": "agora_roles"},
    permit=permit,
)
def mint(request: TokenRequest, call: Call[AgoraKey]) -> Credential[ChannelToken]:
    """One token for one channel and one user in it."""
    user = user_of(request, call)
    issued = int(time())
    services = services_of(request, str(user))
    token = access_token(call.key, services, issued, request.ttl_seconds, 1 + secrets.randbelow(99_999_999))
    body = ChannelToken(call.key.app_id, request.channel, user, token)
    return Credential(body, token, datetime.fromtimestamp(issued + request.ttl_seconds, UTC))


def user_of(request: TokenRequest, call: Call[AgoraKey]) -> int | str:
    """The caller's own account or uid. Whoever joins with the uid of another puts that one out of the channel."""
    if request.account is not None:
        return call.caller.id
    own = uid_of(request.channel, call.caller.id, call.key)
    if request.uid not in {None, own}:
        raise not_allowed([FieldError("uid", "Not yours in this channel. Send none: the answer's uid is yours")])
    return own


def uid_of(channel: str, caller_id: str, key: AgoraKey) -> int:
    """2^30 to 2^31 - 1: fits a signed integer of 32 bits, and leaves small numbers to the team's own agents.

    It is keyed, so that nobody who picks their own `sub` can pick one that gets another's uid.
    """
    code = hmac.digest(key.app_certificate.encode(), f"uid {caller_id} {channel}".encode(), "sha256")
    return 1 << 30 | int.from_bytes(code[:4]) >> 2


def services_of(request: TokenRequest, user: str) -> Iterator[Service]:
    """In the order of their types, as the format wants them. The user has one name in all of them."""
    yield Service(RTC, PRIVILEGES[request.role], (request.channel, user))
    if request.rtm:
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


vendor.cannot_revoke("POST /v1/agora/tokens/revoke", "token", timedelta(seconds=LONGEST))
handler = vendor.handler
