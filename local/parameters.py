"""What the bundle on this machine is told: the template's parameters, and the keys in its secrets."""

from datetime import UTC, datetime, timedelta
from typing import Any

AUDIENCE = "avatar-mint-local"

AWS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""Environment variables without which boto3 asks nobody; whatever is already set holds."""


SHAPED_KEYS = {"odyssey": "ody_local_key", "trulience": "tru_live_local_key"}
"""Keys of vendors whose keys have a prefix of their own."""

PAIRS = {
    "livekit": {"api_key": "local-livekit-key", "api_secret": "local-livekit-secret-that-is-long-enough-for-hs256"},
    "agora": {"app_id": "0123456789abcdef0123456789abcdef", "app_certificate": "fedcba9876543210fedcba9876543210"},
}
"""Secrets of vendors for which tokens are signed here."""


def parameters(document: dict[str, Any], issuer: str) -> dict[str, str]:
    """Values for a template's parameters: every vendor is deployed, callers sign in at `issuer`."""
    deploy = {name: "true" for name in document.get("Parameters", {}) if name.startswith("Deploy")}
    return deploy | {
        "JwtIssuer": issuer,
        "JwtAudience": AUDIENCE,
        "AllowedOrigins": "http://localhost:3000,http://localhost:5173,http://localhost:8080",
        "SpatiusAppId": "local-app",
        "SpatiusAvatarIds": "local-avatar",
        "TrulienceAvatarIds": "4386676996480451678",
        "SpatialGenFolders": "Home,Events",
        "SpatialGenUploadFolders": "Home",
        "LiveKitUrl": "wss://livekit.local",
        "LiveKitRooms": "{caller},lobby",
        "LiveKitAgents": "local-agent",
        "LiveKitAttributes": "language",
        "LiveKitAllowMetadata": "true",
        "LiveKitClientFields": "spatius_app_id=local-app,spatius_avatar_id=local-avatar",
        "AgoraChannels": "{caller},lobby",
        "AgoraAllowRtm": "true",
    }


def secret(vendor: str) -> dict[str, Any]:
    """A vendor's secret as an operator would set it; its twin, if it has one, knows the keys."""
    if vendor == "spatialgen":
        return _spatialgen()
    return PAIRS.get(vendor, {"api_key": SHAPED_KEYS.get(vendor, f"{vendor}-local-key")})


def _spatialgen() -> dict[str, Any]:
    """Its readonly key is a temporary one, which lasts for a week."""
    expires = datetime.now(UTC) + timedelta(days=7)
    return {
        "readonly": {"key": "spatialgen-local-readonly", "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ")},
        "upload": {"key": "spatialgen-local-upload"},
    }
