"""What the tests of this folder need to know of each vendor: how it is asked, its secret, and answers that carry a token."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple


class Vendor(NamedTuple):
    """event: of events/. field: of the answer, that holds the credential. replies: path -> a success, `{token}` in it."""

    name: str
    event: str
    field: str
    replies: dict[str, dict[str, Any]]


SPATIUS = Vendor("spatius", "spatius-mint", "sessionToken", {"/v1/console/session-tokens": {"sessionToken": "{token}"}})
ODYSSEY = Vendor(
    "odyssey",
    "odyssey-mint",
    "session_token",
    {
        "/auth/token": {"access_token": "{token}-access", "expires_in": 3600},
        "/sessions/request": {"session_id": "s-1", "signalling_url": "wss://signal.example", "capabilities": {}},
        "/sessions/token": {"session_token": "{token}", "expires_in": 600},
    },
)
SPATIALGEN = Vendor("spatialgen", "spatialgen-lease", "key", {})
CONVAI = Vendor(
    "convai",
    "convai-mint",
    "apiAuthToken",
    {"/user/connect": {"apiAuthToken": "{token}", "expirationTime": "2098-01-01T00:00:00Z"}},
)
TRULIENCE = Vendor(
    "trulience", "trulience-mint", "jwt", {"/auth/generate-token": {"jwt": "{token}", "expires_in": 120}}
)

ASKED = [SPATIUS, ODYSSEY, CONVAI, TRULIENCE]
"""Those whose functions call the vendor to mint."""

ALL = [*ASKED, SPATIALGEN]


def secret(vendor: Vendor, key: str) -> dict[str, Any]:
    """The value of a vendor's secret, with `key` in every place that takes one."""
    if vendor is SPATIALGEN:
        ends = datetime.now(UTC) + timedelta(days=1)
        return {"readonly": {"key": key, "expires_at": ends.isoformat()}, "upload": {"key": f"{key}-upload"}}
    return {"api_key": key}


def admit(twin: Any, key: str) -> None:
    """The vendor issues another key, as good as the one it was seeded with."""
    twin.keys[key] = next(iter(twin.keys.values()))
