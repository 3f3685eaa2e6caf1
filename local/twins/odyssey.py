"""Odyssey: the calls of `create_client_credentials`, the sessions that take slots, and their broadcasts."""

import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jwt
from flask import request
from flask.typing import ResponseReturnValue

from local.twins.odyssey_broadcasts import ANSWER, Broadcast
from local.twins.twin import MintCall, Routes, Twin
from local.twins.websocket import accept

IDLE_SECONDS = 15 * 60
UNAUTHORIZED: ResponseReturnValue = ({"detail": "Invalid or expired token"}, 401)
REGIONS = ("us-west", "eu-central")
REFUSALS: dict[str, dict[str, Any]] = {
    "MONTHLY_LIMIT_REACHED": {"used_hours": 10.0, "limit_hours": 10, "reset_date": "2026-12-01"},
    "CONCURRENT_LIMIT_REACHED": {"active_count": 5, "limit": 5},
    "STREAM_DURATION_EXCEEDED": {"max_duration_seconds": 150},
    "ACCOUNT_SUSPENDED": {"reason": "payment failed"},
    "RATE_LIMITED": {"retry_after_seconds": 30},
}


@dataclass
class Session:
    """state: "waiting" for the first connection, "connected" or "lost". token_expires: of the last token, Unix seconds."""

    key: str
    created: float
    state: str = "waiting"
    token_expires: float = 0.0


def unprocessable(kind: str, message: str, field: str, sent: object) -> ResponseReturnValue:
    """FastAPI's 422, which repeats the value that was sent."""
    return {"detail": [{"type": kind, "loc": ["body", field], "msg": message, "input": sent}]}, 422


class OdysseyTwin(Twin):
    """keys: API key -> "active" or "denied". access_tokens: token -> (key, expiry). sessions: id -> a session, which is one slot.

    max_sessions: slots of one key. busy_polls: how many more requests for a session get 503.
    rate_limit: requests for a session per minute. 0 is no limit. refusal: a code of REFUSALS that all of them get.
    refusal_field: "error", or "code" as in the past. refusal_shape: "wrapped" in `detail`, "bare" at top level, or
    "string" as `detail`.
    broadcast_origin: the origin of the vendor's broadcast URLs (A: the host). This twin plays them at its own origin.
    hls: whether a broadcast also has an HLS URL. broadcasts: id -> the broadcast of one connected session.
    """

    vendor = "odyssey"
    url_variable = "ODYSSEY_API_URL"
    mint_calls = (
        MintCall("/auth/token", "access_token", ""),
        MintCall("/sessions/request", "session_id", "authorization"),
        MintCall("/sessions/token", "session_token", "authorization"),
    )
    local_key = "ody_local_key"
    web_paths = ("/config",)
    settings: ClassVar[tuple[str, ...]] = (
        *("access_seconds", "session_seconds", "max_sessions", "busy_polls", "rate_limit"),
        *("refusal", "refusal_field", "refusal_shape", "broadcast_origin", "hls"),
    )
    access_seconds: int = 3600
    session_seconds: int = 600
    max_sessions: int = 5
    busy_polls: int = 0
    rate_limit: int = 0
    refusal: str = ""
    refusal_field: str = "error"
    refusal_shape: str = "wrapped"
    broadcast_origin: str = "https://stream.odyssey.ml"
    hls: bool = True
    keys: dict[str, str]

    def seed(self) -> None:
        self.keys = {self.local_key: "active"}
        self.access_tokens: dict[str, tuple[str, float]] = {}
        self.sessions: dict[str, Session] = {}
        self.broadcasts: dict[str, Broadcast] = {}
        self._signing_key = secrets.token_bytes(32)

    def routes(self) -> Routes:
        return {
            "POST /auth/token": self.authenticate,
            "GET /regions": self.list_regions,
            "GET /ping/<region>": self.ping,
            "POST /sessions/request": self.request_session,
            "POST /sessions/token": self.issue_token,
            "GET /config": self.configure,
            "WEBSOCKET /client/<session_id>": self.open_socket,
            "POST /broadcasts/<broadcast_id>/whep": self.play,
            "DELETE /broadcasts/<broadcast_id>/whep/<viewer_id>": self.stop_playing,
            "POST /_twin/sessions/<session_id>/connect": self.connect_hook,
            "POST /_twin/sessions/<session_id>/disconnect": self.disconnect_hook,
            "POST /_twin/sessions/<session_id>/broadcast": self.broadcast_hook,
        }

    def carried_key(self) -> str:
        """The API key in the first call, and the access token in the others."""
        return str((self.body() or {}).get("api_key") or self._bearer())

    def refuse_route(self, status: int) -> ResponseReturnValue:
        return {"detail": "Method Not Allowed" if status == 405 else "Not Found"}, status

    # The four calls

    def authenticate(self) -> ResponseReturnValue:
        body = self.body() or {}
        key = body.get("api_key")
        if not isinstance(key, str):
            kind, message = ("string_type", "Input should be a valid string") if key else ("missing", "Field required")
            return unprocessable(kind, message, "api_key", key or body)
        if key not in self.keys:
            return {"detail": "Invalid API key"}, 401
        if self.keys[key] == "denied":
            return {"detail": "API key is not allowed to create sessions"}, 403
        token = secrets.token_urlsafe(32)
        self.access_tokens[token] = (key, self.now() + self.access_seconds)
        return {"access_token": token, "expires_in": self.access_seconds}, 200

    def drop_key(self, key: str) -> None:
        """A: the key's access tokens end with it."""
        super().drop_key(key)
        self.access_tokens = {token: found for token, found in self.access_tokens.items() if found[0] != key}

    def list_regions(self) -> ResponseReturnValue:
        if not self.caller():
            return UNAUTHORIZED
        return {"regions": [{"id": region, "ping_url": f"{request.url_root}ping/{region}"} for region in REGIONS]}, 200

    def ping(self, region: str) -> ResponseReturnValue:
        return {"region": region}, 200

    def request_session(self) -> ResponseReturnValue:
        if not self.caller():
            return UNAUTHORIZED
        body = self.body()
        if body is None or not _are_latencies(body.get("region_latencies", {})):
            return unprocessable("model_type", "Input should be a valid request", "region_latencies", body)
        refusal = self._limit_met(self.caller())
        if refusal:
            return self._refuse(*refusal)
        if self.busy_polls > 0:
            self.busy_polls -= 1
            return {"detail": "No streamer available"}, 503
        return self._open_session(self.caller()), 200

    def issue_token(self) -> ResponseReturnValue:
        if not self.caller():
            return UNAUTHORIZED
        session_id = (self.body() or {}).get("session_id")
        if not isinstance(session_id, str):
            return unprocessable("missing", "Field required", "session_id", session_id)
        session = self.live_sessions().get(session_id)
        if session is None or session.key != self.caller():
            return {"detail": "Session not found"}, 404
        session.token_expires = int(self.now()) + self.session_seconds
        claims = {"session_id": session_id, "exp": session.token_expires, "jti": secrets.token_urlsafe(16)}
        token = jwt.encode(claims, self._signing_key, algorithm="HS256")
        return {"session_token": token, "expires_in": self.session_seconds}, 200

    # Limits

    def _limit_met(self, key: str) -> tuple[str, dict[str, Any]] | None:
        if self.refusal:
            return self.refusal, REFUSALS[self.refusal]
        wait = self.seconds_over_rate(key, self.rate_limit)
        if wait:
            return "RATE_LIMITED", {"retry_after_seconds": int(wait) + 1}
        active = sum(session.key == key for session in self.live_sessions().values())
        if active >= self.max_sessions:
            return "CONCURRENT_LIMIT_REACHED", {"active_count": active, "limit": self.max_sessions}
        return None

    def _refuse(self, code: str, details: dict[str, Any]) -> ResponseReturnValue:
        said = {"message": f"{code} for this account", "action": "Upgrade", "action_url": "https://odyssey.ml/billing"}
        usage = {self.refusal_field: code, **said, "details": details}
        shapes: dict[str, dict[str, Any]] = {
            "wrapped": {"detail": usage},
            "bare": usage,
            "string": {"detail": said["message"]},
        }
        return shapes[self.refusal_shape], 429

    # Sessions

    def live_sessions(self) -> dict[str, Session]:
        """`sessions` after the vendor's clean-up.

        It removes a session that nobody connects to for 15 minutes, and a lost session when its token expires.
        """
        for session_id in [name for name, session in self.sessions.items() if self._is_over(session)]:
            del self.sessions[session_id]
        return self.sessions

    def open_socket(self, session_id: str) -> ResponseReturnValue:
        """The client's connection. The twin sends nothing on it: no offer, and so no picture."""
        status = self.connect(session_id, request.args.get("token", ""))
        if status != 101:
            return {"detail": "Connection refused"}, status
        return accept(partial(self._hung_up, session_id))

    def _hung_up(self, session_id: str, clean: bool) -> None:  # noqa: FBT001 - `accept` calls it
        with self.lock:
            self.disconnect(session_id, clean=clean)

    def connect(self, session_id: str, token: str) -> int:
        """The status of the WebSocket `/client/<id>?token=`: 101, 401, 404, or 409 if a client is connected already."""
        session = self.live_sessions().get(session_id)
        if session is None:
            return 404
        if not self._opens(session_id, token):
            return 401
        if session.state == "connected":
            return 409
        session.state = "connected"
        return 101

    def disconnect(self, session_id: str, *, clean: bool = True) -> None:
        """A clean disconnect frees the slot at once. A lost client keeps it until its token expires."""
        if clean:
            self.sessions.pop(session_id, None)
        elif session_id in self.sessions:
            self.sessions[session_id].state = "lost"

    def connect_hook(self, session_id: str) -> ResponseReturnValue:
        """{"token"} -> {"status": the result of `connect`}."""
        return {"status": self.connect(session_id, str((self.body() or {}).get("token", "")))}, 200

    def disconnect_hook(self, session_id: str) -> ResponseReturnValue:
        """{"clean"? = true} -> 204."""
        self.disconnect(session_id, clean=bool((self.body() or {}).get("clean", True)))
        return "", 204

    def configure(self) -> ResponseReturnValue:
        return {"iceServers": []}, 200

    def _open_session(self, key: str) -> dict[str, Any]:
        session_id = f"s-{secrets.token_hex(8)}"
        self.sessions[session_id] = Session(key, self.now())
        return {
            "session_id": session_id,
            "signalling_url": "ws" + request.url_root.removeprefix("http").rstrip("/"),
            "streamer_id": f"streamer-{secrets.token_hex(4)}",
            "model": "odyssey-2",
            "region": REGIONS[0],
            "capabilities": {"image_to_video": True},
        }

    def _is_over(self, session: Session) -> bool:
        idle = session.state == "waiting" and self.now() >= session.created + IDLE_SECONDS
        return idle or (session.state == "lost" and self.now() >= session.token_expires)

    def _opens(self, session_id: str, token: str) -> bool:
        try:
            claims = jwt.decode(token, self._signing_key, algorithms=["HS256"], options={"verify_exp": False})
        except jwt.InvalidTokenError:
            return False
        return bool(claims["session_id"] == session_id and claims["exp"] > self.now())

    # Broadcasts

    def broadcast_hook(self, session_id: str) -> ResponseReturnValue:
        """The message to a connected host after `startStream({broadcast: true})`. 404 if the session is not connected."""
        session = self.live_sessions().get(session_id)
        if session is None or session.state != "connected":
            return {"detail": "Session not connected"}, 404
        broadcast_id, broadcast = f"b-{secrets.token_hex(8)}", Broadcast(session_id)
        self.broadcasts[broadcast_id] = broadcast
        return broadcast.ready(self.broadcast_origin, broadcast_id, hls=self.hls), 200

    def play(self, broadcast_id: str) -> ResponseReturnValue:
        """A viewer's SDP offer (WHEP), with `?token=`."""
        broadcast = self._live_broadcast(broadcast_id)
        if broadcast is None:
            return {"detail": "No such stream"}, 404
        if not secrets.compare_digest(request.args.get("token", "").encode(), broadcast.spectator_token.encode()):
            return {"detail": "Invalid spectator token"}, 401
        location = f"/broadcasts/{broadcast_id}/whep/{broadcast.admit()}"
        return ANSWER, 201, {"Location": location, "Content-Type": "application/sdp"}

    def stop_playing(self, broadcast_id: str, viewer_id: str) -> ResponseReturnValue:
        broadcast = self._live_broadcast(broadcast_id)
        if broadcast is None or viewer_id not in broadcast.viewers:
            return {"detail": "No such viewer"}, 404
        broadcast.viewers.discard(viewer_id)
        return "", 200

    def _live_broadcast(self, broadcast_id: str) -> Broadcast | None:
        """The broadcast, as long as its host is connected (A)."""
        broadcast = self.broadcasts.get(broadcast_id)
        host = self.live_sessions().get(broadcast.session_id) if broadcast else None
        return broadcast if host and host.state == "connected" else None

    # Access

    def caller(self) -> str:
        """The API key behind the request's access token. '' if the token is unknown or expired."""
        key, expires = self.access_tokens.get(self._bearer(), ("", 0.0))
        return key if expires > self.now() else ""

    def _bearer(self) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


def _are_latencies(value: object) -> bool:
    return isinstance(value, dict) and all(type(milliseconds) is int for milliseconds in value.values())
