"""What a vendor's client does with a credential: the call that the vendor's stand-in accepts or refuses."""

from collections.abc import Callable, Mapping
from typing import Any

import requests

from local.twins.twin import Twin

type Fields = Mapping[str, Any]
type Ask = tuple[str, str, dict[str, Any]]
"""Method, path and options of `requests`."""

CALLS: dict[str, tuple[str, Callable[[Fields], Ask]]] = {
    "convai": (
        "apiAuthToken",
        lambda fields: (
            "POST",
            "/connect",
            {"json": {"character_id": "local-character"}, "headers": {"API-AUTH-TOKEN": fields["apiAuthToken"]}},
        ),
    ),
    "odyssey": (
        "session_token",
        lambda fields: (
            "POST",
            f"/_twin/sessions/{fields['session_id']}/connect",
            {"json": {"token": fields["session_token"]}},
        ),
    ),
    "spatialgen": (
        "key",
        lambda fields: ("GET", "/api/videos/published", {"headers": {"X-SPATIALGEN-APPKEY": fields["key"]}}),
    ),
    "spatius": (
        "sessionToken",
        lambda fields: (
            "GET",
            "/v2/driveningress/websocket",
            {
                "params": {
                    "id": fields.get("avatarId") or "local-avatar",
                    "appId": fields["appId"],
                    "sessionKey": fields["sessionToken"],
                }
            },
        ),
    ),
    "trulience": ("jwt", lambda fields: ("POST", "/auth", {"json": {"token": fields["jwt"]}})),
}
"""By vendor: the field of the token, and the client's call. LiveKit and Agora have no stand-in."""


def use(twin: Twin, fields: Fields, *, changed: bool = False, later: float = 0.0) -> int:
    """The status of the stand-in's answer. 101 and 2xx are a success.

    changed: with one character of the token changed. later: seconds by which the vendor's clock is ahead during the call.
    """
    token, ask = CALLS[twin.vendor]
    method, path, options = ask({**fields, token: _other(fields[token])} if changed else fields)
    twin.skew += later
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, twin.url + path, timeout=5, **options)
    finally:
        twin.skew -= later
    return int(answer.json()["status"]) if path.startswith("/_twin/") else answer.status_code


def _other(token: str) -> str:
    middle = len(token) // 2
    return token[:middle] + ("a" if token[middle] != "a" else "b") + token[middle + 1 :]
