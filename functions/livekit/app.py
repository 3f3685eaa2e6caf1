"""LiveKit: room tokens, signed here, from what is its standard token endpoint. Facts and sources: docs/vendors/livekit.md."""

import base64
import hmac
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from time import time
from typing import Annotated, Literal

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.credentials import Credential, CredentialTraits
from minting.keys import ApiKey
from minting.operations import Mint, Request
from minting.problems import FieldError
from minting.settings import AllowList, ClientFields, Settings
from minting.vendor import Vendor

SOURCES = ("camera", "microphone", "screen_share", "screen_share_audio")

RESERVED = "lk."
"""Attributes so named steer the vendor's own features, such as publishing on behalf of another participant."""

MAX_TTL = 6 * 3600
"""Seconds. The vendor sets no bound; this is what its own libraries take by default."""


class LiveKitSettings(Settings, frozen=True, kw_only=True):
    """`LIVEKIT_URL`: where clients connect; `ws://` is for a server on one's own machine.

    Allow-lists: `LIVEKIT_ROOMS` (`{caller}` is the caller's own), `LIVEKIT_AGENTS`, `LIVEKIT_ATTRIBUTES`, and `LIVEKIT_PUBLISH`:
    what every participant may publish, of SOURCES and `data`; with nothing in it they may only watch.
    `LIVEKIT_ALLOW_IDENTITY`, `LIVEKIT_ALLOW_METADATA`: whether callers may say who they are, and what agents are told of them.
    `LIVEKIT_IDENTITY_PER`: `caller`, where a second connection of one caller ends the first, or `session`.
    """

    livekit_url: Annotated[
        str, msgspec.Meta(pattern=r"\A(wss://[^\s/?#]|ws://(localhost|127\.0\.0\.1)(:|/|\Z))[^\s?#]*\Z")
    ]
    livekit_rooms: AllowList = AllowList()
    livekit_agents: AllowList = AllowList()
    livekit_attributes: AllowList = AllowList()
    livekit_publish: AllowList = AllowList()
    livekit_allow_identity: bool = False
    livekit_allow_metadata: bool = False
    livekit_identity_per: Literal["caller", "session"] = "caller"
    livekit_ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=MAX_TTL)] = 600
    livekit_client_fields: ClientFields = ClientFields()


class LiveKitKey(ApiKey, frozen=True):
    """The vendor's secret. Its own libraries only warn of an `api_secret` that is too short for HS256 (RFC 7518 section 3.2)."""

    api_secret: Annotated[str, msgspec.Meta(max_length=4096, pattern=r"\A\s*[\x21-\x7e]{32,}\s*\Z")]

    def signature(self, signed: bytes) -> bytes:
        """HMAC with SHA-256."""
        return hmac.digest(self.api_secret.strip().encode(), signed, "sha256")


type Name = Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,128}\Z")]
type AttributeName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.:-]{1,64}\Z")]
type AttributeValue = Annotated[str, msgspec.Meta(max_length=512)]
type Metadata = Annotated[str, msgspec.Meta(max_length=2048)]


class Agent(Body, frozen=True):
    """An agent that joins the room when it is made."""

    agent_name: Name
    metadata: Metadata = ""


class RoomConfig(Body, frozen=True):
    """Of all that the vendor's has, the one member that its client SDKs set."""

    agents: Annotated[list[Agent], msgspec.Meta(max_length=1)] = msgspec.field(default_factory=list)


class TokenRequest(Body, frozen=True):
    """What the vendor's client SDKs send. Its standard has no lifetime and no permissions: those are this deployment's."""

    room_name: Name | None = None
    participant_identity: Name | None = None
    participant_name: Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,128}\Z")] | None = None
    participant_metadata: Metadata | None = None
    participant_attributes: Annotated[dict[AttributeName, AttributeValue], msgspec.Meta(max_length=16)] | None = None
    room_config: RoomConfig | None = None

    @property
    def agents(self) -> list[Agent]:
        return self.room_config.agents if self.room_config else []


class RoomToken(msgspec.Struct, frozen=True):
    """What the client takes, beside this deployment's own `LIVEKIT_CLIENT_FIELDS`."""

    server_url: str
    participant_token: str
    room_name: str


vendor = Vendor("livekit", LiveKitSettings, LiveKitKey)
settings = vendor.settings


def permit(body: TokenRequest, _: Caller) -> Iterator[FieldError]:
    """Every field that this deployment does not let callers set, but for the room."""
    if body.participant_identity and not settings.livekit_allow_identity:
        yield FieldError("participant_identity", "Who you are is not yours to choose (LIVEKIT_ALLOW_IDENTITY)")
    if body.participant_metadata and not settings.livekit_allow_metadata:
        yield FieldError("participant_metadata", "Metadata is not yours to set (LIVEKIT_ALLOW_METADATA)")
    for name in body.participant_attributes or {}:
        if name.lower().startswith(RESERVED) or name not in settings.livekit_attributes:
            yield FieldError(f"participant_attributes.{name}", "Not offered by this deployment (LIVEKIT_ATTRIBUTES)")
    for index, agent in enumerate(body.agents):
        if agent.agent_name not in settings.livekit_agents:
            yield FieldError(
                f"room_config.agents[{index}].agent_name", "Not offered by this deployment (LIVEKIT_AGENTS)"
            )
        if agent.metadata and not settings.livekit_allow_metadata:
            yield FieldError(
                f"room_config.agents[{index}].metadata", "Metadata is not yours to set (LIVEKIT_ALLOW_METADATA)"
            )


@vendor.route(
    Mint(
        body=TokenRequest,
        traits=CredentialTraits(ttl="livekit_ttl_seconds"),
        allow={"room_name": "livekit_rooms"},
        public={"server_url": "livekit_url"},
        forbidden_fields=permit,
    ),
    "POST /v1/livekit/tokens",
)
def mint(body: TokenRequest, request: Request[LiveKitKey]) -> Credential[RoomToken]:
    """One token for one room; without a name, for a new one that nobody else can name."""
    caller_id = request.caller.id
    room = body.room_name or f"{caller_id}-{secrets.token_hex(16)}"
    now = int(time())
    expires_at = now + settings.livekit_ttl_seconds
    registered = {"iss": request.key.api_key, "sub": identity(body, caller_id), "nbf": now, "exp": expires_at}
    token = jwt(registered | {"video": grants(room)} | chosen(body), request.key)
    fields = RoomToken(settings.livekit_url, token, room)
    ends = datetime.fromtimestamp(expires_at, UTC)
    return Credential(fields, token, ends, settings.livekit_client_fields.members)


def identity(body: TokenRequest, caller_id: str) -> str:
    """Who the participant is. Whoever joins with the identity of another takes that one's place."""
    if body.participant_identity:
        return body.participant_identity
    return caller_id if settings.livekit_identity_per == "caller" else f"{caller_id}-{secrets.token_hex(8)}"


def grants(room: str) -> dict[str, object]:
    """What the participant may do, each permission in so many words: the server takes an absent one for given."""
    sources = [source for source in SOURCES if source in settings.livekit_publish]
    return {
        "roomJoin": True,
        "room": room,
        "canSubscribe": True,
        "canPublish": bool(sources),
        "canPublishData": "data" in settings.livekit_publish,
        "canPublishSources": sources,
    }


def chosen(body: TokenRequest) -> dict[str, object]:
    """The claims that are the caller's choice; an empty one is left out."""
    agents = [
        {"agentName": agent.agent_name} | ({"metadata": agent.metadata} if agent.metadata else {})
        for agent in body.agents
    ]
    claims = {
        "name": body.participant_name,
        "metadata": body.participant_metadata,
        "attributes": body.participant_attributes,
        "roomConfig": {"agents": agents} if agents else None,
    }
    return {name: value for name, value in claims.items() if value}


def jwt(claims: Mapping[str, object], key: LiveKitKey) -> str:
    """A JWT signed with HS256 (RFC 7515, compact serialization)."""
    parts = [encoded(msgspec.json.encode(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    return b".".join([*parts, encoded(key.signature(b".".join(parts)))]).decode()


def encoded(raw: bytes) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


vendor.cannot_revoke("POST /v1/livekit/tokens/revoke", "participant_token", timedelta(seconds=MAX_TTL))
handler = vendor.handler
