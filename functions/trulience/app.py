"""Trulience: single-use avatar session JWTs. Facts and sources: docs/vendors/trulience.md."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from minting.bodies import Body
from minting.credentials import Credential, CredentialTraits
from minting.keys import ApiKey
from minting.operations import Mint, Request
from minting.problems import Problem
from minting.replies import Reply, interpret_status, resource_refused
from minting.settings import AllowList, Settings
from minting.upstream import Upstream
from minting.vendor import Vendor

STATUSES = {19: 400, 16: 401, 33: 403, 34: 403, 35: 403, 36: 429, 45: 500}
"""The vendor's error numbers, each with the status of the same meaning.

The vendor tells clients to use the number rather than the status.
"""

NOT_THIS_AVATAR = 33

MAX_TTL = timedelta(seconds=3600)
"""The longest lifetime that the vendor gives a token."""


class TrulienceSettings(Settings, frozen=True, kw_only=True):
    """`TRULIENCE_API_URL`: where the vendor's API is.

    `TRULIENCE_AVATAR_IDS`: the avatars that callers may ask for. `*` allows all of the account's.
    """

    # An assumption: the vendor documents paths only. Its web SDK and others use this host.
    trulience_api_url: str = "https://trulience.com"
    trulience_avatar_ids: AllowList = AllowList()


class MintRequest(Body, frozen=True):
    """A mint. `expire_at` is a duration in seconds.

    `avatar_id` is a string, because many JSON parsers round a number of 19 digits.
    """

    avatar_id: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
    expire_at: Annotated[int, msgspec.Meta(ge=60, le=3600)] = 120


class SessionToken(msgspec.Struct, frozen=True):
    """The fields for the client."""

    jwt: str
    expires_in: int
    avatar_id: str


class Token(msgspec.Struct, frozen=True):
    """The vendor's reply."""

    jwt: Annotated[str, msgspec.Meta(min_length=1)]
    expires_in: Annotated[int, msgspec.Meta(gt=0, le=86_400)] | None = None


def interpret(reply: Reply) -> Problem | None:
    """Interprets a reply by the vendor's error number, which says more than the status."""
    code = error_number(reply)
    if about_avatar(reply, code):
        return resource_refused(reply.status, code)
    problem = interpret_status(reply, status=STATUSES[code] if code else None, code=code)
    if problem:
        problem.vendor_status = reply.status
    return problem


def error_number(reply: Reply) -> int | None:
    """The documented number in an error's body. None if there is none."""
    match reply.json():
        case {"error": {"code": int(code)}} if code in STATUSES:
            return code
    return None


def about_avatar(reply: Reply, code: int | None) -> bool:
    """Whether an error is about the avatar.

    Every request names an avatar. So we assume that a 403 without a number is about the avatar,
    unless the text names the key.
    """
    return code == NOT_THIS_AVATAR or (code is None and reply.status == 403 and b"API key" not in reply.body)


vendor = Vendor("trulience", TrulienceSettings, ApiKey)
# A repeated mint does no harm: a token takes no slot, and counts against the rate limit only.
api = Upstream(vendor.settings.trulience_api_url, repeatable=["auth/generate-token"], interpret=interpret)


@vendor.route(
    Mint(
        body=MintRequest,
        traits=CredentialTraits(single_use=True, ttl="expire_at"),
        allow={"avatar_id": "trulience_avatar_ids"},
    ),
    "POST /v1/trulience/tokens",
)
def mint(body: MintRequest, request: Request[ApiKey]) -> Credential[SessionToken]:
    """Mints one JWT for one session. Its lifetime begins now, not when it is first used."""
    asked_at = datetime.now(UTC)
    wanted = {"avatar_id": body.avatar_id, "expire_at": body.expire_at}
    headers = {"x-api-key": request.key.api_key}
    token = api.request("POST", "auth/generate-token", Token, request.deadline, headers=headers, json=wanted)
    expires_in = token.expires_in or body.expire_at
    fields = SessionToken(token.jwt, expires_in, body.avatar_id)
    return Credential(fields, token.jwt, asked_at + timedelta(seconds=expires_in))


vendor.cannot_revoke("POST /v1/trulience/tokens/revoke", "jwt", MAX_TTL)
handler = vendor.handler
