"""The response of a mint: the vendor's own fields, and `mint`, which is alike for all vendors."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from minting.problems import Problem

EARLIEST_YEAR, LATEST_YEAR = 2000, 2999
"""Years outside this range are not plausible expiries, and can overflow in another time zone."""


class CredentialTraits(NamedTuple):
    """What holds for every credential that an operation mints.

    ends_session: the session ends when the credential expires. Otherwise expiry stops new
    connections only.
    ttl: seconds if the lifetime is fixed, or the name of the request's field or of the setting that
    holds it.
    """

    single_use: bool = False
    extendable: bool = False
    revocable: bool = False
    takes_slot: bool = False
    ends_session: bool = False
    ttl: int | str | None = None

    def members(self) -> dict[str, bool]:
        """The traits that `mint` shows in every response."""
        return {name: getattr(self, name) for name in ("single_use", "extendable", "revocable", "takes_slot")}


class Credential[S: msgspec.Struct](NamedTuple):
    """A minted credential.

    `body` has the fields for the vendor's client SDK. `secret` is the one value in it that grants
    access. `expires_at` is an aware UTC time, or None if the vendor does not tell it. `public` are
    settings that the team adds to the response. If both name a field, the body's value stays.
    """

    body: S
    secret: str
    expires_at: datetime | None
    public: Mapping[str, str | int] = MappingProxyType({})

    def answer(self, mint_id: str, vendor: str, traits: CredentialTraits) -> dict[str, Any]:
        """The response body: the vendor's fields at the top level, and our `mint`.

        Unknown values are null.
        """
        now = datetime.now(UTC).replace(microsecond=0)
        left = max(0, int((self.expires_at - now).total_seconds())) if self.expires_at else None
        mint = {
            "id": mint_id,
            "vendor": vendor,
            "issued_at": rfc3339(now),
            "expires_at": rfc3339(self.expires_at) if self.expires_at else None,
            "expires_in": left,
        }
        return {**self.public, **msgspec.to_builtins(self.body), "mint": mint | traits.members()}


def rfc3339(moment: datetime) -> str:
    """A time such as `2026-11-21T22:00:00Z`.

    It is rounded down, so that we never promise too long a lifetime.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(iso: object) -> datetime | None:
    """The time in an ISO 8601 string, read as UTC if it has no zone.

    None if it is not a plausible time.
    """
    try:
        moment = datetime.fromisoformat(iso if isinstance(iso, str) else "")
    except ValueError:
        return None
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def not_revocable(max_life: timedelta) -> Problem:
    """The answer for a vendor that cannot revoke.

    It tells by when a credential minted now expires.
    """
    until = rfc3339(datetime.now(UTC) + max_life)
    return Problem(
        "not_revocable", f"The vendor cannot revoke it. It expires by {until} at the latest.", valid_until=until
    )
