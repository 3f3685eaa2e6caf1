"""What the bundle on this machine is told: the template's parameters, and the keys in its secrets. Each twin tells its own."""

from typing import Any

from local.twins import TWINS

AUDIENCE = "avatar-mint-local"

PAIRS = {
    "livekit": {"api_key": "local-livekit-key", "api_secret": "local-livekit-secret-that-is-long-enough-for-hs256"},
    "agora": {"app_id": "0123456789abcdef0123456789abcdef", "app_certificate": "fedcba9876543210fedcba9876543210"},
}
"""Secrets of vendors that have no twin, because tokens are signed here."""


def parameters(document: dict[str, Any], issuer: str) -> dict[str, str]:
    """Values for a template's parameters: every vendor is deployed, callers sign in at `issuer`."""
    deploy = {name: "true" for name in document.get("Parameters", {}) if name.startswith("Deploy")}
    twins = {name: value for twin in TWINS.values() for name, value in twin.parameters.items()}
    return {
        **deploy,
        **twins,
        "JwtIssuer": issuer,
        "JwtAudience": AUDIENCE,
        "BackendScope": "mint:on-behalf",
        "AllowedOrigins": "http://localhost:3000,http://localhost:5173,http://localhost:8080",
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
    """A vendor's secret as an operator would set it. Raises ValueError for a vendor of which none is known."""
    if vendor in TWINS:
        return TWINS[vendor].secret()
    if vendor not in PAIRS:
        where = (
            f"add local/twins/{vendor}.py, or its secret to PAIRS in local/parameters.py if its function signs tokens"
        )
        raise ValueError(f"{vendor} lacks a twin: {where}")
    return PAIRS[vendor]
