"""The template's parameters and the vendors' secrets on this machine. Each twin adds its own."""

from typing import Any

from local.twins import twins

AUDIENCE = "avatar-mint-local"

PAIRS = {
    "livekit": {"api_key": "local-livekit-key", "api_secret": "local-livekit-secret-that-is-long-enough-for-hs256"},
    "agora": {"app_id": "0123456789abcdef0123456789abcdef", "app_certificate": "fedcba9876543210fedcba9876543210"},
}
"""The secrets of the vendors without a twin, whose tokens the function signs."""


ORIGINS = "http://localhost:3000,http://localhost:5173,http://localhost:8080"
"""The origins of web pages that browsers let call the API."""


def parameters(document: dict[str, Any], issuer: str, origins: str | None = None) -> dict[str, str]:
    """Values for the template's parameters. They deploy every vendor, and callers sign in at `issuer`."""
    deploy = {name: "true" for name in document.get("Parameters", {}) if name.startswith("Deploy")}
    of_twins = {name: value for twin in twins().values() for name, value in twin.parameters.items()}
    return {
        **deploy,
        **of_twins,
        "JwtIssuer": issuer,
        "JwtAudience": AUDIENCE,
        "BackendScope": "mint:on-behalf",
        "AllowedOrigins": origins or ORIGINS,
        "SpatialGenLease": "true",
        "LiveKitUrl": "wss://livekit.local",
        "LiveKitRooms": "{caller},lobby",
        "LiveKitAgents": "local-agent",
        "LiveKitAttributes": "language",
        "LiveKitAllowMetadata": "true",
        "LiveKitClientFields": "spatius_app_id=local-app,spatius_avatar_id=local-avatar",
        "AgoraChannels": "{caller},lobby",
        "AgoraAllowRtm": "true",
        "AgoraBackendUids": "1001,1002",
        "AgoraClientFields": "spatius_app_id=local-app,spatius_avatar_id=local-avatar,region=us-west,agentUid=1001",
    }


def secret(vendor: str) -> dict[str, Any]:
    """A vendor's secret as an operator would set it. Raises ValueError for a vendor that has neither a twin nor a pair."""
    if vendor in twins():
        return twins()[vendor].secret()
    if vendor not in PAIRS:
        raise ValueError(
            f"{vendor} lacks a twin: add local/twins/{vendor}.py. If its function signs tokens, "
            "add its secret to PAIRS in local/parameters.py instead"
        )
    return PAIRS[vendor]
