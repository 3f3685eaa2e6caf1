"""SpatialGen: the lease of the one key that may be handed out, and the many reasons not to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.functions.contract import NOT_CONFIGURED, Fresh, minted, said

UPLOAD = {"key": "an-upload-key"}


def days(count: float) -> str:
    return (datetime.now(UTC) + timedelta(days=count)).isoformat(timespec="seconds")


def readonly(**changes: Any) -> dict[str, Any]:
    return {"key": "a-readonly-key", "expires_at": days(7)} | changes


def test_a_lease_is_the_readonly_key_with_its_own_expiry(function: Fresh) -> None:
    expires_at = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ")
    mint = minted(
        function("spatialgen", {"readonly": readonly(expires_at=expires_at), "upload": UPLOAD}).ask("spatialgen-lease")
    )
    assert mint.fields == {"key": "a-readonly-key", "role": "readonly", "expires_at": expires_at}
    assert (mint.vendor, mint.facts, mint.expires_at) == ("spatialgen", set(), expires_at)
    assert mint.expires_in in range(7 * 86_400 - 3, 7 * 86_400 + 1)


def test_a_lease_asks_the_vendor_nothing(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    assert minted(spatialgen.ask("spatialgen-lease"))
    assert spatialgen.twin.calls == []


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("2999-01-01T00:00:00+02:00", "2998-12-31T22:00:00Z"),
        ("2999-01-01T00:00:00.987Z", "2999-01-01T00:00:00Z"),
        ("2999-01-01T00:00:00-00:00", "2999-01-01T00:00:00Z"),
    ],
)
def test_an_expiry_in_any_zone_is_told_in_utc(function: Fresh, theirs: str, ours: str) -> None:
    mint = minted(function("spatialgen", {"readonly": readonly(expires_at=theirs)}).ask("spatialgen-lease"))
    assert (mint.fields["expires_at"], mint.expires_at) == (ours, ours)


def test_a_role_that_says_readonly_is_fine(function: Fresh) -> None:
    assert minted(function("spatialgen", {"readonly": readonly(role="readonly")}).ask("spatialgen-lease"))


@pytest.mark.parametrize(
    "secret",
    [
        {},
        {"upload": UPLOAD},
        {"upload": readonly()},
        {"admin": readonly()},
        {"readonly": None, "upload": UPLOAD},
        {"api_key": "a-key"},
        {"readonly": readonly(role="admin")},
        {"readonly": readonly(role="upload")},
        {"readonly": readonly(role="")},
        {"readonly": readonly(role=None)},
        {"readonly": "a-readonly-key"},
        {"readonly": {"key": "a-readonly-key"}},
        {"readonly": readonly(key="")},
        {"readonly": readonly(key=None)},
        {"readonly": readonly(key="two\nlines")},
        {"readonly": readonly(expires_at=None)},
        {"readonly": readonly(expires_at="2999-01-01")},
        {"readonly": readonly(expires_at="2999-01-01T00:00:00")},
        {"readonly": readonly(expires_at=32503680000)},
        {"readonly": readonly(expires_at="2020-01-01T00:00:00Z")},
        {"readonly": readonly(expires_at=days(-0.0001))},
    ],
    ids=lambda secret: str(secret)[:60],
)
def test_without_a_live_readonly_key_nothing_is_handed_out(function: Fresh, secret: dict[str, Any]) -> None:
    answer = function("spatialgen", secret).ask("spatialgen-lease")
    assert said(answer) == NOT_CONFIGURED
    assert "-key" not in answer.raw["body"]


@pytest.mark.parametrize("asked", [{"role": "admin"}, {"role": "upload"}, {"role": "readonly"}, {"key": "upload"}])
def test_a_caller_cannot_choose_a_role(function: Fresh, asked: dict[str, str]) -> None:
    answer = function("spatialgen").ask("spatialgen-lease", asked)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("before", [readonly(expires_at="2020-01-01T00:00:00Z"), None])
def test_a_key_replaced_while_the_function_is_warm_is_leased_at_once(function: Fresh, before: Any) -> None:
    spatialgen = function("spatialgen", {"readonly": before})
    spatialgen.put_key({"readonly": readonly(key="the-new-key")})
    assert minted(spatialgen.ask("spatialgen-lease")).fields["key"] == "the-new-key"


def test_a_key_taken_out_while_the_function_is_warm_leaves_the_old_refusal(function: Fresh) -> None:
    spatialgen = function("spatialgen", {"readonly": readonly(expires_at="2020-01-01T00:00:00Z")})
    spatialgen.put_key({"upload": UPLOAD})
    assert said(spatialgen.ask("spatialgen-lease")) == NOT_CONFIGURED


def test_an_expired_key_is_refused_again_and_again(function: Fresh) -> None:
    spatialgen = function("spatialgen", {"readonly": readonly(expires_at="2020-01-01T00:00:00Z")})
    assert [said(spatialgen.ask("spatialgen-lease")) for _ in range(3)] == [NOT_CONFIGURED] * 3
