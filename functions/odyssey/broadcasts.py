"""Broadcasts: a session's host stores one here, and viewers fetch it.

No call to the vendor returns a spectator token. The host's client receives it over its connection.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.credentials import Credential, rfc3339
from minting.operations import Operation, Request
from minting.owners import token_resource
from minting.problems import FieldError
from minting.store import ID, SealedStore

from .service import BROADCASTS, settings, vendor

CONNECTED_SECONDS = 3600
"""The longest connection of a host, and so the longest broadcast."""

URL = r"\A(?:https|wss)://((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{1,63}(?::[0-9]{1,5})?)(?:[/?][\x21-\x7e]*)?\Z"
"""Its group is the host, with the port if there is one."""

HOST_NOT_ALLOWED = (
    "This deployment does not allow that host. Its team must add it to "
    "the parameter OdysseyBroadcastHosts (ODYSSEY_BROADCAST_HOSTS)"
)
"""The message names the parameter, because its default is an assumption.

The vendor documents no broadcast host.
"""

type Url = Annotated[str, msgspec.Meta(max_length=2048, pattern=URL)]


class Spectator(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields for a viewer's client.

    The token's lifetime is not documented. We assume that it lasts as long as the broadcast.
    """

    webrtc_url: str
    spectator_token: str
    hls_url: str | None = None


class BroadcastRequest(Body, frozen=True):
    """What the host's client received with `broadcast_ready`.

    `viewers`: how many callers may watch. `ttl_seconds`: how long the broadcast is stored.
    """

    webrtc_url: Url
    spectator_token: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,4096}\Z")]
    hls_url: Url | None = None
    viewers: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=CONNECTED_SECONDS)] = CONNECTED_SECONDS


class Broadcast(msgspec.Struct, frozen=True):
    """What the host's client passes to viewers. Every signed-in caller who has the id may watch."""

    id: str
    expires_at: str


class BroadcastPath(Body, frozen=True):
    """The id of a broadcast, in the path."""

    id: Annotated[str, msgspec.Meta(pattern=ID)]


broadcasts = SealedStore(vendor.table, "broadcast", Spectator)


def forbidden_hosts(body: BroadcastRequest, _: Caller) -> Iterator[FieldError]:
    """The URLs with a host that is not the vendor's. It would get the viewers and their tokens."""
    for field in ("webrtc_url", "hls_url"):
        match = re.match(URL, getattr(body, field) or "")
        if match and not is_vendors(match[1].lower().removesuffix(":443")):
            yield FieldError(field, HOST_NOT_ALLOWED)


def is_vendors(host: str) -> bool:
    """Whether a host (with its port, if it is not 443) is listed, or is below a listed name."""
    parents = (host[place:] for place, character in enumerate(host) if character == ".")
    return any(name in settings.odyssey_broadcast_hosts for name in (host, *parents))


def token_of(body: BroadcastRequest) -> str:
    """The spectator token as a resource.

    So the records of a leaked token show who registered it and who has read it.
    """
    return token_resource(body.spectator_token)


def broadcast_of(body: BroadcastPath) -> str:
    """The broadcast as a resource, which only its owner may end. It does not reveal the id."""
    return broadcasts.resource(body.id)


@vendor.route(
    Operation(
        body=BroadcastRequest,
        outcome="registered",
        status=201,
        forbidden_fields=forbidden_hosts,
        resource=token_of,
        budget=BROADCASTS,
        needs_key=False,
    ),
    "POST /v1/odyssey/broadcasts",
)
def register(body: BroadcastRequest, request: Request[None]) -> Broadcast:
    """Stores a broadcast for its viewers, until its host ends it or it expires."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=body.ttl_seconds)
    spectator = Spectator(body.webrtc_url, body.spectator_token, body.hls_url)
    broadcast_id = broadcasts.put(spectator, request.caller, int(ends.timestamp()), body.viewers, request.deadline)
    return Broadcast(broadcast_id, rfc3339(ends))


@vendor.route(
    Operation(body=BroadcastPath, outcome="watched", resource=broadcast_of, needs_key=False),
    "GET /v1/odyssey/broadcasts/{id}",
)
def watch(body: BroadcastPath, request: Request[None]) -> Credential[Spectator]:
    """Returns a broadcast as its host registered it, to any caller who knows its id."""
    spectator = broadcasts.get(body.id, request.caller, request.deadline)
    return Credential(spectator, spectator.spectator_token, None)


@vendor.route(
    Operation(body=BroadcastPath, outcome="ended", status=204, resource=broadcast_of, owner_only=True, needs_key=False),
    "DELETE /v1/odyssey/broadcasts/{id}",
)
def end(body: BroadcastPath, request: Request[None]) -> None:
    """Ends a broadcast, so that nobody can read it any more.

    Viewers who have read it can watch until the host's stream ends.
    """
    broadcasts.delete(body.id, request.deadline)
