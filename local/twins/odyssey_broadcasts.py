"""Odyssey's broadcasts: what a host's client is told over its connection, and viewers' WHEP sessions."""

import secrets
from dataclasses import dataclass, field

ANSWER = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
"""An SDP answer without media: nobody plays what a twin sends."""


@dataclass
class Broadcast:
    """One session's. viewers: the ids of those who play it, each the last segment of its `Location`."""

    session_id: str
    spectator_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    viewers: set[str] = field(default_factory=set)

    def ready(self, origin: str, broadcast_id: str, *, hls: bool) -> dict[str, str | None]:
        """The message `broadcast_ready`."""
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
