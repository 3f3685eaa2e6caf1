"""SpatialGen: a lease of the temporary readonly key; the vendor itself mints nothing. Facts: docs/vendors/spatialgen.md."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from minting import Body, Call, Credential, Facts, Key, KeyRejected, Problem, Secret, Settings, Vendor, rfc3339


class SpatialGenSettings(Settings, frozen=True, kw_only=True):
    """`SPATIALGEN_API_URL` and `SPATIALGEN_DRM_URL`."""

    spatialgen_api_url: str = "https://spatialgen.com/api"
    spatialgen_drm_url: str = "https://drm.spatialgen.com"


class ReadonlyKey(Key, frozen=True):
    """A temporary key of the role `readonly`, and the date that the vendor's dashboard shows for it (RFC 3339, with its zone)."""

    key: Secret
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    role: Literal["readonly"] = "readonly"


class UploadKey(Key, frozen=True):
    """A key of the role `upload`; it never leaves the functions."""

    key: Secret


class SpatialGenKeys(Key, frozen=True):
    """The vendor's secret. The API cannot tell a key's role or expiry, so the secret says them."""

    readonly: ReadonlyKey | None = None
    upload: UploadKey | None = None


class LeaseRequest(Body, frozen=True):
    """Nothing can be chosen: there is one key, and its role is `readonly`."""


vendor = Vendor("spatialgen", SpatialGenSettings, SpatialGenKeys)


@vendor.mints("POST /v1/spatialgen/keys", body=LeaseRequest, facts=Facts())
def lease(_: LeaseRequest, call: Call[SpatialGenKeys]) -> Credential:
    """The readonly key as it is: every caller gets the same one, and it ends for all of them at once."""
    readonly = call.key.readonly
    if readonly is None:
        raise unusable("there is no readonly key in its secret")
    if readonly.expires_at <= datetime.now(UTC):
        raise unusable("its readonly key has expired")
    body: dict[str, object] = {
        "key": readonly.key.strip(),
        "role": readonly.role,
        "expires_at": rfc3339(readonly.expires_at),
    }
    return Credential(body, readonly.key.strip(), readonly.expires_at)


def unusable(reason: str) -> Problem:
    """A rejected key, so that the secret is looked at again: the team may have put a new one in it a moment ago."""
    return KeyRejected("not_configured", f"The team that runs this deployment has to set a SpatialGen key: {reason}.")


handler = vendor.handler
