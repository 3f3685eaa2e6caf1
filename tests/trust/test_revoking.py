"""Vendors that cannot revoke say so, and until when what is out is good."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.trust.vendors import ALL, Vendor

if TYPE_CHECKING:
    from tests.conftest import Function

SOON = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("vendor", "longest"),
    [
        ("spatius", timedelta(hours=24)),
        ("odyssey", timedelta(minutes=10)),
        ("trulience", timedelta(hours=1)),
        ("livekit", timedelta(hours=6)),
        ("agora", timedelta(hours=24)),
    ],
)
def test_a_vendor_that_cannot_revoke_says_until_when_its_credentials_are_good(
    function: Callable[..., "Function"], vendor: str, longest: timedelta
) -> None:
    fresh = function(vendor)
    answer = fresh.ask(f"{vendor}-revoke")
    assert (answer.status, answer.body["code"]) == (409, "not_revocable")
    assert longest - SOON < datetime.fromisoformat(answer.body["valid_until"]) - datetime.now(UTC) <= longest
    assert fresh.twin.calls == []


@pytest.mark.parametrize("vendor", [vendor for vendor in ALL if not vendor.revocable], ids=lambda vendor: vendor.name)
def test_what_cannot_be_revoked_ends_no_later_than_it_is_said_to(
    function: Callable[..., "Function"], vendor: Vendor
) -> None:
    fresh = function(vendor.name)
    credential = fresh.ask(vendor.event).body
    refused = fresh.ask(f"{vendor.name}-revoke", {vendor.field: credential[vendor.field]})
    assert (refused.status, refused.body["code"]) == (409, "not_revocable")
    ends = credential["mint"]["expires_at"]
    assert ends is None or datetime.fromisoformat(ends) <= datetime.fromisoformat(refused.body["valid_until"])


def test_a_leased_key_ends_when_its_secret_says(function: Callable[..., "Function"]) -> None:
    fresh = function("spatialgen", {"readonly": {"key": "a-key", "expires_at": "2999-01-01T01:00:00+01:00"}})
    answer = fresh.ask("spatialgen-revoke")
    assert (answer.status, answer.body["code"]) == (409, "not_revocable")
    assert SOON > datetime.fromisoformat(answer.body["valid_until"]) - datetime(2999, 1, 1, tzinfo=UTC) > -SOON
    assert fresh.twin.calls == []
