"""What Agora's tests share: requests, and the content of a token."""

import base64
import warnings
import zlib
from struct import unpack_from
from typing import TYPE_CHECKING, Any, NamedTuple

from local.parameters import PAIRS
from tests.functions.contract import Minted

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer

with warnings.catch_warnings(action="ignore"):  # it warns of parts of its own that are not used here
    from agoraiotools.AccessToken2 import AccessToken2, ServiceRtc, ServiceRtm  # type: ignore[import-untyped]

APP_ID, CERTIFICATE = PAIRS["agora"].values()
PUBLISHER, SUBSCRIBER, LOGIN = (1, 2, 3, 4), (1,), (1,)
"""The privileges of a publisher and of a subscriber in RTC, and of a user in RTM."""

SCOPE = "mint:on-behalf"
"""The scope of the team's own backend."""


class Read(NamedTuple):
    """A token's content. services: type -> its privileges, each with its seconds, and its names."""

    app_id: str
    issued: int
    seconds: int
    salt: int
    services: dict[int, tuple[dict[int, int], list[str]]]


NAMES = {1: 2, 2: 1}
"""How many names a service of each type has."""


class Bytes:
    """Bytes that are not read yet. Numbers are little-endian."""

    def __init__(self, raw: bytes) -> None:
        self.left = raw

    def number(self, code: str) -> int:
        (value,) = unpack_from(f"<{code}", self.left)
        self.left = self.left[{"H": 2, "I": 4}[code] :]
        return int(value)

    def text(self) -> bytes:
        size = self.number("H")
        value, self.left = self.left[:size], self.left[size:]
        return value


def unpacked(token: str) -> bytes:
    assert token.startswith("007")
    return zlib.decompress(base64.b64decode(token.removeprefix("007"), validate=True))


def read(token: str) -> Read:
    """Reads a token by the description of its format, without the function's code."""
    raw = Bytes(unpacked(token))
    assert len(raw.text()) == 32
    head = raw.text().decode(), raw.number("I"), raw.number("I"), raw.number("I")
    services = {}
    for _ in range(raw.number("H")):
        kind = raw.number("H")
        privileges = {raw.number("H"): raw.number("I") for _ in range(raw.number("H"))}
        services[kind] = privileges, [raw.text().decode() for _ in range(NAMES[kind])]
    assert raw.left == b""
    return Read(*head, services)


def rebuilt(held: Read, certificate: str = CERTIFICATE) -> bytes:
    """The same token as the vendor's own code makes it, decompressed."""
    token = AccessToken2(held.app_id, certificate, held.issued, held.seconds)
    token._AccessToken__salt = held.salt
    for kind, (privileges, names) in held.services.items():
        service = {1: ServiceRtc, 2: ServiceRtm}[kind](*names)
        for privilege, seconds in privileges.items():
            service.add_privilege(privilege, seconds)
        token.add_service(service)
    return unpacked(token.build())


def token_of(mint: Minted) -> Read:
    """The token of a response. It agrees with the response and with the vendor's own code."""
    held = read(mint.fields["token"])
    assert rebuilt(held) == unpacked(mint.fields["token"])
    assert held.app_id == mint.fields["appId"] == APP_ID
    _, names = held.services[1]
    assert names == [mint.fields["channel"], str(mint.fields["uid"])]
    return held


def ask(agora: Any, sub: str = "alice", /, **fields: Any) -> "Answer":
    answer: Answer = agora.ask("agora-mint", {"channel": "{caller}", "role": "publisher"} | fields, sub=sub)
    return answer


def ask_as_backend(agora: Any, bundle: "Bundle", /, *, user: str = "", scope: str = SCOPE, **fields: Any) -> "Answer":
    """Asks as the team's own server, for a user if one is named."""
    event = bundle.event("agora-mint", body={"channel": "{caller}", "role": "publisher"} | fields, sub="server")
    event["requestContext"]["authorizer"]["jwt"]["claims"]["scope"] = scope
    event["headers"] |= {"mint-on-behalf-of": user} if user else {}
    answer: Answer = agora.send(event)
    return answer
