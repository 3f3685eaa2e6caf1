"""Agora's AccessToken2 (`007`): what it holds, its bytes, and the key that signs it.

Facts and sources: docs/vendors/agora.md.
"""

import base64
import hmac
import zlib
from collections.abc import Iterable
from struct import pack
from typing import Annotated, Literal, NamedTuple

import msgspec

from minting.keys import Key

RTC, RTM = 1, 2
"""The types of services.

RTC has the privileges 1 (join) and 2 to 4 (publish audio, video and data). RTM has 1 (log in).
"""

type Role = Literal["publisher", "subscriber"]

PRIVILEGES: dict[Role, tuple[int, ...]] = {"publisher": (1, 2, 3, 4), "subscriber": (1,)}
LOGIN = (1,)

type Hexadecimal = Annotated[str, msgspec.Meta(pattern=r"\A\s*[0-9a-fA-F]{32}\s*\Z")]


class AgoraKey(Key, frozen=True):
    """The vendor's secret. The App ID alone is public."""

    app_id: Hexadecimal
    app_certificate: Hexadecimal

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            msgspec.structs.force_setattr(self, name, getattr(self, name).strip())


class Service(NamedTuple):
    """One service in a token: its type, its privileges, and the names that they are bound to."""

    kind: int
    privileges: tuple[int, ...]
    names: tuple[str, ...]

    def packed(self, seconds: int) -> bytes:
        """The bytes of the service. Each privilege ends with the token."""
        privileges = b"".join(pack("<HI", privilege, seconds) for privilege in self.privileges)
        return pack("<HH", self.kind, len(self.privileges)) + privileges + b"".join(map(text, self.names))


def rtc(role: Role, channel: str, user: str) -> Service:
    """Lets a user join a channel, and publish in it as a publisher."""
    return Service(RTC, PRIVILEGES[role], (channel, user))


def rtm(user: str) -> Service:
    """Lets a user log in to RTM."""
    return Service(RTM, LOGIN, (user,))


def access_token(key: AgoraKey, services: Iterable[Service], issued: int, seconds: int, salt: int) -> str:
    """A token that ends `seconds` after `issued` (Unix seconds), with all its privileges.

    The format requires the services in the order of their types.
    """
    packed = [service.packed(seconds) for service in services]
    info = text(key.app_id) + pack("<IIIH", issued, seconds, salt, len(packed)) + b"".join(packed)
    signing_key = key.app_certificate.encode()
    for number in (issued, salt):
        signing_key = hmac.digest(pack("<I", number), signing_key, "sha256")
    signature = hmac.digest(signing_key, info, "sha256")
    return "007" + base64.b64encode(zlib.compress(pack("<H", len(signature)) + signature + info)).decode()


def text(value: str) -> bytes:
    """A string in the token's format: its length, then its bytes."""
    return pack("<H", len(value)) + value.encode("ascii")
