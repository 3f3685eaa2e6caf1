"""Convai: hour-long auth tokens for its Web, Unity and Unreal SDKs. Facts and sources: docs/vendors/convai.md."""

from typing import Annotated

import msgspec

from minting.bodies import Body
from minting.credentials import Credential, CredentialTraits, rfc3339, utc
from minting.keys import ApiKey
from minting.operations import Mint, Operation, Request
from minting.owners import token_resource
from minting.problems import Problem
from minting.replies import Reply, interpret_status, key_rejected, resource_refused
from minting.settings import Settings
from minting.upstream import Upstream
from minting.vendor import Vendor

LIFE = 3600
"""Seconds; the vendor fixes it."""


class ConvaiSettings(Settings, frozen=True, kw_only=True):
    """`CONVAI_API_URL`."""

    convai_api_url: str = "https://api.convai.com"


class MintRequest(Body, frozen=True):
    """Nothing can be chosen: the vendor fixes both lifetime and scope."""


class TokenRequest(Body, frozen=True):
    """The token to act on. It is opaque: some look like UUIDs, some like JWTs."""

    apiAuthToken: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class AuthToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the client takes. Unity refuses an `expirationTime` that does not parse, so one that is not known is left out."""

    apiAuthToken: str
    expirationTime: str | None = None


class Connected(msgspec.Struct, frozen=True):
    """The vendor's answer. `expirationTime` is ISO 8601 in UTC, at times without saying so."""

    apiAuthToken: Annotated[str, msgspec.Meta(min_length=1)]
    expirationTime: object = None


def interpret(reply: Reply) -> Problem | None:
    """Two of the vendor's older pages show 400 for an unknown key; all else goes by the status."""
    return key_rejected(reply.status) if names_key(reply) else interpret_status(reply)


def names_key(reply: Reply) -> bool:
    """All of the vendor's texts about a bad key say so, and none about a token does."""
    return reply.status in {400, 401, 403} and b"API key" in reply.body


def token_interpret(reply: Reply) -> Problem | None:
    """Where a token is sent, 401, 403 and 404 are about it (an assumption), unless the text names the key."""
    if names_key(reply):
        return key_rejected(reply.status)
    match reply.status:
        case 401 | 404:
            detail = "The vendor no longer takes that token. Mint another one."
            return Problem("not_extendable", detail, vendor_status=reply.status)
        case 403:
            return resource_refused(reply.status)
    return interpret_status(reply)


def gone_interpret(reply: Reply) -> Problem | None:
    """A token that the vendor no longer takes is as good as revoked."""
    problem = token_interpret(reply)
    return None if problem and problem.code == "not_extendable" else problem


vendor = Vendor("convai", ConvaiSettings, ApiKey)
# A second token does no harm: it takes no slot, and the first one stays good.
api = Upstream(vendor.settings.convai_api_url, repeatable=["user/connect"], interpret=interpret)


def own(body: TokenRequest) -> str:
    """The thing that must be the caller's own."""
    return token_resource(body.apiAuthToken)


TRAITS = CredentialTraits(extendable=True, revocable=True, ttl=LIFE)


@vendor.route(Mint(body=MintRequest, traits=TRAITS), "POST /v1/convai/tokens", "GET /v1/convai/tokens")
def mint(_: MintRequest, request: Request[ApiKey]) -> Credential[AuthToken]:
    """One token for one connection."""
    reply = api.request("POST", "user/connect", Connected, request.deadline, headers=signed(request), json={})
    return credential(reply.apiAuthToken, reply.expirationTime)


@vendor.route(
    Operation(body=TokenRequest, outcome="extended", traits=TRAITS, resource=own, owner_only=True, counted=True),
    "POST /v1/convai/tokens/extend",
)
def extend(body: TokenRequest, request: Request[ApiKey]) -> Credential[AuthToken]:
    """The same token with a new expiry, where the vendor says which; its current pages do not."""
    wanted = {"apiAuthToken": body.apiAuthToken}
    reply = api.reply(
        "POST", "user/extend-token", request.deadline, headers=signed(request), json=wanted, interpret=token_interpret
    )
    answer = reply.json()
    return credential(body.apiAuthToken, answer.get("expirationTime") if isinstance(answer, dict) else None)


@vendor.route(
    Operation(body=TokenRequest, outcome="revoked", status=204, resource=own, owner_only=True),
    "POST /v1/convai/tokens/revoke",
)
def revoke(body: TokenRequest, request: Request[ApiKey]) -> None:
    """Ends the token at once; a session that runs on it goes on. What a success says is not documented, so it is not read."""
    wanted = {"apiAuthToken": body.apiAuthToken}
    api.reply(
        "POST", "user/revoke-token", request.deadline, headers=signed(request), json=wanted, interpret=gone_interpret
    )


def signed(request: Request[ApiKey]) -> dict[str, str]:
    """The headers of every call: the vendor's current pages want the key in all three."""
    return {"CONVAI-API-KEY": request.key.api_key}


def credential(auth_token: str, expiration_time: object) -> Credential[AuthToken]:
    """A token and, if the vendor says when, its end."""
    expires_at = utc(expiration_time)
    fields = AuthToken(auth_token, rfc3339(expires_at) if expires_at else None)
    return Credential(fields, auth_token, expires_at)


handler = vendor.handler
