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

from minting import AllowList, Body, Call, Credential, Facts, Key, Problem, Settings, Vendor, digest, not_revocable

RTC, RTM = 1, 2
"""Types of services. RTC's privileges: 1 join, 2 to 4 publish audio, video and data. RTM's: 1 log in."""

PRIVILEGES = {"publisher": (1, 2, 3, 4), "subscriber": (1,)}
LOGIN = (1,)

OWN_ACCOUNT = AllowList("{caller}")

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


class RevokeRequest(Body, frozen=True):
    """The credential that should end."""

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


def permit(request: TokenRequest) -> None:
    """Raises `not_allowed` for what no caller of this deployment may have."""
    if request.role not in settings.agora_roles:
        raise Problem("not_allowed", "This deployment does not offer that role (AgoraRoles).")
    if request.rtm and not settings.agora_allow_rtm:
        raise Problem("not_allowed", "This deployment does not offer rtm (AgoraAllowRtm).")


@vendor.mints("POST /v1/agora/tokens", body=TokenRequest, facts=Facts(), permit=permit)
def mint(request: TokenRequest, call: Call[AgoraKey]) -> Credential:
    """One token for one channel and one user in it."""
    caller_id = digest(call.caller)[:32]
    channel = channel_of(request.channel, caller_id)
    user = user_of(request, channel, caller_id, call.key)
    issued = int(time())
    services = services_of(request, channel, str(user))
    token = access_token(call.key, services, issued, request.ttl_seconds, 1 + secrets.randbelow(99_999_999))
    body = {"appId": call.key.app_id, "channel": channel, "uid": user, "token": token}
    return Credential(body, token, datetime.fromtimestamp(issued + request.ttl_seconds, UTC))


def channel_of(asked: str, caller_id: str) -> str:
    """The channel, if it is listed and, with the caller's id in it, not too long."""
    channel = settings.agora_channels.chosen(asked, caller_id)
    if channel is None or len(channel) > LONGEST_CHANNEL:
        raise Problem("not_allowed", "This deployment does not offer you that channel (AgoraChannels).")
    return channel


def user_of(request: TokenRequest, channel: str, caller_id: str, key: AgoraKey) -> int | str:
    """The caller's own account or uid. Whoever joins with the uid of another puts that one out of the channel."""
    if request.account is not None:
        account = OWN_ACCOUNT.chosen(request.account, caller_id)
        if account is None:
            raise Problem("not_allowed", "That account is not yours. Ask for `{caller}`: the answer's uid is yours.")
        return account
    own = uid_of(channel, caller_id, key)
    if request.uid not in {None, own}:
        raise Problem("not_allowed", "That uid is not yours in this channel. Send none: the answer's uid is yours.")
    return own


def uid_of(channel: str, caller_id: str, key: AgoraKey) -> int:
    """2^30 to 2^31 - 1: fits a signed integer of 32 bits, and leaves small numbers to the team's own agents.

    It is keyed, so that nobody who picks their own `sub` can pick one that gets another's uid.
    """
    code = hmac.digest(key.app_certificate.encode(), f"uid {caller_id} {channel}".encode(), "sha256")
    return 1 << 30 | int.from_bytes(code[:4]) >> 2


def services_of(request: TokenRequest, channel: str, user: str) -> Iterator[Service]:
    """In the order of their types, as the format wants them. The user has one name in all of them."""
    yield Service(RTC, PRIVILEGES[request.role], (channel, user))
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


@vendor.serves("POST /v1/agora/tokens/revoke", body=RevokeRequest)
def revoke(_: RevokeRequest, __: Call[AgoraKey]) -> None:
    """Nothing is kept by the vendor that could end."""
    raise not_revocable(timedelta(seconds=LONGEST))


handler = vendor.handler
