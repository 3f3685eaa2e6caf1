"""Vendors that cannot revoke say so, and until when what is out is good."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Function

SOON = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("vendor", "longest"),
    [
        ("spatius", timedelta(hours=24)),
        ("odyssey", timedelta(minutes=10)),
        ("trulience", timedelta(hours=1)),
        ("spatialgen", timedelta(days=7)),
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
