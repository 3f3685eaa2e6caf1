"""Trulience: the session JWT, which works once. The order of the checks and the parts marked A are assumed."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jwt
from flask import request
from flask.typing import ResponseReturnValue

from local.twins.twin import MintCall, Routes, Twin

ERRORS = {
    16: (401, "Invalid API Key"),
    19: (400, "expire_at must be between 60 and 3600 seconds"),
    33: (403, "API key is not authorized for this avatar"),
    34: (403, "API key lacks required scope"),
    35: (403, "Origin is not allowed for this API key"),
    36: (429, "Too many requests. Please slow down."),
    45: (500, "Internal server error occurred"),
    9001: (400, "avatar_id must be a string"),  # A: this twin's own number, because the vendor documents none
    9002: (404, "Not found"),  # A: this twin's own number
}


@dataclass(frozen=True)
class Key:
    """avatars, origins: the limits of the key. None is no limit."""

    scopes: frozenset[str] = frozenset({"generate_tokens"})
    avatars: frozenset[str] | None = None
    origins: frozenset[str] | None = None


@dataclass
class Ticket:
    """An issued JWT. expires: Unix seconds."""

    avatar: str
    expires: int
    used: bool = False


class TrulienceTwin(Twin):
    """keys: API key -> Key. tickets: every issued JWT.

    rate_limit: mints per key and minute. 0 is no limit. missing_origin_passes: whether a key that is limited to origins
    serves a request without `Origin`. The vendor does not document it.
    """

    vendor = "trulience"
    url_variable = "TRULIENCE_API_URL"
    mint_calls = (MintCall("/auth/generate-token", "jwt", "x-api-key"),)
    local_key = "tru_live_local_key"
    parameters: ClassVar[Mapping[str, str]] = {"TrulienceAvatarIds": "4386676996480451678"}
    settings: ClassVar[tuple[str, ...]] = ("rate_limit", "missing_origin_passes")
    rate_limit: int = 0
    missing_origin_passes: bool = True
    keys: dict[str, Key]

    def seed(self) -> None:
        self.keys = {self.local_key: Key()}
        self.tickets: dict[str, Ticket] = {}
        self._signing_key = secrets.token_bytes(32)

    def routes(self) -> Routes:
        return {"POST /auth/generate-token": self.mint, "POST /auth": self.consume}

    def carried_key(self) -> str:
        return request.headers.get("x-api-key", "")

    def refuse_route(self, status: int) -> ResponseReturnValue:
        del status
        return self._refuse(9002)

    def mint(self) -> ResponseReturnValue:
        key = self.keys.get(self.carried_key())
        code = 16 if key is None else self._key_error(key) or self._body_error(key) or self._rate_error()
        return self._refuse(code) if code else self._issue()

    def consume(self) -> ResponseReturnValue:
        """{"token", "avatarId"?} -> a session for the client SDK. A token works once."""
        body = self.body() or {}
        ticket = self.tickets.get(str(body.get("token")))
        if (
            ticket is None
            or ticket.used
            or ticket.expires <= self.now()
            or body.get("avatarId", ticket.avatar) != ticket.avatar
        ):
            return {"status": "FAILED"}, 401
        ticket.used = True
        session = {"sessionId": secrets.token_hex(8), "userName": "guest", "agentName": "agent", "userId": "1"}
        return {"status": "OK", **session}, 200

    def _key_error(self, key: Key) -> int:
        if "generate_tokens" not in key.scopes:
            return 34
        origin = request.headers.get("Origin")
        if key.origins is None or origin in key.origins or (origin is None and self.missing_origin_passes):
            return 0
        return 35

    def _body_error(self, key: Key) -> int:
        body = self.body() or {}
        seconds, avatar = body.get("expire_at", 120), body.get("avatar_id")
        if type(seconds) is not int or not 60 <= seconds <= 3600:
            return 19
        if not isinstance(avatar, str) or not avatar:
            return 9001
        return 0 if key.avatars is None or avatar in key.avatars else 33

    def _rate_error(self) -> int:
        return 36 if self.seconds_over_rate(self.carried_key(), self.rate_limit) else 0

    def _issue(self) -> ResponseReturnValue:
        body = self.body() or {}
        seconds, avatar = body.get("expire_at", 120), body["avatar_id"]
        expires = int(self.now()) + seconds
        claims = {"jti": secrets.token_urlsafe(16), "exp": expires}
        token = jwt.encode(claims, self._signing_key, algorithm="HS256")
        self.tickets[token] = Ticket(avatar, expires)
        return {"jwt": token, "expires_in": seconds, "avatar_id": avatar}, 200

    def _refuse(self, code: int) -> ResponseReturnValue:
        status, message = ERRORS[code]
        return {"error": {"code": code, "message": message}}, status
