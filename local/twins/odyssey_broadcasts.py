"""Odyssey's broadcasts: the message to the host's client, and the WHEP sessions of viewers."""

import secrets
from dataclasses import dataclass, field

ANSWER = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
"""An SDP answer without media, because no client plays a twin's stream."""


@dataclass
class Broadcast:
    """The broadcast of one session. viewers: their ids, each of which is the last segment of a `Location`."""

    session_id: str
    spectator_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    viewers: set[str] = field(default_factory=set)

    def ready(self, origin: str, broadcast_id: str, *, hls: bool) -> dict[str, str | None]:
        """The message `broadcast_ready` to the host's client."""
        url = f"{origin}/broadcasts/{broadcast_id}"
        return {
            "broadcast_url": f"{url}/index.m3u8" if hls else None,
            "webrtc_url": url,
            "spectator_token": self.spectator_token,
        }

    def admit(self) -> str:
        """A new viewer's id."""
        viewer_id = secrets.token_hex(8)
        self.viewers.add(viewer_id)
        return viewer_id
