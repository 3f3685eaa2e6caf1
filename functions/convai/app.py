"""Convai: auth tokens, valid for one hour, for its Web, Unity and Unreal SDKs.

Facts and sources: docs/vendors/convai.md.
"""

from typing import Annotated

import msgspec

from minting.bodies import Body
from minting.counts import MINTS
from minting.credentials import Credential, CredentialTraits, rfc3339, utc
from minting.keys import ApiKey
from minting.operations import Mint, Operation, Request
from minting.owners import token_resource
from minting.problems import Problem
from minting.replies import Reply, interpret_status, key_rejected, resource_refused
from minting.settings import Settings
from minting.upstream import Upstream
from minting.vendor import Vendor

TTL_SECONDS = 3600
"""The vendor sets this lifetime. A request cannot change it."""


class ConvaiSettings(Settings, frozen=True, kw_only=True):
    """`CONVAI_API_URL`."""

    convai_api_url: str = "https://api.convai.com"


class MintRequest(Body, frozen=True):
    """It has no fields, because the vendor sets the lifetime and the scope."""


class TokenRequest(Body, frozen=True):
    """The token to extend or revoke. It is opaque: some look like UUIDs, some like JWTs."""

    apiAuthToken: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class AuthToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fields for the client.

    An unknown `expirationTime` is absent, because Unity refuses one that it cannot parse.
    """

    apiAuthToken: str
    expirationTime: str | None = None


class ConnectReply(msgspec.Struct, frozen=True):
    """The vendor's reply. `expirationTime` is ISO 8601 in UTC, sometimes without a zone."""

    apiAuthToken: Annotated[str, msgspec.Meta(min_length=1)]
    expirationTime: object = None


def interpret(reply: Reply) -> Problem | None:
    """Interprets a reply by its text if that names the key, and otherwise by its status.

    Two of the vendor's older pages show 400 for an unknown key.
    """
    return key_rejected(reply.status) if names_key(reply) else interpret_status(reply)


def names_key(reply: Reply) -> bool:
    """Whether an error is about the API key. Only the vendor's texts about a key say "API key"."""
    return reply.status in {400, 401, 403} and b"API key" in reply.body


def interpret_token_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to a request that sends a token.

    We assume that 401, 403 and 404 are about the token, unless the text names the key.
    """
    if names_key(reply):
        return key_rejected(reply.status)
    match reply.status:
        case 401 | 404:
            detail = "The vendor no longer accepts that token. Mint another one."
            return Problem("not_extendable", detail, vendor_status=reply.status)
        case 403:
            return resource_refused(reply.status)
    return interpret_status(reply)


def interpret_revoke_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to a revoke: a token that the vendor no longer accepts is revoked."""
    problem = interpret_token_reply(reply)
    return None if problem and problem.code == "not_extendable" else problem


vendor = Vendor("convai", ConvaiSettings, ApiKey)
# A repeated mint does no harm: a token takes no slot, and the first one stays valid.
api = Upstream(vendor.settings.convai_api_url, repeatable=["user/connect"], interpret=interpret)


def resource_of(body: TokenRequest) -> str:
    """The token as a resource, which only its owner may extend or revoke."""
    return token_resource(body.apiAuthToken)


TRAITS = CredentialTraits(extendable=True, revocable=True, ttl=TTL_SECONDS)


@vendor.route(Mint(body=MintRequest, traits=TRAITS), "POST /v1/convai/tokens", "GET /v1/convai/tokens")
def mint(_: MintRequest, request: Request[ApiKey]) -> Credential[AuthToken]:
    """Mints one token for one connection."""
    reply = api.request("POST", "user/connect", ConnectReply, request.deadline, headers=key_headers(request), json={})
    return credential(reply.apiAuthToken, reply.expirationTime)


@vendor.route(
    Operation(
        body=TokenRequest, outcome="extended", traits=TRAITS, resource=resource_of, owner_only=True, budget=MINTS
    ),
    "POST /v1/convai/tokens/extend",
)
def extend(body: TokenRequest, request: Request[ApiKey]) -> Credential[AuthToken]:
    """Extends a token. The response has its new expiry if the vendor says it.

    The vendor's current pages do not show that field.
    """
    wanted = {"apiAuthToken": body.apiAuthToken}
    reply = api.reply(
        "POST",
        "user/extend-token",
        request.deadline,
        headers=key_headers(request),
        json=wanted,
        interpret=interpret_token_reply,
    )
    answer = reply.json()
    return credential(body.apiAuthToken, answer.get("expirationTime") if isinstance(answer, dict) else None)


@vendor.route(
    Operation(body=TokenRequest, outcome="revoked", status=204, resource=resource_of, owner_only=True),
    "POST /v1/convai/tokens/revoke",
)
def revoke(body: TokenRequest, request: Request[ApiKey]) -> None:
    """Revokes a token at once. A session that already uses it continues.

    The body of a successful reply is not documented, so this does not read it.
    """
    wanted = {"apiAuthToken": body.apiAuthToken}
    api.reply(
        "POST",
        "user/revoke-token",
        request.deadline,
        headers=key_headers(request),
        json=wanted,
        interpret=interpret_revoke_reply,
    )


def key_headers(request: Request[ApiKey]) -> dict[str, str]:
    """The headers of every call. The vendor's current pages ask for the key in all three calls."""
    return {"CONVAI-API-KEY": request.key.api_key}


def credential(auth_token: str, expiration_time: object) -> Credential[AuthToken]:
    """A token and, if the vendor tells it, its expiry."""
    expires_at = utc(expiration_time)
    fields = AuthToken(auth_token, rfc3339(expires_at) if expires_at else None)
    return Credential(fields, auth_token, expires_at)


handler = vendor.handler
