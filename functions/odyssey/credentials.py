"""Client credentials: each is for a session, which takes a slot of the vendor's plan until its end."""

import base64
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Annotated, Any

import msgspec

from minting.bodies import Body
from minting.claims import SlotLimits
from minting.credentials import Credential, CredentialTraits
from minting.keys import ApiKey
from minting.operations import Operation, Request, SessionMint
from minting.owners import fingerprint
from minting.replies import malformed

from .errors import DAY, NoSlot, interpret_session_reply, interpret_token_reply
from .service import ask, settings, vendor

POLL_SECONDS = 1.0
"""How long the vendor's own SDK waits before it asks again for a free streamer."""

IDLE_SECONDS = 15 * 60
"""The vendor ends a session without a client after this time, and frees its slot.

It does not tell us when a client disconnects.
"""

TOKEN_SECONDS = 600
"""The lifetime of the vendor's session tokens. Its end stops new connections only."""

type RegionId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
type Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=60_000)]


# Sessions


class MintRequest(Body, frozen=True):
    """A mint. `region_latencies`: what the client has measured.

    Our own measurements would rank the regions for this function and not for the client.
    """

    region_latencies: Annotated[dict[RegionId, Milliseconds], msgspec.Meta(max_length=32)] | None = None


class SessionReply(msgspec.Struct, frozen=True):
    """The reply to call 3. The session now has a slot. `signalling_url` has two l's here."""

    session_id: Annotated[str, msgspec.Meta(min_length=1)]
    signalling_url: Annotated[str, msgspec.Meta(min_length=1)]
    capabilities: Any = None


class Session(msgspec.Struct, frozen=True):
    """What the table stores of a session until its end. It holds no credential."""

    session_id: str
    signalling_url: str
    image_to_video: bool | None


class ReleaseRequest(Body, frozen=True):
    """The session that the client has left."""

    session_id: Annotated[str, msgspec.Meta(min_length=1)]


def take_slot(body: MintRequest, request: Request[ApiKey]) -> Session:
    """Opens a session. Raises NoSlot if no streamer is free within ODYSSEY_QUEUE_SECONDS."""
    wanted = {"region_latencies": body.region_latencies} if body.region_latencies else {}
    give_up = monotonic() + settings.odyssey_queue_seconds
    while True:
        try:
            return session_from(ask("sessions/request", SessionReply, wanted, request, interpret_session_reply))
        except NoSlot:
            if monotonic() + POLL_SECONDS > give_up:
                raise
            sleep(POLL_SECONDS)


def session_from(reply: SessionReply) -> Session:
    """The session in a reply. `image_to_video` is None if the vendor does not say."""
    match reply.capabilities:
        case {"image_to_video": bool(able)}:
            return Session(reply.session_id, reply.signalling_url, able)
    return Session(reply.session_id, reply.signalling_url, None)


def slot_of(session: Session | ReleaseRequest) -> str:
    """The name of a session's slot in the table: a hash, because an id may have any length."""
    return f"slot#{fingerprint(session.session_id)}"


slots = vendor.slots(
    SlotLimits(settings.odyssey_slots, settings.odyssey_slots_per_caller, IDLE_SECONDS), Session, slot_of
)


# Tokens


class Claims(msgspec.Struct, frozen=True):
    """The claims of a session token that the vendor's SDKs read."""

    session_id: str


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
