"""LiveKit: room tokens, signed here. The route follows the vendor's standard for token endpoints.

Facts and sources: docs/vendors/livekit.md.
"""

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
"""The prefix of attributes that control the vendor's own features.

One of them lets a participant publish on behalf of another one.
"""

MAX_TTL = 6 * 3600
"""Seconds. The vendor sets no limit. Its own libraries use this lifetime by default."""


class LiveKitSettings(Settings, frozen=True, kw_only=True):
    """`LIVEKIT_URL`: where clients connect. Only a server on the same machine may use `ws://`.

    Allow-lists: `LIVEKIT_ROOMS` (`{caller}` in it is the caller's id), `LIVEKIT_AGENTS` and
    `LIVEKIT_ATTRIBUTES`.
    `LIVEKIT_PUBLISH`: what every participant may publish, from SOURCES and `data`. If it is empty,
    participants may only watch.
    `LIVEKIT_ALLOW_IDENTITY`: whether callers may choose their participant identity.
    `LIVEKIT_ALLOW_METADATA`: whether callers may set metadata, which agents read.
    `LIVEKIT_IDENTITY_PER`: `caller` or `session`. With `caller`, a second connection of one caller
    ends the first one.
    `LIVEKIT_CLIENT_FIELDS`: public settings that every response carries for the client.
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
    """The vendor's secret. An `api_secret` under 32 characters is refused.

    RFC 7518 section 3.2 requires 256 bits for HS256. The vendor's own libraries only warn.
    """

    api_secret: Annotated[str, msgspec.Meta(max_length=4096, pattern=r"\A\s*[\x21-\x7e]{32,}\s*\Z")]

    def signature(self, signed: bytes) -> bytes:
        """HMAC with SHA-256."""
        return hmac.digest(self.api_secret.strip().encode(), signed, "sha256")


type Name = Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,128}\Z")]
type AttributeName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.:-]{1,64}\Z")]
type AttributeValue = Annotated[str, msgspec.Meta(max_length=512)]
type Metadata = Annotated[str, msgspec.Meta(max_length=2048)]


class Agent(Body, frozen=True):
    """An agent that joins the room when the room is created."""

    agent_name: Name
    metadata: Metadata = ""


class RoomConfig(Body, frozen=True):
    """The one member of the vendor's room configuration that its client SDKs set."""

    agents: Annotated[list[Agent], msgspec.Meta(max_length=1)] = msgspec.field(default_factory=list)


class TokenRequest(Body, frozen=True):
    """What the vendor's client SDKs send.

    The vendor's standard has no lifetime and no permissions. This deployment sets both.
    """

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
    """The fields for the client. The response also has the deployment's `LIVEKIT_CLIENT_FIELDS`."""

    server_url: str
    participant_token: str
    room_name: str


vendor = Vendor("livekit", LiveKitSettings, LiveKitKey)
settings = vendor.settings


def forbidden_fields(body: TokenRequest, _: Caller) -> Iterator[FieldError]:
    """The fields that this deployment does not let callers set. `allow` checks the room."""
    if body.participant_identity and not settings.livekit_allow_identity:
        yield FieldError(
            "participant_identity",
            "This deployment does not let callers set participant_identity (LIVEKIT_ALLOW_IDENTITY)",
        )
    if body.participant_metadata and not settings.livekit_allow_metadata:
        yield FieldError(
            "participant_metadata", "This deployment does not let callers set metadata (LIVEKIT_ALLOW_METADATA)"
        )
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
                f"room_config.agents[{index}].metadata",
                "This deployment does not let callers set metadata (LIVEKIT_ALLOW_METADATA)",
            )


@vendor.route(
    Mint(
        body=TokenRequest,
        traits=CredentialTraits(ttl="livekit_ttl_seconds"),
        allow={"room_name": "livekit_rooms"},
        public={"server_url": "livekit_url"},
        forbidden_fields=forbidden_fields,
    ),
    "POST /v1/livekit/tokens",
)
def mint(body: TokenRequest, request: Request[LiveKitKey]) -> Credential[RoomToken]:
    """Mints one token for one room. Without a room name, the caller gets a new room.

    The new room has an unguessable name.
    """
    caller_id = request.caller.id
    room = body.room_name or f"{caller_id}-{secrets.token_hex(16)}"
    now = int(time())
    expires_at = now + settings.livekit_ttl_seconds
    registered = {"iss": request.key.api_key, "sub": identity(body, caller_id), "nbf": now, "exp": expires_at}
    token = jwt(registered | {"video": grants(room)} | chosen_claims(body), request.key)
    fields = RoomToken(settings.livekit_url, token, room)
    ends = datetime.fromtimestamp(expires_at, UTC)
    return Credential(fields, token, ends, settings.livekit_client_fields.members)


def identity(body: TokenRequest, caller_id: str) -> str:
    """The participant's identity.

    DANGER: a participant who joins with the identity of another one replaces that one.
    """
    if body.participant_identity:
        return body.participant_identity
    return caller_id if settings.livekit_identity_per == "caller" else f"{caller_id}-{secrets.token_hex(8)}"


def grants(room: str) -> dict[str, object]:
    """What the participant may do.

    It states every permission, because the server grants those that are absent.
    """
    sources = [source for source in SOURCES if source in settings.livekit_publish]
    return {
        "roomJoin": True,
        "room": room,
        "canSubscribe": True,
        "canPublish": bool(sources),
        "canPublishData": "data" in settings.livekit_publish,
        "canPublishSources": sources,
    }


def chosen_claims(body: TokenRequest) -> dict[str, object]:
    """The claims that the caller chooses. Empty ones are left out."""
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
