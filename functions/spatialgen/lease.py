"""The lease of the readonly key."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, NoReturn

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.credentials import Credential, not_revocable, rfc3339
from minting.operations import Mint, Operation, Request
from minting.problems import FieldError

from .service import SpatialGenKeys, readonly_key, settings, vendor


class LeaseRequest(Body, frozen=True):
    """It has no fields, because there is only one key to lease."""


class Lease(msgspec.Struct, frozen=True):
    """The fields for the client."""

    key: str
    role: Literal["readonly"]
    expires_at: str


class RevokeRequest(Body, frozen=True):
    """The leased key to revoke."""

    key: str


def forbidden_lease(_: LeaseRequest, __: Caller) -> Iterator[FieldError]:
    """Refuses the lease when SPATIALGEN_LEASE is off: the key is not limited to folders."""
    if not settings.spatialgen_lease:
        yield FieldError(
            "", "This deployment does not lease its key. Use its routes for reads and licences (SPATIALGEN_LEASE)"
        )


@vendor.route(Mint(body=LeaseRequest, forbidden_fields=forbidden_lease), "POST /v1/spatialgen/keys")
def lease(_: LeaseRequest, request: Request[SpatialGenKeys]) -> Credential[Lease]:
    """Returns the readonly key: the same one for all callers, with the same expiry."""
    held = readonly_key(request.key)
    fields = Lease(held.key.strip(), held.role, rfc3339(held.expires_at))
    return Credential(fields, fields.key, held.expires_at)


@vendor.route(Operation(body=RevokeRequest), "POST /v1/spatialgen/keys/revoke")
def revoke(_: RevokeRequest, request: Request[SpatialGenKeys]) -> NoReturn:
    """Answers `not_revocable`, because the vendor's API cannot revoke a key.

    The team can revoke it on the vendor's dashboard, for all callers at once.
    """
    raise not_revocable(readonly_key(request.key).expires_at - datetime.now(UTC))
