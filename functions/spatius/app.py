"""Spatius: session tokens for its Direct Mode. Facts and sources: docs/vendors/spatius.md."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from time import time
from typing import Annotated, Any, Literal

import msgspec

from minting import (
    AllowList,
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
    not_revocable,
    vendor_error,
)

type Region = Literal["us-west", "ap-northeast", "cn-beijing"]

CODES = {
    "BAD_REQUEST", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "invalid_request", "UNAUTHORIZED", "unauthorized", "expired",
    "PAYMENT_REQUIRED", "FORBIDDEN", "PERMISSION_DENIED", "forbidden", "NOT_FOUND", "not_found", "TIMEOUT", "ALREADY_EXISTS",
    "FAILED_DEPENDENCY", "QUOTA_EXCEEDED", "INTERNAL_SERVER_ERROR", "internal_error", "UNIMPLEMENTED", "UNAVAILABLE",
}  # fmt: skip
"""Those that the vendor's own tooling knows. Anything else in an error's `code` is not passed on."""


LONGEST = timedelta(hours=24)
"""The vendor gives no token a longer life."""


class SpatiusSettings(Settings, frozen=True, kw_only=True):
    """`SPATIUS_APP_ID`, `SPATIUS_REGION`, `SPATIUS_AVATAR_IDS`; `SPATIUS_CONSOLE_ENDPOINT` stands in for every region's."""

    spatius_app_id: str = ""
    spatius_region: Region = "us-west"
    spatius_avatar_ids: AllowList = AllowList()
    spatius_console_endpoint: str = ""


class RevokeRequest(Body, frozen=True):
    """The credential that should end."""

    sessionToken: str


class MintRequest(Body, frozen=True):
    """`ttl_seconds`: the vendor takes up to 24 h by its own clock, so a minute at both ends is left to the clocks' difference."""

    ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=86_340)] = 3600
    region: Region | None = None
    avatarId: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,128}\Z")] | None = None


class Token(msgspec.Struct, frozen=True):
    """The vendor's answer."""

    sessionToken: Annotated[str, msgspec.Meta(min_length=1)]


def dialect(reply: Reply) -> Problem | None:
    """An error in the body is a failure whatever the status, 200 included; the status it names is the real one."""
    error = first_error(reply.json())
    status = reply.status if error is None else error_status(error, reply)
    named = error.get("code") if error else None
    code = named if isinstance(named, str) and named in CODES else None
    if status == 402:
        return vendor_error(status, code, fault="operator")
    return by_status(reply, status=status, code=code)


def first_error(body: Any) -> dict[str, Any] | None:
    """The first of `errors`, or what stands in its place; None where there is no error."""
    match body:
        case {"errors": [dict(error), *_]} | {"error": dict(error)}:
            return error
        case {"errors": [_, *_]}:
            return {}
    return None


def error_status(error: dict[str, Any], reply: Reply) -> int:
    """A number or a three-digit string; an error without one is the vendor's fault unless the reply's status says more."""
    named = str(error.get("status"))
    if len(named) == 3 and named.isdecimal() and 400 <= int(named) < 600:
        return int(named)
    return max(reply.status, 500) if reply.status < 400 else reply.status


vendor = Vendor("spatius", SpatiusSettings, ApiKey)


@cache
def console(region: Region) -> Upstream:
    """A region's console. A second token does no harm: it takes no slot, and the first one stays good."""
    domain = "spatialwalk.top" if region.startswith("cn-") else "spatius.ai"
    url = vendor.settings.spatius_console_endpoint or f"https://console.{region}.{domain}/v1/console"
    return Upstream(url, repeatable=["session-tokens"], dialect=dialect)


def permit(request: MintRequest) -> None:
    """Raises `not_allowed` for an avatar that this deployment does not offer."""
    if request.avatarId and request.avatarId not in vendor.settings.spatius_avatar_ids:
        raise Problem("not_allowed", "This deployment does not offer that avatarId (SpatiusAvatarIds).")


@vendor.mints("POST /v1/spatius/session-tokens", body=MintRequest, facts=Facts(), permit=permit)
def mint(request: MintRequest, call: Call[ApiKey]) -> Credential:
    """One token for one connection; expiry stops new connections only. The vendor does not say when it ends: we do."""
    region = request.region or vendor.settings.spatius_region
    expire_at = int(time()) + request.ttl_seconds
    headers = {"X-Api-Key": call.key.api_key}
    token = (
        console(region)
        .request("POST", "session-tokens", Token, call.deadline, headers=headers, json={"expireAt": expire_at})
        .sessionToken
    )
    body = {"sessionToken": token, "appId": app_id(token), "avatarId": request.avatarId, "region": region}
    return Credential(
        {name: value for name, value in body.items() if value}, token, datetime.fromtimestamp(expire_at, UTC)
    )


def app_id(token: str) -> str:
    """The App ID that the client must use. Raises `not_configured` where the one set here is not the key's own.

    The client SDK would fail with "App ID mismatch", on the phone, where nobody can mend it.
    """
    ours, theirs = vendor.settings.spatius_app_id, claimed_app_id(token)
    if ours and theirs and ours != theirs:
        raise Problem("not_configured", f"SpatiusAppId is {ours}, but the API key belongs to another App ID.")
    if not (ours or theirs):
        raise Problem("not_configured", "The team that runs this deployment has to set SpatiusAppId.")
    return ours or theirs


def claimed_app_id(token: str) -> str:
    """The token's `app_id` claim, not verified, for the vendor alone can; empty where the token is opaque or has none."""
    try:
        payload = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        claim = claims["app_id"]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return ""
    return claim if isinstance(claim, str) else ""


@vendor.serves("POST /v1/spatius/session-tokens/revoke", body=RevokeRequest)
def revoke(_: RevokeRequest, __: Call[ApiKey]) -> None:
    """The vendor has no such call."""
    raise not_revocable(LONGEST)


handler = vendor.handler
