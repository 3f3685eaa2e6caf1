"""What all functions share: the way of a request, its caller, key, calls upstream, problems and record."""

import gc

gc.disable()  # nothing that is imported is garbage: a tenth of a cold start went into looking for it

from minting.bodies import Body
from minting.credentials import Credential, Facts, not_revocable, rfc3339, utc
from minting.keys import ApiKey, Key, Secret
from minting.limits import digest
from minting.owners import Owners, token
from minting.problems import CATALOGUE, FieldError, KeyRejected, Problem
from minting.settings import AllowList, Settings
from minting.slots import Rules
from minting.upstream import (
    Dialect,
    Reply,
    Upstream,
    by_status,
    key_rejected,
    segment,
    vendor_error,
)
from minting.vendor import Call, Vendor

gc.freeze()
gc.enable()

__all__ = [
    "CATALOGUE",
    "AllowList",
    "ApiKey",
    "Body",
    "Call",
    "Credential",
    "Dialect",
    "Facts",
    "FieldError",
    "Key",
    "KeyRejected",
    "Owners",
    "Problem",
    "Reply",
    "Rules",
    "Secret",
    "Settings",
    "Upstream",
    "Vendor",
    "by_status",
    "digest",
    "key_rejected",
    "not_revocable",
    "rfc3339",
    "segment",
    "token",
    "utc",
    "vendor_error",
]
