"""Convai: auth tokens (mint, extend, revoke) and the `/connect` that accepts them. Statuses marked A are assumed."""

import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import jwt
from flask import request
from flask.typing import ResponseReturnValue

from local.twins.twin import MintCall, Routes, Twin


@dataclass
class Token:
    """owner: the API key that minted the token. expires: Unix seconds."""

    owner: str
    expires: float
    revoked: bool = False


class ConvaiTwin(Twin):
    """keys: API key -> account. tokens: every issued auth token. characters: the ids that exist.

    sessions: id -> API key. /connect opens them. extend_seconds: 3600, or 86400 as the withdrawn page says.
    extend_tells_expiry: whether the answer of extend has the new time. repeat_revoke_status: 200 or 404.
    time_suffix: "Z", or "" for UTC without a zone. error_field: "ERROR", "API_ERROR" or "detail".
    """

    vendor = "convai"
    url_variable = "CONVAI_API_URL"
    mint_calls = (MintCall("/user/connect", "apiAuthToken", "convai-api-key"),)
    local_key = "convai-local-key"
    web_paths = ("/connect", "/disconnect")
    settings: ClassVar[tuple[str, ...]] = (
        *("token_seconds", "extend_seconds", "extend_tells_expiry", "repeat_revoke_status", "time_suffix"),
        *("error_field", "max_sessions", "needs_end_user"),
    )
    token_seconds: int = 3600
    extend_seconds: int = 3600
    extend_tells_expiry: bool = True
    repeat_revoke_status: int = 200
    time_suffix: str = "Z"
    error_field: str = "ERROR"
    max_sessions: int = 5
    needs_end_user: bool = False
    keys: dict[str, str]

    def seed(self) -> None:
        self.keys = {self.local_key: "local"}
        self.characters = {"local-character"}
        self.tokens: dict[str, Token] = {}
        self.sessions: dict[str, str] = {}
        self._signing_key = secrets.token_bytes(32)

    def routes(self) -> Routes:
        return {
            "POST /user/connect": self.mint,
            "POST /user/extend-token": self.extend,
            "POST /user/revoke-token": self.revoke,
            "POST /connect": self.connect,
            "POST /disconnect": self.disconnect,
        }

    def carried_key(self) -> str:
        return request.headers.get("CONVAI-API-KEY") or request.headers.get("X-API-Key", "")

    def refuse_route(self, status: int) -> ResponseReturnValue:
        return self._refuse(status, "The requested URL was not found on the server.")

    # Tokens, on api.convai.com

    def mint(self) -> ResponseReturnValue:
        refusal = self._key_refusal()
        if refusal:
            return self._refuse(401, refusal)
        token = self._opaque_value()
        self.tokens[token] = Token(self.carried_key(), self.now() + self.token_seconds)
        return {"apiAuthToken": token, "expirationTime": self._moment(self.tokens[token].expires)}, 200

    def extend(self) -> ResponseReturnValue:
        refusal = self._key_refusal()
        token = self._own_token()
        if refusal or token is None or not self._lives(token):
            # A: the status for a token that is unknown, expired, revoked or of another account
            return self._refuse(401, refusal or "Invalid auth token.")
        token.expires = self.now() + self.extend_seconds
        return ({"expirationTime": self._moment(token.expires)} if self.extend_tells_expiry else {}), 200

    def revoke(self) -> ResponseReturnValue:
        refusal = self._key_refusal()
        token = self._own_token()
        if refusal or token is None:
            return self._refuse(401, refusal or "Invalid auth token.")
        if token.revoked and self.repeat_revoke_status != 200:
            return self._refuse(self.repeat_revoke_status, "Auth token not found.")
        token.revoked = True
        return {"status": "success"}, 200

    # The realtime host, which a client calls with the token

    def connect(self) -> ResponseReturnValue:
        account_key = self._realtime_caller()
        if not account_key:
            return {"detail": "Invalid API key"}, 401
        refusal = self._session_refusal(account_key)
        return refusal or (self._open_session(account_key), 200)

    def disconnect(self) -> ResponseReturnValue:
        known = self.sessions.pop(request.args.get("session_id", ""), None)
        return ({"status": "success"}, 200) if known else ({"detail": "Session not found"}, 404)

    def _realtime_caller(self) -> str:
        """The API key behind the request. A key wins over a token. Older clients send the token in place of the key."""
        sent = self.carried_key() or request.headers.get("API-AUTH-TOKEN", "")
        if sent in self.keys:
            return sent
        token = self.tokens.get(sent)
        return token.owner if token and self._lives(token) else ""

    def _session_refusal(self, account_key: str) -> ResponseReturnValue | None:
        body = self.body() or {}
        if "character_id" not in body:
            missing = {"type": "missing", "loc": ["body", "character_id"], "msg": "Field required", "input": body}
            return {"detail": [missing]}, 422
        if self.needs_end_user and not body.get("end_user_id"):
            return {"detail": "end_user_id is required"}, 400
        if str(body["character_id"]) not in self.characters:
            return {"detail": "Character not found or doesn't belong to user"}, 404
        if list(self.sessions.values()).count(account_key) >= self.max_sessions:
            return {"detail": "Concurrent session limit reached"}, 429
        return None

    def _open_session(self, account_key: str) -> dict[str, Any]:
        session_id, room = str(uuid.uuid4()), f"room-{secrets.token_hex(4)}"
        self.sessions[session_id] = account_key
        return {
            "session_id": session_id,
            "request_trace_id": secrets.token_hex(8),
            "character_session_id": str(uuid.uuid4()),
            "room_url": "wss://rooms.invalid",
            "room_name": room,
            "token": jwt.encode({"video": {"room": room}}, self._signing_key, algorithm="HS256"),
            "end_user_id": (self.body() or {}).get("end_user_id"),
            "end_user_metadata": None,
        }

    # Keys, tokens and texts

    def _key_refusal(self) -> str:
        key = request.headers.get("CONVAI-API-KEY", "")
        if not key:
            return "The request is missing an API key."
        return "" if key in self.keys else "Invalid API key provided."

    def _own_token(self) -> Token | None:
        token = self.tokens.get(str((self.body() or {}).get("apiAuthToken")))
        return token if token and token.owner == self.carried_key() else None

    def _lives(self, token: Token) -> bool:
        return not token.revoked and token.expires > self.now()

    def _opaque_value(self) -> str:
        """Alternately a UUID and a JWT. Both have been seen, and clients may parse neither."""
        if len(self.tokens) % 2 == 0:
            return str(uuid.uuid4())
        return jwt.encode({"jti": secrets.token_urlsafe(16)}, self._signing_key, algorithm="HS256")

    def _moment(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + self.time_suffix

    def _refuse(self, status: int, text: str) -> ResponseReturnValue:
        return {self.error_field: text, "Reference ID": secrets.token_hex(8)}, status
