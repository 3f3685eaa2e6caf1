"""What a client is given: the vendor's own fields, and beside them the traits of the credential, the same for every vendor."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from minting.problems import Problem

EARLIEST_YEAR, LATEST_YEAR = 2000, 2999
"""What lies beyond is no expiry, and at the ends of time not even a date in every zone."""


class CredentialTraits(NamedTuple):
    """What holds for every credential that an operation mints.

    ends_session: whether what was opened with it ends with it; otherwise its end stops new connections only.
    ttl: its life in seconds where that is fixed, or the name of the request's field or the setting that says it.
    """

    single_use: bool = False
    extendable: bool = False
    revocable: bool = False
    takes_slot: bool = False
    ends_session: bool = False
    ttl: int | str | None = None

    def members(self) -> dict[str, bool]:
        """Those that every answer's `mint` has."""
        return {name: getattr(self, name) for name in ("single_use", "extendable", "revocable", "takes_slot")}


class Credential[S: msgspec.Struct](NamedTuple):
    """A minted credential. `body` is what the vendor's client SDK takes; `secret` is the one value in it that grants access.

    `expires_at` is aware, in UTC, and None where the vendor does not say. `public` are settings that the team adds to the body;
    where both have a field, the body's stays.
    """

    body: S
    secret: str
    expires_at: datetime | None
    public: Mapping[str, str | int] = MappingProxyType({})

    def answer(self, mint_id: str, vendor: str, traits: CredentialTraits) -> dict[str, Any]:
        """The response body: the vendor's fields at the top level and our `mint`. What is not known is null."""
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
    """`2026-11-21T22:00:00Z`: whole seconds, rounded down, so that a credential is never said to live longer than it does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(iso: object) -> datetime | None:
    """The moment that an ISO 8601 text names, read as UTC where it has no zone; None where it names none that makes sense."""
    try:
        moment = datetime.fromisoformat(iso if isinstance(iso, str) else "")
    except ValueError:
        return None
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def not_revocable(longest: timedelta) -> Problem:
    """The answer of a vendor that cannot revoke: until when, at the latest, a credential that is out now is good."""
    until = rfc3339(datetime.now(UTC) + longest)
    return Problem(
        "not_revocable", f"The vendor cannot revoke it. It ends by itself, by {until} at the latest.", valid_until=until
    )
