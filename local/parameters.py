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
    }


def secret(vendor: str) -> dict[str, Any]:
    """A vendor's secret as an operator would set it; its twin knows the keys."""
    if vendor == "spatialgen":
        return _spatialgen()
    return {"api_key": SHAPED_KEYS.get(vendor, f"{vendor}-local-key")}


def _spatialgen() -> dict[str, Any]:
    """Its readonly key is a temporary one, which lasts for a week."""
    expires = datetime.now(UTC) + timedelta(days=7)
    return {
        "readonly": {"key": "spatialgen-local-readonly", "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ")},
        "upload": {"key": "spatialgen-local-upload"},
    }
