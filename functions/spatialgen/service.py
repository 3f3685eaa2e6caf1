"""The vendor: its settings, its keys, and the clients that call it."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from minting.keys import Key, Secret
from minting.operations import Request
from minting.problems import KeyRejected, Problem
from minting.settings import AllowList, Settings
from minting.upstream import Upstream
from minting.vendor import Vendor

from .errors import interpret_resource_reply, interpret_start_reply
from .upload_rules import MAX_FILES


class SpatialGenSettings(Settings, frozen=True, kw_only=True):
    """`SPATIALGEN_API_URL`, `SPATIALGEN_DRM_URL`: where the vendor's APIs are.

    `SPATIALGEN_LEASE`: whether callers get the readonly key itself.
    `SPATIALGEN_FOLDERS`: the folders that callers may read.
    `SPATIALGEN_UPLOAD_FOLDERS`: the folders that an upload may name.
    `SPATIALGEN_UPLOAD_MAX_FILES`, `SPATIALGEN_UPLOAD_MAX_BYTES`: limits of one upload.
    `READS_CALLER_PER_HOUR`, `READS_PER_DAY`: lists and licences for one caller and for all.
    """

    spatialgen_api_url: str = "https://spatialgen.com/api"
    spatialgen_drm_url: str = "https://drm.spatialgen.com"
    spatialgen_lease: bool = False
    spatialgen_folders: AllowList = AllowList()
    spatialgen_upload_folders: AllowList = AllowList()
    spatialgen_upload_max_files: Annotated[int, msgspec.Meta(ge=1, le=MAX_FILES)] = MAX_FILES
    spatialgen_upload_max_bytes: Annotated[int, msgspec.Meta(ge=1, lt=2**53)] = 200 * 10**9
    reads_caller_per_hour: Annotated[int, msgspec.Meta(ge=1)] = 600
    reads_per_day: Annotated[int, msgspec.Meta(ge=1)] = 50_000


class ReadonlyKey(Key, frozen=True):
    """A temporary key of the role `readonly`.

    `expires_at` is the date that the vendor's dashboard shows for it (RFC 3339, with a zone).
    """

    key: Secret
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    role: Literal["readonly"] = "readonly"


class UploadKey(Key, frozen=True):
    """A key of the role `upload`. Callers never get it."""

    key: Secret


class SpatialGenKeys(Key, frozen=True):
    """The vendor's secret. It states each key's role and expiry, because the API does not."""

    readonly: ReadonlyKey | None = None
    upload: UploadKey | None = None

    def __post_init__(self) -> None:
        if self.readonly and self.upload and self.readonly.key.strip() == self.upload.key.strip():
            # Otherwise the lease would hand out the upload key.
            raise ValueError("one key cannot have two roles")


vendor = Vendor("spatialgen", SpatialGenSettings, SpatialGenKeys)
settings = vendor.settings
READS = "reads"
"""The budget of lists and licences. A player needs more of them than a team allows mints."""
vendor.add_budget(READS, settings.reads_caller_per_hour, settings.reads_per_day)
# A read, sign, complete or cancel may be retried: it does the same again. The vendor documents that
# for complete. We assume it for the others.
api = Upstream(settings.spatialgen_api_url, repeatable=["videos/"], interpret=interpret_resource_reply)
# A start may not be retried: each one may leave an upload that nobody can continue.
starts = Upstream(settings.spatialgen_api_url, interpret=interpret_start_reply)
drm = Upstream(settings.spatialgen_drm_url, repeatable=["widevine/license"], interpret=interpret_resource_reply)


# Keys

EXPIRES_IN = "key_expires_in"
"""The metric that the alarm in template.yaml watches, in seconds."""


def uses_readonly_key(keys: SpatialGenKeys) -> ReadonlyKey | None:
    """The key of leases, reads and licences. If the vendor rejects it, uploads continue."""
    return keys.readonly


def uses_upload_key(keys: SpatialGenKeys) -> UploadKey | None:
    """The key of uploads. If the vendor rejects it, leases, reads and licences continue."""
    return keys.upload


def readonly_headers(request: Request[SpatialGenKeys]) -> dict[str, str]:
    """The headers of reads and licences, with the readonly key."""
    return {"X-SPATIALGEN-APPKEY": readonly_key(request.key).key.strip()}


def upload_headers(request: Request[SpatialGenKeys]) -> dict[str, str]:
    """The headers of uploads, with the upload key."""
    if request.key.upload is None:
        raise unusable_key("there is no upload key in its secret")
    return {"X-SPATIALGEN-APPKEY": request.key.upload.key.strip()}


def readonly_key(keys: SpatialGenKeys) -> ReadonlyKey:
    """The readonly key. Each use writes its remaining seconds to the metric of the alarm.

    Raises `not_configured` if there is none or if it has expired.
    """
    if keys.readonly is None:
        raise unusable_key("there is no readonly key in its secret")
    left = seconds_left(keys.readonly)
    vendor.audit.gauge(EXPIRES_IN, left)
    if left <= 0:
        raise unusable_key("its readonly key has expired")
    return keys.readonly


@vendor.key_expires(EXPIRES_IN)
def readonly_seconds_left(keys: SpatialGenKeys) -> float | None:
    """Seconds until the readonly key expires. None for a deployment that only uploads."""
    return seconds_left(keys.readonly) if keys.readonly else None


def seconds_left(key: ReadonlyKey) -> float:
    """Seconds until the key expires. Negative once it has expired."""
    return (key.expires_at - datetime.now(UTC)).total_seconds()


def unusable_key(reason: str) -> Problem:
    """A missing or expired key counts as rejected, so that the secret is read again.

    The team may have set a new key a moment ago.
    """
    return KeyRejected("not_configured", f"The team that runs this deployment must set a SpatialGen key: {reason}.")


# Fields that reads and uploads have

type Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
"""The name of a folder or a video. The limit is ours."""

type Number = int | float | None
"""A number of a reply, if the vendor sends it."""
