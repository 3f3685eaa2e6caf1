"""What the tests of this folder need to know of each vendor: how it is asked, its secret, and answers that carry a token."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple


def api_key(key: str) -> dict[str, Any]:
    return {"api_key": key}


def temporary(key: str) -> dict[str, Any]:
    ends = datetime.now(UTC) + timedelta(days=1)
    return {"readonly": {"key": key, "expires_at": ends.isoformat()}, "upload": {"key": f"{key}-upload"}}


def signing(key: str) -> dict[str, Any]:
    return {"api_key": key, "api_secret": f"{key}-and-as-long-as-hs256-wants-it"}


def certificate(key: str) -> dict[str, Any]:
    """Of 32 hexadecimal digits, as both must be: those of the key's first 16 characters. The App ID is public."""
    return {"app_id": "0123456789abcdef" * 2, "app_certificate": key.encode()[:16].hex()}


class Vendor(NamedTuple):
    """event: of events/. field: of the answer, that holds the credential. replies: path -> a success, `{token}` in it.

    secret: its secret's value, with a key in every place that takes one. refused: bodies that it does not mint for.
    """

    name: str
    event: str
    field: str
    replies: dict[str, dict[str, Any]]
    secret: Callable[[str], dict[str, Any]] = api_key
    refused: tuple[dict[str, Any], ...] = ({"unknown": 1},)


SPATIUS = Vendor("spatius", "spatius-mint", "sessionToken", {"/v1/console/session-tokens": {"sessionToken": "{token}"}})
ODYSSEY = Vendor(
    "odyssey",
    "odyssey-mint",
    "session_token",
    {
        "/auth/token": {"access_token": "{token}-access", "expires_in": 3600},
        "/sessions/request": {"session_id": "s-1", "signalling_url": "wss://signal.example", "capabilities": {}},
        # A JWT with the claim {"session_id": "s-1"}: the vendor's SDKs load nothing else.
        "/sessions/token": {"session_token": "e30.eyJzZXNzaW9uX2lkIjoicy0xIn0.{token}", "expires_in": 600},
    },
)
SPATIALGEN = Vendor("spatialgen", "spatialgen-lease", "key", {}, temporary)
CONVAI = Vendor(
    "convai",
    "convai-mint",
    "apiAuthToken",
    {"/user/connect": {"apiAuthToken": "{token}", "expirationTime": "2098-01-01T00:00:00Z"}},
)
TRULIENCE = Vendor(
    "trulience", "trulience-mint", "jwt", {"/auth/generate-token": {"jwt": "{token}", "expires_in": 120}}
)

LIVEKIT = Vendor(
    "livekit",
    "livekit-mint",
    "participant_token",
    {},
    signing,
    ({"room_name": 5}, {"room_name": "other"}, {"participant_identity": "bob"}),
)
AGORA = Vendor(
    "agora",
    "agora-mint",
    "token",
    {},
    certificate,
    (
        {"channel": 5},
        {"channel": "other", "role": "publisher"},
        {"channel": "lobby", "role": "publisher", "uid": 1001},
        {"channel": "lobby", "role": "publisher", "account": "bob"},
    ),
)

ASKED = [SPATIUS, ODYSSEY, CONVAI, TRULIENCE]
"""Those whose functions call the vendor to mint."""

SIGNED = [LIVEKIT, AGORA]
"""Those whose tokens are signed in the function."""

ALL = [*ASKED, SPATIALGEN, *SIGNED]


def admit(twin: Any, key: str) -> None:
    """The vendor issues another key, as good as the one it was seeded with."""
    twin.keys[key] = next(iter(twin.keys.values()))
