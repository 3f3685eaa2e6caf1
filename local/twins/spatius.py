"""Spatius: the console's session-token call, and the checks of the ingress. Statuses marked A are assumed."""

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

import jwt
from flask import request
from flask.typing import ResponseReturnValue

from local.twins.twin import MintCall, Routes, Twin
from local.twins.websocket import accept

DAY = 24 * 3600
REGIONS = ("us-west", "ap-northeast", "cn-beijing")
TITLES = {400: "Invalid Argument", 401: "Unauthorized", 404: "Not Found"}
CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHORIZED", 404: "NOT_FOUND"}


class SpatiusTwin(Twin):
    """keys: API key -> App ID. avatars: the ids that exist. tokens: session token -> its App ID and expiry.

    Every region has the same keys and tokens, and its own console (`regional_url`). A fault whose path begins with
    `/us-west/` affects that region only.
    errors_in_200: refusals are HTTP 200 with `errors`, as for unknown routes always.
    string_status: `errors[0].status` is a string. out_of_credits, single_use: only the ingress checks them.
    """

    vendor = "spatius"
    url_variable = "SPATIUS_CONSOLE_ENDPOINT"
    mint_calls = (MintCall("/v1/console/session-tokens", "sessionToken", "x-api-key"),)
    local_key = "spatius-local-key"
    parameters: ClassVar[Mapping[str, str]] = {"SpatiusAppId": "local-app", "SpatiusAvatarIds": "local-avatar"}
    base_path = "/v1/console"
    settings: ClassVar[tuple[str, ...]] = ("errors_in_200", "string_status", "out_of_credits", "single_use")
    errors_in_200: bool = False
    string_status: bool = False
    out_of_credits: bool = False
    single_use: bool = False
    keys: dict[str, str]

    @property
    def regional_url(self) -> str:
        """The value of the vendor's environment variable with which each region has its own console."""
        return f"{self.url}/{{region}}{self.base_path}"

    def seed(self) -> None:
        self.keys = {self.local_key: "local-app"}
        self.avatars = {"local-avatar"}
        self.tokens: dict[str, tuple[str, int]] = {}
        self.used: set[str] = set()
        self._signing_key = secrets.token_bytes(32)

    def routes(self) -> Routes:
        return {
            "POST /v1/console/session-tokens": self.mint,
            **{f"POST /{region}/v1/console/session-tokens": self.mint for region in REGIONS},
            "GET /v2/driveningress/websocket": self.admit,
            "WEBSOCKET /v2/driveningress/websocket": self.open_socket,
        }

    def carried_key(self) -> str:
        return request.headers.get("X-Api-Key", "")

    def refuse_route(self, status: int) -> ResponseReturnValue:
        """HTTP 200 with NOT_FOUND inside, also for a wrong method (A)."""
        del status
        return {"errors": [self._error(404, "route not found")]}, 200

    def mint(self) -> ResponseReturnValue:
        app_id = self.keys.get(self.carried_key())
        if app_id is None:
            return self._refuse(401, "invalid api key")  # A: the status
        expires = self._asked_expiry()
        if expires is None:
            return self._refuse(400, "expire_at must be an integer")
        if expires <= self.now():
            return self._refuse(400, "expire_at must be in the future")
        if expires >= self.now() + DAY:
            return self._refuse(400, "expire_at cannot be more than 24 hours in the future")
        return {"sessionToken": self._issue(app_id, expires)}, 200

    def admit(self) -> ResponseReturnValue:
        """The answer of the ingress, for clients without WebSockets: 200 {connection_id}, or a refusal."""
        return self._refused_at_ingress() or ({"connection_id": secrets.token_hex(8)}, 200)

    def open_socket(self) -> ResponseReturnValue:
        """The answer of the ingress to a WebSocket."""
        return self._refused_at_ingress() or accept()

    def _refused_at_ingress(self) -> ResponseReturnValue | None:
        """The refusal, or None, which marks the token as used."""
        app_id = request.headers.get("X-App-ID") or request.args.get("appId", "")
        token = request.headers.get("X-Session-Key") or request.args.get("sessionKey", "")
        avatar = request.args.get("id", "")
        refusal = self._refusal(app_id, token, avatar)
        if refusal:
            return {"message": refusal[1]}, refusal[0]
        self.used.add(token)
        return None

    def _refusal(self, app_id: str, token: str, avatar: str) -> tuple[int, str] | None:
        owner, expires = self.tokens.get(token, ("", 0))
        if not owner or (self.single_use and token in self.used):
            return 400, "Invalid session token"
        checks = {
            (400, "App ID mismatch"): app_id != owner,
            (401, "Session token expired"): expires <= self.now(),
            (402, "session denied: credits exhausted"): self.out_of_credits,
            (404, f"Avatar not found: {avatar}"): avatar not in self.avatars,
        }
        return next((refusal for refusal, applies in checks.items() if applies), None)

    def _asked_expiry(self) -> int | None:
        body = self.body() or {}
        value = body.get("expireAt", body.get("expire_at"))
        return value if type(value) is int else None

    def _issue(self, app_id: str, expires: int) -> str:
        claims = {"app_id": app_id, "exp": expires, "jti": secrets.token_urlsafe(16)}
        token = jwt.encode(claims, self._signing_key, algorithm="HS256")
        self.tokens[token] = (app_id, expires)
        return token

    def _refuse(self, status: int, detail: str) -> ResponseReturnValue:
        return {"errors": [self._error(status, detail)]}, 200 if self.errors_in_200 else status

    def _error(self, status: int, detail: str) -> dict[str, Any]:
        code = CODES[status]
        shown = str(status) if self.string_status else status
        return {"id": code, "status": shown, "code": code, "title": TITLES[status], "detail": detail}
