"""Spatius: session tokens for its Direct Mode. Facts and sources: docs/vendors/spatius.md."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from time import monotonic, time
from typing import Annotated, Any, Literal

import msgspec

from minting.bodies import Body
from minting.credentials import Credential, CredentialTraits
from minting.deadline import Deadline
from minting.keys import ApiKey
from minting.operations import Mint, Request
from minting.problems import Problem
from minting.replies import Reply, interpret_status, vendor_error
from minting.settings import AllowList, Settings
from minting.upstream import Upstream
from minting.vendor import Vendor

type Region = Literal["us-west", "ap-northeast", "cn-beijing"]
REGIONS: tuple[Region, ...] = ("us-west", "ap-northeast", "cn-beijing")

CODES = {
    "BAD_REQUEST", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "invalid_request", "UNAUTHORIZED", "unauthorized", "expired",
    "PAYMENT_REQUIRED", "FORBIDDEN", "PERMISSION_DENIED", "forbidden", "NOT_FOUND", "not_found", "TIMEOUT", "ALREADY_EXISTS",
    "FAILED_DEPENDENCY", "QUOTA_EXCEEDED", "INTERNAL_SERVER_ERROR", "internal_error", "UNIMPLEMENTED", "UNAVAILABLE",
}  # fmt: skip
"""The error codes in the vendor's own tooling. Callers do not see any other code."""

MAX_TTL = timedelta(hours=24)
"""The longest lifetime that the vendor gives a token."""

REGIONAL = {"vendor_unavailable", "vendor_timeout", "vendor_malformed", "vendor_error"}
"""Problems that another region may not have, so a mint tries the next region."""

DOWN_SECONDS = 30
"""For this time after a failure, mints try the region last."""


class SpatiusSettings(Settings, frozen=True, kw_only=True):
    """`SPATIUS_APP_ID`; `SPATIUS_AVATAR_IDS`: the avatars that callers may ask for.

    `SPATIUS_REGION`: the home region. It mints the tokens, and clients connect to it by default.
    `SPATIUS_REGIONS`: all regions that callers may ask for, the home region included. If a region
    fails, a mint tries the others.
    `SPATIUS_CONSOLE_ENDPOINT`: the URL of the consoles. `{region}` and `{domain}` in it stand for
    the region's own. Without `{region}` all regions share one console.
    """

    spatius_app_id: str = ""
    spatius_region: Region = "us-west"
    spatius_regions: AllowList = AllowList()
    spatius_avatar_ids: AllowList = AllowList()
    spatius_console_endpoint: str = "https://console.{region}.{domain}/v1/console"


class MintRequest(Body, frozen=True):
    """A mint.

    `ttl_seconds`: the vendor accepts up to 24 h by its own clock. The bounds keep a minute at both
    ends, because its clock and ours may differ.
    """

    ttl_seconds: Annotated[int, msgspec.Meta(ge=60, le=86_340)] = 3600
    region: Region | None = None
    avatarId: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,128}\Z")] | None = None


class SessionToken(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The fields for the client. It connects to `region`. The token is valid in every region."""

    sessionToken: str
    appId: str
    avatarId: str | None = None
    region: str


class Token(msgspec.Struct, frozen=True):
    """The vendor's reply."""

    sessionToken: Annotated[str, msgspec.Meta(min_length=1)]


def interpret(reply: Reply) -> Problem | None:
    """Interprets a reply by the error in its body, and otherwise by its status.

    An error in the body is a failure even if the status is 200. The status in the error counts.
    """
    error = first_error(reply.json())
    status = reply.status if error is None else error_status(error, reply)
    named = error.get("code") if error else None
    code = named if isinstance(named, str) and named in CODES else None
    if status == 402:
        return vendor_error(status, code, fault="operator")
    return interpret_status(reply, status=status, code=code)


def first_error(body: Any) -> dict[str, Any] | None:
    """The first item of `errors`, or `error`. None if there is no error."""
    match body:
        case {"errors": [dict(error), *_]} | {"error": dict(error)}:
            return error
        case {"errors": [_, *_]}:
            return {}
    return None


def error_status(error: dict[str, Any], reply: Reply) -> int:
    """The status in an error: a number or a string of three digits.

    Without one, the reply's own status counts. If that is a success, the error is a 500.
    """
    named = str(error.get("status"))
    if len(named) == 3 and named.isdecimal() and 400 <= int(named) < 600:
        return int(named)
    return max(reply.status, 500) if reply.status < 400 else reply.status


vendor = Vendor("spatius", SpatiusSettings, ApiKey)


failed_at: dict[Region, float] = {}
"""When each region's console last failed, in monotonic seconds."""


@cache
def console(region: Region) -> Upstream:
    """A region's console. It is retried only if there is no other region to try.

    So a mint makes three calls at most. A repeated mint does no harm: a token takes no slot, and
    the first one stays valid.
    """
    domain = "spatialwalk.top" if region.startswith("cn-") else "spatius.ai"
    url = vendor.settings.spatius_console_endpoint.replace("{region}", region).replace("{domain}", domain)
    again = ["session-tokens"] if len(consoles(region)) == 1 else []
    return Upstream(url, repeatable=again, interpret=interpret)


@vendor.route(
    Mint(
        body=MintRequest,
        traits=CredentialTraits(single_use=True, ttl="ttl_seconds"),
        allow={"avatarId": "spatius_avatar_ids", "region": "spatius_regions"},
        public={"appId": "spatius_app_id", "region": "spatius_region"},
    ),
    "POST /v1/spatius/session-tokens",
)
def mint(body: MintRequest, request: Request[ApiKey]) -> Credential[SessionToken]:
    """Mints one token for one connection. Its expiry stops new connections only.

    We choose the expiry. The vendor's reply does not repeat it.
    """
    region = body.region or vendor.settings.spatius_region
    expire_at = int(time()) + body.ttl_seconds
    token = token_of(consoles(region), expire_at, request)
    fields = SessionToken(sessionToken=token, appId=app_id(token), avatarId=body.avatarId, region=region)
    return Credential(fields, token, datetime.fromtimestamp(expire_at, UTC))


def consoles(first: Region) -> list[Region]:
    """The regions to try: the given one, the home region, then the others.

    A region that failed lately comes last. One console for all regions is tried once.
    """
    settings, lately = vendor.settings, monotonic() - DOWN_SECONDS
    if "{region}" not in settings.spatius_console_endpoint:
        return [first]
    home = settings.spatius_region
    usable = [region for region in REGIONS if region in {first, home} or region in settings.spatius_regions]
    return sorted(usable, key=lambda region: (failed_at.get(region, lately) > lately, region != first, region != home))


# Build it at start-up, so that an invalid base URL stops the function from starting.
console(vendor.settings.spatius_region)


def token_of(regions: list[Region], expire_at: int, request: Request[ApiKey]) -> str:
    """A token from the first console that works.

    Each console but the last gets half of the time that is left. A good reply may take 9 s.
    """
    for region in regions[:-1]:
        # This is outside the try, because a lack of time is not a failure of the region.
        half = request.deadline.part(0.5)
        try:
            return token_from(region, expire_at, request, half)
        except Problem as problem:
            if problem.code not in REGIONAL or not problem.retryable:
                raise
            failed_at[region] = monotonic()
    return token_from(regions[-1], expire_at, request, request.deadline)


def token_from(region: Region, expire_at: int, request: Request[ApiKey], deadline: Deadline) -> str:
    """A token from one region's console."""
    headers, wanted = {"X-Api-Key": request.key.api_key}, {"expireAt": expire_at}
    return console(region).request("POST", "session-tokens", Token, deadline, headers=headers, json=wanted).sessionToken


def app_id(token: str) -> str:
    """The App ID that the client must use.

    Raises `not_configured` if SPATIUS_APP_ID does not match the App ID of the API key. Without this
    check, the client SDK would fail with "App ID mismatch", and its user could not fix that.
    """
    ours, theirs = vendor.settings.spatius_app_id, claimed_app_id(token)
    if ours and theirs and ours != theirs:
        raise Problem(
            "not_configured",
            f"SpatiusAppId is {ours}, but the API key belongs to another App ID. The team must correct one.",
        )
    if not (ours or theirs):
        raise Problem("not_configured", "The team that runs this deployment must set SpatiusAppId.")
    return ours or theirs


def claimed_app_id(token: str) -> str:
    """The token's `app_id` claim. Empty if the token is opaque or has no such claim.

    The signature is not verified, because only the vendor can verify it.
    """
    try:
        payload = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        claim = claims["app_id"]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return ""
    return claim if isinstance(claim, str) else ""


vendor.cannot_revoke("POST /v1/spatius/session-tokens/revoke", "sessionToken", MAX_TTL)
handler = vendor.handler
