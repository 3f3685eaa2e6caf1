"""SpatialGen's lease: it hands out the readonly key, and no other key, if the deployment allows it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.functions.contract import NOT_ALLOWED, NOT_CONFIGURED, Fresh, minted, said

LONG_AGO = "2020-01-01T00:00:00Z"
UPLOAD = {"key": "an-upload-key"}
READS = ["spatialgen-videos", "spatialgen-streams", "spatialgen-widevine"]


def readonly(**changes: Any) -> dict[str, Any]:
    return {"key": "a-readonly-key", "expires_at": "2999-01-01T00:00:00Z"} | changes


def test_a_lease_returns_the_readonly_key_and_its_expiry(tableless: Fresh) -> None:
    expires_at = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ")
    mint = minted(
        tableless("spatialgen", {"readonly": readonly(expires_at=expires_at), "upload": UPLOAD}).ask("spatialgen-lease")
    )
    assert mint.fields == {"key": "a-readonly-key", "role": "readonly", "expires_at": expires_at}
    assert (mint.vendor, mint.facts, mint.expires_at) == ("spatialgen", set(), expires_at)
    assert mint.expires_in in range(7 * 86_400 - 3, 7 * 86_400 + 1)


def test_a_lease_does_not_call_the_vendor(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    assert minted(spatialgen.ask("spatialgen-lease"))
    assert spatialgen.twin.calls == []


@pytest.mark.parametrize("lease", ["", "false"])
def test_the_lease_is_off_by_default(tableless: Fresh, lease: str) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_LEASE=lease)
    assert said(spatialgen.ask("spatialgen-lease")) == NOT_ALLOWED
    assert [spatialgen.ask(event).status for event in READS] == [200, 200, 200]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("2999-01-01T00:00:00+02:00", "2998-12-31T22:00:00Z"),
        ("2999-01-01T00:00:00.987Z", "2999-01-01T00:00:00Z"),
        ("2999-01-01T00:00:00-00:00", "2999-01-01T00:00:00Z"),
    ],
)
def test_an_expiry_in_any_zone_is_returned_in_utc(tableless: Fresh, theirs: str, ours: str) -> None:
    mint = minted(tableless("spatialgen", {"readonly": readonly(expires_at=theirs)}).ask("spatialgen-lease"))
    assert (mint.fields["expires_at"], mint.expires_at) == (ours, ours)


def test_the_secret_may_name_the_role_readonly(tableless: Fresh) -> None:
    assert minted(tableless("spatialgen", {"readonly": readonly(role="readonly")}).ask("spatialgen-lease"))


UNUSABLE: dict[str, Any] = {
    "nothing": {},
    "no JSON": "not JSON",
    "upload only": {"upload": UPLOAD},
    "admin only": {"admin": readonly()},
    "null": {"readonly": None, "upload": UPLOAD},
    "another vendor's": {"api_key": "a-key"},
    "role admin": {"readonly": readonly(role="admin")},
    "role upload": {"readonly": readonly(role="upload")},
    "role null": {"readonly": readonly(role=None)},
    "no expiry": {"readonly": {"key": "a-readonly-key"}},
    "empty key": {"readonly": readonly(key="")},
    "key of two lines": {"readonly": readonly(key="two\nlines")},
    "a date": {"readonly": readonly(expires_at="2999-01-01")},
    "no zone": {"readonly": readonly(expires_at="2999-01-01T00:00:00")},
    "a number": {"readonly": readonly(expires_at=32503680000)},
    "expired": {"readonly": readonly(expires_at=LONG_AGO)},
    "expired just now": {"readonly": readonly(expires_at=datetime.now(UTC).isoformat())},
}


@pytest.mark.parametrize("secret", UNUSABLE.values(), ids=UNUSABLE)
def test_a_secret_without_a_valid_readonly_key_is_not_configured(tableless: Fresh, secret: object) -> None:
    answer = tableless("spatialgen", secret).ask("spatialgen-lease")
    assert said(answer) == NOT_CONFIGURED
    assert "-key" not in answer.raw["body"]


@pytest.mark.parametrize("asked", [{"role": "admin"}, {"role": "upload"}, {"role": "readonly"}, {"key": "upload"}])
def test_a_caller_cannot_choose_a_role(tableless: Fresh, asked: dict[str, str]) -> None:
    answer = tableless("spatialgen").ask("spatialgen-lease", asked)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("before", [readonly(expires_at=LONG_AGO), None], ids=["expired", "none"])
def test_a_replaced_key_is_leased_at_once(tableless: Fresh, before: Any) -> None:
    spatialgen = tableless("spatialgen", {"readonly": before})
    spatialgen.put_key({"readonly": readonly(key="the-new-key")})
    assert minted(spatialgen.ask("spatialgen-lease")).fields["key"] == "the-new-key"


def test_a_removed_key_is_not_leased(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen", {"readonly": readonly(expires_at=LONG_AGO)})
    spatialgen.put_key({"upload": UPLOAD})
    assert said(spatialgen.ask("spatialgen-lease")) == NOT_CONFIGURED


def test_an_expired_key_is_refused_every_time(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen", {"readonly": readonly(expires_at=LONG_AGO)})
    assert [said(spatialgen.ask("spatialgen-lease")) for _ in range(3)] == [NOT_CONFIGURED] * 3


def test_a_secret_with_one_key_in_both_roles_is_not_configured(tableless: Fresh) -> None:
    both = {"readonly": {"key": "one", "expires_at": "2999-01-01T00:00:00Z"}, "upload": {"key": "one"}}
    answer = tableless("spatialgen", secret=both).ask("spatialgen-lease")
    assert (answer.status, answer.body["code"]) == (503, "not_configured")
