"""Widevine licences for players, which hold no key."""

from typing import Annotated
from uuid import UUID

import msgspec

from minting.bodies import Body
from minting.operations import Operation, Request

from .reads import forbidden_reads
from .service import READS, SpatialGenKeys, drm, readonly_headers, uses_readonly_key, vendor


class LicenseRequest(Body, frozen=True):
    """A request for a licence.

    `license_challenge`: what the player's content decryption module sends, in base64. It has some
    kilobytes.
    """

    key_id: UUID
    license_challenge: Annotated[bytes, msgspec.Meta(min_length=1, max_length=16 * 1024 - 1)]


class License(msgspec.Struct, frozen=True):
    """The vendor's reply, unchanged. According to third parties, the licence is in base64."""

    license: Annotated[str, msgspec.Meta(min_length=1)]


@vendor.route(
    Operation(
        body=LicenseRequest,
        outcome="licensed",
        forbidden_fields=forbidden_reads,
        budget=READS,
        max_body_bytes=32 * 1024,
        uses_key=uses_readonly_key,
    ),
    "POST /v1/spatialgen/licenses/widevine",
)
def license_widevine(body: LicenseRequest, request: Request[SpatialGenKeys]) -> License:
    """Returns a licence for one player.

    It does not check the folder, because the vendor does not tell the folder of a `key_id`.
    """
    return drm.request(
        "POST", "widevine/license", License, request.deadline, headers=readonly_headers(request), json=body
    )
