"""Odyssey: client credentials, each for a session with a slot, and a relay for broadcasts. Facts: docs/vendors/odyssey.md."""

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
"""How often the vendor's own SDK asks again while no streamer is free."""

RENEW_SECONDS = 60
"""How long before its end the vendor's own SDK stops using an access token."""

IDLE_SECONDS = 15 * 60
"""When the vendor cleans up a session that nobody has connected to, and with it the slot. It tells us of no disconnect."""

SLOT_RETRY_SECONDS = 5
"""The vendor names no time after which a slot may be free; the queue moves in seconds."""


DAY = 86_400
"""Seconds. A vendor that names a longer one is not taken at its word."""

TOKEN_SECONDS = 600
"""How long the vendor's session tokens are good; what is connected by then goes on."""

CONNECTED_SECONDS = 3600
"""How long a host can stay connected, and so the longest that a broadcast can last."""


class OdysseySettings(Settings, frozen=True, kw_only=True):
    """`ODYSSEY_API_URL`; `ODYSSEY_SLOTS` and `ODYSSEY_SLOTS_PER_CALLER`: how many sessions may be live.

    `ODYSSEY_QUEUE_SECONDS`: how long a body waits for a free streamer before it says `no_capacity`.
    `ODYSSEY_BROADCAST_HOSTS`: where broadcasts may be, with the port unless it is 443; `.name` is for all hosts below it.
    """

    odyssey_api_url: str = "https://api.odyssey.ml"
    odyssey_queue_seconds: Annotated[float, msgspec.Meta(ge=0, le=15)] = 5.0
    odyssey_slots: Annotated[int, msgspec.Meta(ge=1)] = 5
    odyssey_slots_per_caller: Annotated[int, msgspec.Meta(ge=1)] = 2
    odyssey_broadcast_hosts: AllowList = AllowList()


type RegionId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
type Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=60_000)]


class MintRequest(Body, frozen=True):
    """`region_latencies`: the client's own measurements; ours would rank the regions for this function, not for the client."""

    region_latencies: Annotated[dict[RegionId, Milliseconds], msgspec.Meta(max_length=32)] | None = None


class Access(msgspec.Struct, frozen=True):
    """Answer to call 1. The vendor's Python SDK takes 3600 where `expires_in` is missing."""

    access_token: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]+\Z")]
    expires_in: Annotated[int, msgspec.Meta(le=DAY)] = 3600


class Requested(msgspec.Struct, frozen=True):
    """Answer to call 3; from here on a slot is taken. Note the two l's."""

    session_id: Annotated[str, msgspec.Meta(min_length=1)]
    signalling_url: Annotated[str, msgspec.Meta(min_length=1)]
    capabilities: Any = None


class Capabilities(msgspec.Struct, frozen=True):
    """The one that both of the vendor's SDKs know."""

    image_to_video: bool


class ClientCredentials(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the client takes, as the SDK's loader wants it: `signaling_url` has one l here."""

    session_id: str
    signaling_url: str
    session_token: str
    expires_in: int
    capabilities: Capabilities | None = None


class Session(msgspec.Struct, frozen=True):
    """What is kept of a session until its end: no credential."""

    session_id: str
    signalling_url: str
    image_to_video: bool | None


class SessionToken(msgspec.Struct, frozen=True):
    """Answer to call 4. The vendor's SDKs load a JWT only: three parts of base64url."""

    session_token: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")]
    expires_in: Annotated[int, msgspec.Meta(gt=0, le=DAY)] = TOKEN_SECONDS

    def session_id(self) -> str | None:
        """The session that a client connects to with this token; None where the SDKs find none in it."""
        payload = self.session_token.split(".")[1]
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=="), type=Claims).session_id
        except (ValueError, RecursionError):
            return None


class Claims(msgspec.Struct, frozen=True):
    """What the vendor's SDKs read of a session token."""

    session_id: str


class NoSlot(Problem):
    """No streamer is free at this moment; nothing was taken (an assumption: the vendor does not say)."""


class StaleAccess(Problem):
    """The vendor no longer takes an access token that should still be good."""


class Limit(NamedTuple):
    """What one of the vendor's 429 codes means to our caller. Where the operator has to act, trying again does not help."""

    code: str
    detail: str
    operators: bool = False


LIMITS = {
    "CONCURRENT_LIMIT_REACHED": Limit("no_capacity", "All sessions of the plan are in use. Try again later."),
    "MONTHLY_LIMIT_REACHED": Limit("no_capacity", "The plan's hours for this month are used up.", operators=True),
    "STREAM_DURATION_EXCEEDED": Limit(
        "vendor_error", "The plan does not allow streams of that length.", operators=True
    ),
    "ACCOUNT_SUSPENDED": Limit("vendor_error", "The vendor has suspended this deployment's account.", operators=True),
    "RATE_LIMITED": Limit("vendor_busy", "The vendor limits our rate. Try again later."),
}


def sign_in_interpret(reply: Reply) -> Problem | None:
    """Call 1: 422 is a key of the wrong form."""
    return key_rejected(reply.status) if reply.status == 422 else interpret_status(reply)


def signed_in_interpret(reply: Reply) -> Problem | None:
    """Calls 3 and 4: 401 is about the access token, and 429 is one of a family."""
    match reply.status:
        case 401:
            return StaleAccess("vendor_error", "The vendor refuses the access token that it issued.", vendor_status=401)
        case 429:
            return limit_reached(reply)
    return interpret_status(reply)


def token_interpret(reply: Reply) -> Problem | None:
    """Call 4 names a session: a 403 is about that (an assumption), and says nothing about the API key."""
    return resource_refused(403) if reply.status == 403 else signed_in_interpret(reply)


def queue_interpret(reply: Reply) -> Problem | None:
    """Call 3: 503 is the queue; after another failure inside the vendor, a slot may be taken."""
    if reply.status != 503:
        problem = signed_in_interpret(reply)
        if problem:
            problem.ambiguous = reply.status >= 500
        return problem
    wait = reply.retry_after() or SLOT_RETRY_SECONDS
    return NoSlot("no_capacity", "No streamer is free. Try again shortly.", vendor_status=503, retry_after=wait)


def limit_reached(reply: Reply) -> Problem | None:
    """The 429 family: wrapped in `detail` or not, its code in `error` or, in the older form, in `code`."""
    answer = reply.json()
    detail = answer.get("detail", answer) if isinstance(answer, dict) else None
    match detail:
        case {"error": str(code)} | {"code": str(code)} if code in LIMITS:
            limit = LIMITS[code]
        case _:
            return interpret_status(reply)
    if limit.operators:
        return Problem(limit.code, limit.detail, vendor_status=429, vendor_code=code, fault="operator", retryable=False)
    wait = wait_named(detail) or reply.retry_after() or SLOT_RETRY_SECONDS
    return Problem(limit.code, limit.detail, vendor_status=429, vendor_code=code, retry_after=wait)


def wait_named(detail: Any) -> int | None:
    """The seconds that RATE_LIMITED asks for."""
    match detail:
        case {"details": {"retry_after_seconds": int(seconds) | float(seconds)}} if (
            type(seconds) is not bool and seconds > 0
        ):
            return math.ceil(min(seconds, DAY))
    return None


vendor = Vendor("odyssey", OdysseySettings, ApiKey)
# Calls 1 and 4 may be repeated, call 3 never: each one that the vendor has heard takes another slot.
# When call 4 fails, a slot is taken already, so it is repeated after a 500 too.
api = Upstream(
    vendor.settings.odyssey_api_url,
    repeatable=["auth/token", "sessions/token"],
    repeat_after={"sessions/token": {500}},
    interpret=signed_in_interpret,
)


class SignIn:
    """The access token of call 1, kept in memory while it is good: it takes no slot and costs a round trip."""

    def __init__(self) -> None:
        self._held: tuple[ApiKey, str, float] | None = None

    def access_token(self, request: Request[ApiKey]) -> str:
        """A token for the key in use."""
        held = self._held
        if held and held[0] == request.key and monotonic() < held[2]:
            return held[1]
        body = {"api_key": request.key.api_key}
        try:
            access = api.request("POST", "auth/token", Access, request.deadline, json=body, interpret=sign_in_interpret)
        except Problem as problem:
            problem.ambiguous = False  # whatever became of it, it took no slot
            raise
        self._held = (request.key, access.access_token, monotonic() + access.expires_in - RENEW_SECONDS)
        return access.access_token

    def forget(self) -> None:
        """Drops a token that the vendor refuses."""
        self._held = None


sign_in = SignIn()


def ask[T](
    path: str,
    shape: type[T],
    body: dict[str, Any],
    request: Request[ApiKey],
    interpret: Interpret = signed_in_interpret,
) -> T:
    """One signed-in call; signs in anew, once, where the vendor refuses the access token (an assumption: its SDKs do not)."""
    try:
        return ask_once(path, shape, body, request, interpret)
    except StaleAccess:
        sign_in.forget()
        return ask_once(path, shape, body, request, interpret)


def ask_once[T](path: str, shape: type[T], body: dict[str, Any], request: Request[ApiKey], interpret: Interpret) -> T:
    """One signed-in request."""
    headers = {"Authorization": f"Bearer {sign_in.access_token(request)}"}
    return api.request("POST", path, shape, request.deadline, headers=headers, json=body, interpret=interpret)


def take_slot(body: MintRequest, request: Request[ApiKey]) -> Session:
    """A new session, waited for as long as the queue may take. Raises NoSlot when it takes longer."""
    wanted = {"region_latencies": body.region_latencies} if body.region_latencies else {}
    give_up = monotonic() + vendor.settings.odyssey_queue_seconds
    while True:
        try:
            return kept(ask("sessions/request", Requested, wanted, request, queue_interpret))
        except NoSlot:
            if monotonic() + POLL_SECONDS > give_up:
                raise
            sleep(POLL_SECONDS)


class ReleaseRequest(Body, frozen=True):
    """The session that the client has left."""

    session_id: Annotated[str, msgspec.Meta(min_length=1)]


def slot_of(session: Session | ReleaseRequest) -> str:
    """The name of a session's slot in the table. The vendor does not bound an id's length, so the name holds its hash."""
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
    """Credentials for one session, which takes a slot of the plan. Raises `vendor_malformed` for a token of another session."""
    asked_at = datetime.now(UTC)
    token = ask("sessions/token", SessionToken, {"session_id": session.session_id}, request, token_interpret)
    if token.session_id() != session.session_id:
        raise malformed("The vendor's session token does not open the session that it was asked for.", 200)
    able = None if session.image_to_video is None else Capabilities(session.image_to_video)
    fields = ClientCredentials(session.session_id, session.signalling_url, token.session_token, token.expires_in, able)
    return Credential(fields, token.session_token, asked_at + timedelta(seconds=token.expires_in))


def kept(requested: Requested) -> Session:
    """Of the capabilities, the one that both SDKs know; None where the vendor does not name it."""
    match requested.capabilities:
        case {"image_to_video": bool(able)}:
            return Session(requested.session_id, requested.signalling_url, able)
    return Session(requested.session_id, requested.signalling_url, None)


@vendor.route(
    Operation(body=ReleaseRequest, outcome="released", status=204, resource=slot_of, owner_only=True, needs_key=False),
    "POST /v1/odyssey/client-credentials/release",
)
def release(body: ReleaseRequest, request: Request[None]) -> None:
    """Frees the slot of a session that the client has left. The vendor frees its own at a clean disconnect."""
    slots.release(slot_of(body), request.deadline)


vendor.cannot_revoke("POST /v1/odyssey/client-credentials/revoke", "session_token", timedelta(seconds=TOKEN_SECONDS))


# Broadcasts: no call of the vendor's gives a spectator token; a host's client gets it over its connection, and leaves it here.

URL = r"\A(?:https|wss)://((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{1,63}(?::[0-9]{1,5})?)(?:[/?][\x21-\x7e]*)?\Z"

type Url = Annotated[str, msgspec.Meta(max_length=2048, pattern=URL)]


class Spectator(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a viewer's client takes. How long the token is good is not documented: as long as the broadcast (an assumption)."""

    webrtc_url: str
    spectator_token: str
    hls_url: str | None = None


class BroadcastRequest(Body, frozen=True):
    """What the host's client got with `broadcast_ready`, for how many `viewers` (callers) at most, and for how long."""

    webrtc_url: Url
    spectator_token: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,4096}\Z")]
    hls_url: Url | None = None
    viewers: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=CONNECTED_SECONDS)] = CONNECTED_SECONDS


class Broadcast(msgspec.Struct, frozen=True):
    """What the host's client passes to viewers: whoever is signed in and has the id may watch."""

    id: str
    expires_at: str


class BroadcastPath(Body, frozen=True):
    """A broadcast, in the path."""

    id: Annotated[str, msgspec.Meta(pattern=ID)]


NOT_OFFERED = "The team must add its host to the template's parameter OdysseyBroadcastHosts (ODYSSEY_BROADCAST_HOSTS)"
"""No page of the vendor's names a broadcast host, so the default is an assumption, and the operator must know what to set."""

broadcasts = SealedStore(vendor.table, "broadcast", Spectator)


def permit_hosts(body: BroadcastRequest, _: Caller) -> Iterator[FieldError]:
    """Every URL that would send viewers, and the token with them, elsewhere than to the vendor."""
    for field in ("webrtc_url", "hls_url"):
        match = re.match(URL, getattr(body, field) or "")
        if match and not is_vendors(match[1].lower().removesuffix(":443")):
            yield FieldError(field, NOT_OFFERED)


def token_of(body: BroadcastRequest) -> str:
    """In the record: a spectator token that has leaked leads to its host, as well as to its viewers."""
    return token_resource(body.spectator_token)


def broadcast_of(body: BroadcastPath) -> str:
    """The broadcast's name in the table, which does not tell its id; to end it, it must be the caller's own."""
    return broadcasts.resource(body.id)


def is_vendors(host: str) -> bool:
    """Whether a host (with its port, if it is not 443) is listed, or is below one that is."""
    parents = (host[place:] for place, character in enumerate(host) if character == ".")
    return any(name in vendor.settings.odyssey_broadcast_hosts for name in (host, *parents))


@vendor.route(
    Operation(
        body=BroadcastRequest,
        outcome="registered",
        status=201,
        forbidden_fields=permit_hosts,
        resource=token_of,
        counted=True,
        needs_key=False,
    ),
    "POST /v1/odyssey/broadcasts",
)
def register(body: BroadcastRequest, request: Request[None]) -> Broadcast:
    """Keeps a broadcast for viewers, until its host ends it or its time is over."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=body.ttl_seconds)
    spectator = Spectator(body.webrtc_url, body.spectator_token, body.hls_url)
    relay_id = broadcasts.put(spectator, request.caller, int(ends.timestamp()), body.viewers, request.deadline)
    return Broadcast(relay_id, rfc3339(ends))


@vendor.route(
    Operation(body=BroadcastPath, outcome="watched", resource=broadcast_of, needs_key=False),
    "GET /v1/odyssey/broadcasts/{id}",
)
def watch(body: BroadcastPath, request: Request[None]) -> Credential[Spectator]:
    """A broadcast as its host registered it, for any caller who knows its id."""
    spectator = broadcasts.get(body.id, request.caller, request.deadline)
    return Credential(spectator, spectator.spectator_token, None)


@vendor.route(
    Operation(body=BroadcastPath, outcome="ended", status=204, resource=broadcast_of, owner_only=True, needs_key=False),
    "DELETE /v1/odyssey/broadcasts/{id}",
)
def end(body: BroadcastPath, request: Request[None]) -> None:
    """Ends a broadcast for those who have not read it yet; who watches goes on until the host's stream ends."""
    broadcasts.delete(body.id, request.deadline)


handler = vendor.handler
