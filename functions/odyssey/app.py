"""Odyssey: client credentials, each for a session that takes a slot, and a store for broadcasts.

Facts and sources: docs/vendors/odyssey.md.
"""

import base64
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Annotated, Any, NamedTuple

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.claims import SlotLimits
from minting.credentials import Credential, CredentialTraits, rfc3339
from minting.keys import ApiKey
from minting.operations import Operation, Request, SessionMint
from minting.owners import fingerprint, token_resource
from minting.problems import FieldError, Problem
from minting.replies import Interpret, Reply, interpret_status, key_rejected, malformed, resource_refused
from minting.settings import AllowList, Settings
from minting.store import ID, SealedStore
from minting.upstream import Upstream
from minting.vendor import Vendor

POLL_SECONDS = 1.0
"""How long the vendor's own SDK waits before it asks again for a free streamer."""

RENEW_SECONDS = 60
"""How long before its expiry the vendor's own SDK replaces an access token."""

IDLE_SECONDS = 15 * 60
"""The vendor ends a session without a client after this time, and frees its slot.

It does not tell us when a client disconnects.
"""

SLOT_RETRY_SECONDS = 5
"""The `retry_after` if the vendor gives none. Its queue moves within seconds."""

DAY = 86_400
"""The longest time, in seconds, that we accept in a reply of the vendor's."""

TOKEN_SECONDS = 600
"""The lifetime of the vendor's session tokens. Its end stops new connections only."""

CONNECTED_SECONDS = 3600
"""The longest connection of a host, and so the longest broadcast."""


class OdysseySettings(Settings, frozen=True, kw_only=True):
    """`ODYSSEY_API_URL`: where the vendor's API is.

    `ODYSSEY_SLOTS`, `ODYSSEY_SLOTS_PER_CALLER`: how many sessions may be live, in total and for one
    caller.
    `ODYSSEY_QUEUE_SECONDS`: how long a mint waits for a free streamer before it fails
    (`no_capacity`).
    `ODYSSEY_BROADCAST_HOSTS`: the hosts that broadcasts may have, with the port unless it is 443.
    `.name` in it stands for all hosts below `name`.
    """

    odyssey_api_url: str = "https://api.odyssey.ml"
    odyssey_queue_seconds: Annotated[float, msgspec.Meta(ge=0, le=15)] = 5.0
    odyssey_slots: Annotated[int, msgspec.Meta(ge=1)] = 5
    odyssey_slots_per_caller: Annotated[int, msgspec.Meta(ge=1)] = 2
    odyssey_broadcast_hosts: AllowList = AllowList()


type RegionId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
type Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=60_000)]


class MintRequest(Body, frozen=True):
    """A mint. `region_latencies`: what the client has measured.

    Our own measurements would rank the regions for this function and not for the client.
    """

    region_latencies: Annotated[dict[RegionId, Milliseconds], msgspec.Meta(max_length=32)] | None = None


class Access(msgspec.Struct, frozen=True):
    """The reply to call 1. The default of `expires_in` is that of the vendor's Python SDK."""

    access_token: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]+\Z")]
    expires_in: Annotated[int, msgspec.Meta(le=DAY)] = 3600


class SessionReply(msgspec.Struct, frozen=True):
    """The reply to call 3. The session now has a slot. `signalling_url` has two l's here."""

    session_id: Annotated[str, msgspec.Meta(min_length=1)]
    signalling_url: Annotated[str, msgspec.Meta(min_length=1)]
    capabilities: Any = None


class Capabilities(msgspec.Struct, frozen=True):
    """The one capability that both of the vendor's SDKs know."""

    image_to_video: bool


class ClientCredentials(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields for the client, as the SDK's loader expects them.

    `signaling_url` has one l here.
    """

    session_id: str
    signaling_url: str
    session_token: str
    expires_in: int
    capabilities: Capabilities | None = None


class Session(msgspec.Struct, frozen=True):
    """What the table stores of a session until its end. It holds no credential."""

    session_id: str
    signalling_url: str
    image_to_video: bool | None


class SessionToken(msgspec.Struct, frozen=True):
    """The reply to call 4. The vendor's SDKs accept a JWT only: three parts in base64url."""

    session_token: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")]
    expires_in: Annotated[int, msgspec.Meta(gt=0, le=DAY)] = TOKEN_SECONDS

    def session_id(self) -> str | None:
        """The session that this token opens. None if the vendor's SDKs find none in it."""
        payload = self.session_token.split(".")[1]
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=="), type=Claims).session_id
        except (ValueError, RecursionError):
            return None


class Claims(msgspec.Struct, frozen=True):
    """The claims of a session token that the vendor's SDKs read."""

    session_id: str


class NoSlot(Problem):
    """No streamer is free. We assume that no slot was taken, because the vendor does not say."""


class StaleAccess(Problem):
    """The vendor rejects an access token that should still be valid."""


class Limit(NamedTuple):
    """The meaning of one of the vendor's 429 codes. `operator_only`: only the operator can help."""

    code: str
    detail: str
    operator_only: bool = False


LIMITS = {
    "CONCURRENT_LIMIT_REACHED": Limit("no_capacity", "All sessions of the vendor's plan are in use. Try again later."),
    "MONTHLY_LIMIT_REACHED": Limit(
        "no_capacity",
        "The hours of the vendor's plan for this month are used up. The operator can extend the plan.",
        operator_only=True,
    ),
    "STREAM_DURATION_EXCEEDED": Limit(
        "vendor_error",
        "The vendor's plan does not allow streams of that length. The operator must change the plan.",
        operator_only=True,
    ),
    "ACCOUNT_SUSPENDED": Limit(
        "vendor_error",
        "The vendor has suspended this deployment's account. The operator must contact the vendor.",
        operator_only=True,
    ),
    "RATE_LIMITED": Limit("vendor_busy", "The vendor limits our rate. Try again later."),
}


def interpret_sign_in_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to call 1. 422 means that the key has the wrong form."""
    return key_rejected(reply.status) if reply.status == 422 else interpret_status(reply)


def interpret_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to call 3 or 4. 401 is about the access token, 429 about a limit."""
    match reply.status:
        case 401:
            return StaleAccess(
                "vendor_error", "The vendor rejects the access token that it has issued.", vendor_status=401
            )
        case 429:
            return limit_reached(reply)
    return interpret_status(reply)


def interpret_token_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to call 4. We assume that a 403 is about the session that it names."""
    return resource_refused(403) if reply.status == 403 else interpret_reply(reply)


def interpret_session_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to call 3. 503 means that no streamer is free yet.

    After any other 5xx the vendor may have taken a slot.
    """
    if reply.status != 503:
        problem = interpret_reply(reply)
        if problem:
            problem.ambiguous = reply.status >= 500
        return problem
    wait = reply.retry_after() or SLOT_RETRY_SECONDS
    return NoSlot(
        "no_capacity", "The vendor has no free streamer. Try again shortly.", vendor_status=503, retry_after=wait
    )


def limit_reached(reply: Reply) -> Problem | None:
    """Interprets a 429 by its code.

    The code is in `error` or, in the older form, in `code`. Both can be inside `detail`.
    """
    answer = reply.json()
    detail = answer.get("detail", answer) if isinstance(answer, dict) else None
    match detail:
        case {"error": str(code)} | {"code": str(code)} if code in LIMITS:
            limit = LIMITS[code]
        case _:
            return interpret_status(reply)
    if limit.operator_only:
        return Problem(limit.code, limit.detail, vendor_status=429, vendor_code=code, fault="operator", retryable=False)
    wait = rate_limit_wait(detail) or reply.retry_after() or SLOT_RETRY_SECONDS
    return Problem(limit.code, limit.detail, vendor_status=429, vendor_code=code, retry_after=wait)


def rate_limit_wait(detail: Any) -> int | None:
    """The seconds to wait, from a RATE_LIMITED error. None if it has none."""
    match detail:
        case {"details": {"retry_after_seconds": int(seconds) | float(seconds)}} if (
            type(seconds) is not bool and seconds > 0
        ):
            return math.ceil(min(seconds, DAY))
    return None


vendor = Vendor("odyssey", OdysseySettings, ApiKey)
# Calls 1 and 4 may be retried. Call 3 may not, because each one that arrives takes another slot.
# Call 4 is also retried after a 500, because its session has a slot already.
api = Upstream(
    vendor.settings.odyssey_api_url,
    repeatable=["auth/token", "sessions/token"],
    repeat_after={"sessions/token": {500}},
    interpret=interpret_reply,
)


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


def ask[T](
    path: str,
    shape: type[T],
    body: dict[str, Any],
    request: Request[ApiKey],
    interpret: Interpret = interpret_reply,
) -> T:
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


def take_slot(body: MintRequest, request: Request[ApiKey]) -> Session:
    """Opens a session. Raises NoSlot if no streamer is free within ODYSSEY_QUEUE_SECONDS."""
    wanted = {"region_latencies": body.region_latencies} if body.region_latencies else {}
    give_up = monotonic() + vendor.settings.odyssey_queue_seconds
    while True:
        try:
            return session_from(ask("sessions/request", SessionReply, wanted, request, interpret_session_reply))
        except NoSlot:
            if monotonic() + POLL_SECONDS > give_up:
                raise
            sleep(POLL_SECONDS)


class ReleaseRequest(Body, frozen=True):
    """The session that the client has left."""

    session_id: Annotated[str, msgspec.Meta(min_length=1)]


def slot_of(session: Session | ReleaseRequest) -> str:
    """The name of a session's slot in the table: a hash, because an id may have any length."""
    return f"slot#{fingerprint(session.session_id)}"


slots = vendor.slots(
    SlotLimits(vendor.settings.odyssey_slots, vendor.settings.odyssey_slots_per_caller, IDLE_SECONDS), Session, slot_of
)


@vendor.route(
    SessionMint(
        body=MintRequest,
        traits=CredentialTraits(takes_slot=True, ttl=TOKEN_SECONDS),
        open_session=take_slot,
        slots=slots,
    ),
    "POST /v1/odyssey/client-credentials",
)
def mint(session: Session, request: Request[ApiKey]) -> Credential[ClientCredentials]:
    """Mints credentials for one session, which takes a slot of the vendor's plan.

    Raises `vendor_malformed` if the token is for another session.
    """
    asked_at = datetime.now(UTC)
    token = ask("sessions/token", SessionToken, {"session_id": session.session_id}, request, interpret_token_reply)
    if token.session_id() != session.session_id:
        raise malformed("The vendor's token is for another session. Try again.", 200)
    able = None if session.image_to_video is None else Capabilities(session.image_to_video)
    fields = ClientCredentials(session.session_id, session.signalling_url, token.session_token, token.expires_in, able)
    return Credential(fields, token.session_token, asked_at + timedelta(seconds=token.expires_in))


def session_from(reply: SessionReply) -> Session:
    """The session in a reply. `image_to_video` is None if the vendor does not say."""
    match reply.capabilities:
        case {"image_to_video": bool(able)}:
            return Session(reply.session_id, reply.signalling_url, able)
    return Session(reply.session_id, reply.signalling_url, None)


@vendor.route(
    Operation(body=ReleaseRequest, outcome="released", status=204, resource=slot_of, owner_only=True, needs_key=False),
    "POST /v1/odyssey/client-credentials/release",
)
def release(body: ReleaseRequest, request: Request[None]) -> None:
    """Frees the slot of a session that the client has left.

    It does not call the vendor, which frees its own slot when the client disconnects cleanly.
    """
    slots.release(slot_of(body), request.deadline)


vendor.cannot_revoke("POST /v1/odyssey/client-credentials/revoke", "session_token", timedelta(seconds=TOKEN_SECONDS))


# Broadcasts. No call to the vendor returns a spectator token. The host's client receives it over
# its connection, and stores it here for the viewers.

URL = r"\A(?:https|wss)://((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{1,63}(?::[0-9]{1,5})?)(?:[/?][\x21-\x7e]*)?\Z"

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


HOST_NOT_ALLOWED = (
    "This deployment does not allow that host. Its team must add it to "
    "the parameter OdysseyBroadcastHosts (ODYSSEY_BROADCAST_HOSTS)"
)
"""The message names the parameter, because its default is an assumption.

The vendor documents no broadcast host.
"""

broadcasts = SealedStore(vendor.table, "broadcast", Spectator)


def forbidden_hosts(body: BroadcastRequest, _: Caller) -> Iterator[FieldError]:
    """The URLs with a host that is not the vendor's. It would get the viewers and their tokens."""
    for field in ("webrtc_url", "hls_url"):
        match = re.match(URL, getattr(body, field) or "")
        if match and not is_vendors(match[1].lower().removesuffix(":443")):
            yield FieldError(field, HOST_NOT_ALLOWED)


def token_of(body: BroadcastRequest) -> str:
    """The spectator token as a resource.

    So the records of a leaked token show who registered it and who has read it.
    """
    return token_resource(body.spectator_token)


def broadcast_of(body: BroadcastPath) -> str:
    """The broadcast as a resource, which only its owner may end. It does not reveal the id."""
    return broadcasts.resource(body.id)


def is_vendors(host: str) -> bool:
    """Whether a host (with its port, if it is not 443) is listed, or is below a listed name."""
    parents = (host[place:] for place, character in enumerate(host) if character == ".")
    return any(name in vendor.settings.odyssey_broadcast_hosts for name in (host, *parents))


@vendor.route(
    Operation(
        body=BroadcastRequest,
        outcome="registered",
        status=201,
        forbidden_fields=forbidden_hosts,
        resource=token_of,
        counted=True,
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


handler = vendor.handler
