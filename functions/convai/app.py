"""Convai: hour-long auth tokens for its Web, Unity and Unreal SDKs. Facts and sources: docs/vendors/convai.md."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from minting import (
    ApiKey,
    Body,
    Call,
    Credential,
    Facts,
    Problem,
    Reply,
    Settings,
    Upstream,
    Vendor,
    by_status,
    key_rejected,
    rfc3339,
)


class ConvaiSettings(Settings, frozen=True, kw_only=True):
    """`CONVAI_API_URL`."""

    convai_api_url: str = "https://api.convai.com"


class MintRequest(Body, frozen=True):
    """Nothing can be chosen: the vendor fixes both lifetime and scope."""


class Connected(msgspec.Struct, frozen=True):
    """The vendor's answer. `expirationTime` is ISO 8601 in UTC, at times without saying so."""

    apiAuthToken: Annotated[str, msgspec.Meta(min_length=1)]
    expirationTime: object = None


def dialect(reply: Reply) -> Problem | None:
    """Two of the vendor's older pages show 400 for an unknown key; all else goes by the status."""
    if reply.status == 400 and b"API key" in reply.body:
        return key_rejected(reply.status)
    return by_status(reply)


vendor = Vendor("convai", ConvaiSettings, ApiKey)
# A second token does no harm: it takes no slot, and the first one stays good.
api = Upstream(vendor.settings.convai_api_url, repeatable=["user/connect"], dialect=dialect)


@vendor.mints(
    "POST /v1/convai/tokens", "GET /v1/convai/tokens", body=MintRequest, facts=Facts(extendable=True, revocable=True)
)
def mint(_: MintRequest, call: Call[ApiKey]) -> Credential:
    """One token for one connection. Unity refuses an `expirationTime` that does not parse, so a bad one is left out."""
    headers = {"CONVAI-API-KEY": call.key.api_key}
    reply = api.request("POST", "user/connect", Connected, call.deadline, headers=headers, json={})
    expires_at = utc(reply.expirationTime)
    expiration = {"expirationTime": rfc3339(expires_at)} if expires_at else {}
    return Credential({"apiAuthToken": reply.apiAuthToken} | expiration, reply.apiAuthToken, expires_at)


def utc(iso: object) -> datetime | None:
    """The moment that an ISO 8601 text names, read as UTC where it has no zone; None where it names none."""
    try:
        moment = datetime.fromisoformat(iso if isinstance(iso, str) else "")
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


handler = vendor.handler
