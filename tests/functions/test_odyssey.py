"""Odyssey: the calls behind a credential, the slot that one of them takes, and what each of the vendor's errors becomes."""

import base64
import json
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pytest

from local.bundle import AS_IT_IS
from local.twins.twin import Fault
from tests.functions.contract import (
    BUSY,
    ERROR,
    INVALID,
    KEY_REJECTED,
    MALFORMED,
    NO_CAPACITY,
    OPERATORS_ERROR,
    PASSING_ERROR,
    UNAVAILABLE,
    Fresh,
    Said,
    faults,
    minted,
    said,
)
from tests.trust.unlimited import NoTable

if TYPE_CHECKING:
    from tests.conftest import Answer, Function

SIGN_IN, REQUEST, TOKEN = CALLS = "/auth/token", "/sessions/request", "/sessions/token"
AFTER_7 = {"Retry-After": "7"}


def session_token(claims: object) -> str:
    """A JWT as far as the vendor's SDKs read it: its payload. Bytes are taken as they are."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.c2ln"


S_1 = session_token({"session_id": "s-1"})


@pytest.fixture
def odyssey(warm: Fresh) -> "Function":
    """One that has not signed in yet."""
    function = warm("odyssey")
    function.forget_sign_in()
    return function


def mint(odyssey: "Function", body: Any = AS_IT_IS) -> "Answer":
    """By a caller who has no session yet."""
    return odyssey.ask("odyssey-mint", body, sub=uuid4().hex)


def paths(odyssey: "Function") -> list[str]:
    return [call.path for call in odyssey.twin.calls]


def sessions(odyssey: "Function") -> list[str]:
    """The slots taken."""
    twin: Any = odyssey.twin
    return list(twin.sessions)


def settings(odyssey: "Function", **values: object) -> None:
    for name, value in values.items():
        setattr(odyssey.twin, name, value)


def test_a_mint_gives_what_the_vendors_sdk_loads(odyssey: "Function") -> None:
    credential = minted(mint(odyssey))
    assert credential.fields.keys() == {"session_id", "signaling_url", "session_token", "expires_in", "capabilities"}
    assert credential.fields["signaling_url"].startswith("ws://127.0.0.1:")
    assert (credential.fields["expires_in"], credential.fields["capabilities"]) == (600, {"image_to_video": True})
    claims = jwt.decode(credential.fields["session_token"], options={"verify_signature": False})
    assert claims["session_id"] == credential.fields["session_id"]
    assert (credential.vendor, credential.facts) == ("odyssey", {"takes_slot"})
    assert credential.expires_in in range(598, 601)


def test_three_calls_are_made_and_each_says_what_it_has_to(odyssey: "Function") -> None:
    session_id = minted(mint(odyssey)).fields["session_id"]
    twin: Any = odyssey.twin
    [access] = twin.access_tokens
    said_each = [
        (call.method, call.path, call.query, call.headers.get("authorization"), json.loads(call.body))
        for call in twin.calls
    ]
    assert said_each == [
        ("POST", SIGN_IN, "", None, {"api_key": "ody_local_key"}),
        ("POST", REQUEST, "", f"Bearer {access}", {}),
        ("POST", TOKEN, "", f"Bearer {access}", {"session_id": session_id}),
    ]
    assert {call.headers["content-type"] for call in twin.calls} == {"application/json"}


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"region_latencies": {"us-west": 12, "eu_1": 60_000, "x": 0}}, {"us-west": 12, "eu_1": 60_000, "x": 0}),
        ({"region_latencies": {}}, None),
        ({"region_latencies": None}, None),
    ],
)
def test_the_clients_latencies_are_passed_on_as_they_are(odyssey: "Function", body: dict[str, Any], sent: Any) -> None:
    assert minted(mint(odyssey, body))
    assert json.loads(odyssey.twin.calls[1].body) == ({"region_latencies": sent} if sent else {})


@pytest.mark.parametrize(
    "latencies",
    [
        *[
            {"us-west": -1},
            {"us-west": 60_001},
            {"us-west": 1.5},
            {"us-west": "12"},
            {"us-west": None},
            {"us-west": True},
        ],
        *[{"us-west": []}, {"us-west": 10**30}],
        *[{"": 12}, {"us west": 12}, {"a" * 65: 12}, {"us-west\n": 12}, {"é": 12}],
        *[[], "us-west", 5, {str(count): 1 for count in range(33)}],
    ],
    ids=lambda latencies: str(latencies)[:40],
)
def test_latencies_that_cannot_be_are_refused_before_the_vendor_is_asked(odyssey: "Function", latencies: Any) -> None:
    answer = mint(odyssey, {"region_latencies": latencies})
    assert (said(answer), odyssey.twin.calls) == (INVALID, [])
    assert all(field.startswith("region_latencies") for field in faults(answer))


# Every documented error


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"detail": "Invalid API key"}, KEY_REJECTED.of(401)),
        (403, {"detail": "API key is not allowed to create sessions"}, KEY_REJECTED.of(403)),
        (422, {"detail": [{"type": "missing", "loc": ["body", "api_key"]}]}, KEY_REJECTED.of(422)),
        (429, {"detail": "Too many requests"}, BUSY.of(429, retry_after=7)),
        (500, "Internal Server Error", PASSING_ERROR.of(500)),
        (503, {"detail": "unavailable"}, UNAVAILABLE.of(503, retry_after=7)),
        (200, {"expires_in": 3600}, MALFORMED.of(200)),
        (201, {}, MALFORMED.of(201)),
    ],
)
def test_every_error_of_the_sign_in_takes_no_slot(odyssey: "Function", status: int, body: Any, expected: Said) -> None:
    odyssey.twin.fault(Fault(path=SIGN_IN, status=status, body=body, headers=AFTER_7))
    assert said(mint(odyssey)) == expected
    assert sessions(odyssey) == []


@pytest.mark.parametrize(
    ("path", "status", "body", "expected"),
    [
        (REQUEST, 401, {"detail": "Invalid or expired token"}, ERROR.of(401)),
        (REQUEST, 403, {"detail": "Forbidden"}, KEY_REJECTED.of(403)),
        (REQUEST, 404, {"detail": "Not Found"}, ERROR.of(404)),
        (REQUEST, 422, {"detail": [{"loc": ["body"]}]}, ERROR.of(422)),
        (REQUEST, 500, "Internal Server Error", PASSING_ERROR.of(500)),
        (REQUEST, 502, "<html>Bad gateway</html>", UNAVAILABLE.of(502)),
        (REQUEST, 504, "", UNAVAILABLE.of(504)),
        (TOKEN, 401, {"detail": "Invalid or expired token"}, ERROR.of(401)),
        (TOKEN, 403, {"detail": "Forbidden"}, OPERATORS_ERROR.of(403)),
        (TOKEN, 422, {"detail": [{"loc": ["body"]}]}, ERROR.of(422)),
        (TOKEN, 429, {"detail": "Too many requests"}, BUSY.of(429)),
        (TOKEN, 500, "Internal Server Error", PASSING_ERROR.of(500)),
        (TOKEN, 502, "<html>Bad gateway</html>", UNAVAILABLE.of(502)),
        (TOKEN, 503, {"detail": "unavailable"}, UNAVAILABLE.of(503)),
    ],
)
def test_every_error_of_the_session_calls_has_its_meaning(
    odyssey: "Function", path: str, status: int, body: Any, expected: Said
) -> None:
    odyssey.twin.fault(Fault(path=path, status=status, body=body))
    assert said(mint(odyssey)) == expected
    assert len(sessions(odyssey)) == (path == TOKEN)


def test_a_session_that_the_vendor_does_not_know_is_taken_anew_once(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, status=404, body={"detail": "Session not found"}))
    assert said(mint(odyssey)) == ERROR.of(404)
    assert len(sessions(odyssey)) == 2


LIMITS = {
    "MONTHLY_LIMIT_REACHED": NO_CAPACITY._replace(fault="operator", retryable=False),
    "CONCURRENT_LIMIT_REACHED": NO_CAPACITY._replace(retry_after=5),
    "STREAM_DURATION_EXCEEDED": OPERATORS_ERROR,
    "ACCOUNT_SUSPENDED": OPERATORS_ERROR,
    "RATE_LIMITED": BUSY._replace(retry_after=30),
}


@pytest.mark.parametrize("shape", ["wrapped", "bare"])
@pytest.mark.parametrize("field", ["error", "code"])
@pytest.mark.parametrize("code", LIMITS)
def test_every_limit_has_its_meaning_in_every_form(odyssey: "Function", code: str, field: str, shape: str) -> None:
    settings(odyssey, refusal=code, refusal_field=field, refusal_shape=shape)
    assert said(mint(odyssey)) == LIMITS[code]._replace(vendor_status=429, vendor_code=code)
    assert (paths(odyssey), sessions(odyssey)) == ([SIGN_IN, REQUEST], [])


def test_a_limit_that_is_only_words_is_a_busy_vendor(odyssey: "Function") -> None:
    settings(odyssey, refusal="CONCURRENT_LIMIT_REACHED", refusal_shape="string")
    assert said(mint(odyssey)) == BUSY.of(429)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"detail": {"error": "CONCURRENT_LIMIT_REACHED"}}, NO_CAPACITY.of(429, "CONCURRENT_LIMIT_REACHED", 7)),
        ({"detail": {"error": "RATE_LIMITED", "details": None}}, BUSY.of(429, "RATE_LIMITED", 7)),
        ({"detail": {"error": "RATE_LIMITED", "details": {}}}, BUSY.of(429, "RATE_LIMITED", 7)),
        ({"detail": {"error": "SOMETHING_NEW", "message": "ody_local_key"}}, BUSY.of(429, retry_after=7)),
        ({"detail": {"error": ["RATE_LIMITED"]}}, BUSY.of(429, retry_after=7)),
        ({"detail": None}, BUSY.of(429, retry_after=7)),
        ({"detail": []}, BUSY.of(429, retry_after=7)),
        ([], BUSY.of(429, retry_after=7)),
        ("<html>", BUSY.of(429, retry_after=7)),
    ],
)
def test_an_odd_limit_goes_by_what_can_be_read_of_it(odyssey: "Function", body: Any, expected: Said) -> None:
    odyssey.twin.fault(Fault(path=REQUEST, status=429, body=body, headers=AFTER_7))
    assert said(mint(odyssey)) == expected


@pytest.mark.parametrize(
    ("named", "told"), [(30, 30), (12.5, 13), (-1, 5), (0, 5), ("30", 5), (None, 5), (True, 5), ([], 5)]
)
def test_the_wait_that_a_rate_limit_names_is_told_in_whole_seconds(odyssey: "Function", named: Any, told: int) -> None:
    detail = {"error": "RATE_LIMITED", "details": {"retry_after_seconds": named}}
    odyssey.twin.fault(Fault(path=REQUEST, status=429, body={"detail": detail}))
    assert said(mint(odyssey)) == BUSY.of(429, "RATE_LIMITED", told)


# The queue


def test_without_patience_a_busy_vendor_is_asked_once(function: Fresh) -> None:
    odyssey = function("odyssey", ODYSSEY_QUEUE_SECONDS="0")
    settings(odyssey, busy_polls=5)
    assert said(mint(odyssey)) == NO_CAPACITY.of(503, retry_after=5)
    assert (paths(odyssey), sessions(odyssey)) == ([SIGN_IN, REQUEST], [])


def test_a_busy_vendors_own_retry_after_is_told(function: Fresh) -> None:
    odyssey = function("odyssey", ODYSSEY_QUEUE_SECONDS="0")
    odyssey.twin.fault(Fault(path=REQUEST, status=503, headers=AFTER_7))
    assert said(mint(odyssey)) == NO_CAPACITY.of(503, retry_after=7)


def test_a_streamer_that_gets_free_in_time_is_waited_for(odyssey: "Function", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odyssey.module.credentials, "POLL_SECONDS", 0.01)
    settings(odyssey, busy_polls=3)
    assert minted(mint(odyssey))
    assert (paths(odyssey), len(sessions(odyssey))) == ([SIGN_IN, *[REQUEST] * 4, TOKEN], 1)


def test_the_wait_ends_with_its_budget(function: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    odyssey = function("odyssey", ODYSSEY_QUEUE_SECONDS="0.15")
    monkeypatch.setattr(odyssey.module.credentials, "POLL_SECONDS", 0.03)
    settings(odyssey, busy_polls=1000)
    began = monotonic()
    assert said(mint(odyssey)) == NO_CAPACITY.of(503, retry_after=5)
    assert monotonic() - began < 1.15
    assert 2 <= paths(odyssey).count(REQUEST) <= 6
    assert sessions(odyssey) == []


def test_a_deadline_shorter_than_the_wait_still_holds(function: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    odyssey = function("odyssey", DEADLINE_SECONDS="0.3")
    odyssey.module.vendor.table._client = NoTable()  # all of the time is the vendor's
    monkeypatch.setattr(odyssey.module.credentials, "POLL_SECONDS", 0.05)
    settings(odyssey, busy_polls=1000)
    began = monotonic()
    assert said(mint(odyssey)).code in {"no_capacity", "vendor_timeout"}
    assert monotonic() - began < 1.3


def test_the_wait_is_five_seconds_where_none_is_set(function: Fresh) -> None:
    assert function("odyssey", ODYSSEY_QUEUE_SECONDS="").module.vendor.settings.odyssey_queue_seconds == 5


# The access token


def test_an_access_token_serves_two_mints(odyssey: "Function") -> None:
    first, second = (minted(mint(odyssey)).fields["session_id"] for _ in range(2))
    assert first != second
    assert paths(odyssey) == [SIGN_IN, REQUEST, TOKEN, REQUEST, TOKEN]


def test_a_stale_access_token_costs_one_sign_in(odyssey: "Function") -> None:
    assert minted(mint(odyssey))
    settings(odyssey, access_tokens={}, calls=[])
    assert minted(mint(odyssey))
    assert paths(odyssey) == [REQUEST, SIGN_IN, REQUEST, TOKEN]


def test_an_access_token_that_goes_stale_after_the_slot_is_taken_takes_no_second_one(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, status=401, times=1))
    assert minted(mint(odyssey))
    assert (paths(odyssey), len(sessions(odyssey))) == ([SIGN_IN, REQUEST, TOKEN, SIGN_IN, TOKEN], 1)


def test_a_vendor_that_refuses_every_access_token_is_given_two(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=REQUEST, status=401))
    assert said(mint(odyssey)) == ERROR.of(401)
    assert paths(odyssey) == [SIGN_IN, REQUEST] * 2


def test_an_access_token_about_to_end_is_not_used_again(odyssey: "Function") -> None:
    settings(odyssey, access_seconds=59)
    assert minted(mint(odyssey))
    settings(odyssey, calls=[])
    assert minted(mint(odyssey))
    assert paths(odyssey)[:2] == [SIGN_IN, REQUEST]


def test_lifetimes_that_the_vendor_leaves_out_are_its_sdks_defaults(odyssey: "Function") -> None:
    settings(odyssey, omit="expires_in")
    credential = minted(mint(odyssey))
    assert credential.fields["expires_in"] == 600
    assert credential.expires_in in range(598, 601)
    assert minted(mint(odyssey))
    assert paths(odyssey).count(SIGN_IN) == 1


# One slot a mint


@pytest.mark.parametrize(
    "fault",
    [Fault(status=500), Fault(status=503), Fault(status=502), Fault(mode="drop")],
    ids=["500", "503", "502", "drop"],
)
def test_a_session_token_is_asked_for_again_while_one_slot_is_taken(odyssey: "Function", fault: Fault) -> None:
    odyssey.twin.fault(Fault(path=TOKEN, status=fault.status, mode=fault.mode, times=1))
    credential = minted(mint(odyssey))
    assert (paths(odyssey), sessions(odyssey)) == ([SIGN_IN, REQUEST, TOKEN, TOKEN], [credential.fields["session_id"]])


def test_a_session_token_that_never_comes_leaves_one_slot_taken(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, mode="drop"))
    assert said(mint(odyssey)) == UNAVAILABLE.of(None, retry_after=2)
    assert (paths(odyssey).count(TOKEN), len(sessions(odyssey))) == (2, 1)


@pytest.mark.parametrize("path", [SIGN_IN, REQUEST])
def test_after_a_500_only_the_call_whose_slot_is_taken_is_made_again(odyssey: "Function", path: str) -> None:
    odyssey.twin.fault(Fault(path=path, status=500))
    assert said(mint(odyssey)) == PASSING_ERROR.of(500)
    assert paths(odyssey).count(path) == 1


def test_a_403_about_a_session_stops_nobody_else(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, status=403, times=1))
    assert said(mint(odyssey)) == OPERATORS_ERROR.of(403)
    assert minted(mint(odyssey))


@pytest.mark.parametrize(
    ("mode", "expected"), [("drop", UNAVAILABLE.of(None, retry_after=2)), ("cut", MALFORMED.of(None))]
)
def test_a_session_whose_answer_is_lost_is_not_asked_for_again(odyssey: "Function", mode: Any, expected: Said) -> None:
    odyssey.twin.fault(Fault(path=REQUEST, mode=mode))
    assert said(mint(odyssey)) == expected
    assert (paths(odyssey), len(sessions(odyssey))) == ([SIGN_IN, REQUEST], 1)


def test_a_connection_that_the_vendor_closed_while_idle_costs_no_slot(odyssey: "Function") -> None:
    for _ in range(3):
        assert minted(mint(odyssey))
        odyssey.twin.hang_up()
    assert len(sessions(odyssey)) == 3


# The answer's fields


@pytest.mark.parametrize("field", ["access_token", "session_id", "signalling_url", "session_token"])
def test_an_answer_without_a_field_that_matters_is_malformed(odyssey: "Function", field: str) -> None:
    settings(odyssey, omit=field)
    assert said(mint(odyssey)) == MALFORMED.of(200)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SIGN_IN, {"access_token": "", "expires_in": 3600}),
        (SIGN_IN, {"access_token": 5, "expires_in": 3600}),
        (REQUEST, {"session_id": "", "signalling_url": "wss://a"}),
        (REQUEST, {"session_id": "s-1", "signalling_url": ""}),
        (REQUEST, {"session_id": "s-1", "signaling_url": "wss://a"}),
        (TOKEN, {"session_token": "", "expires_in": 600}),
        (TOKEN, {"session_token": None, "expires_in": 600}),
        (TOKEN, {"session_token": S_1, "expires_in": 0}),
        (TOKEN, {"session_token": S_1, "expires_in": "600"}),
    ],
)
def test_an_answer_whose_fields_cannot_be_used_is_malformed(odyssey: "Function", path: str, body: Any) -> None:
    odyssey.twin.fault(Fault(path=path, body=body))
    odyssey.twin.fault(Fault(path=REQUEST, body={"session_id": "s-1", "signalling_url": "wss://a"}))
    assert said(mint(odyssey)) == MALFORMED.of(200)


REFUSED_BY_THE_SDK = {
    "opaque": "opaque",
    "two parts": "e30.e30",
    "four parts": f"{S_1}.e30",
    "an empty part": S_1.removesuffix("c2ln"),
    "a line break": f"{S_1}\n",
    "not base64url": "e30.e30=.c2ln",
    "no length of base64": "e30.abcde.c2ln",
    "not UTF-8": session_token(b'{"session_id":"\xff"}'),
    "not JSON": session_token(b"session_id=s-1"),
    "nested too deep": session_token(b"[" * 9999),
    "not an object": session_token(["session_id", "s-1"]),
    "no session": session_token({"sub": "s-1"}),
    "an empty session": session_token({"session_id": ""}),
    "a session that is no text": session_token({"session_id": 1}),
    "a session that is null": session_token({"session_id": None}),
}


@pytest.mark.parametrize("token", REFUSED_BY_THE_SDK.values(), ids=REFUSED_BY_THE_SDK)
def test_a_session_token_that_the_vendors_sdk_would_refuse_is_malformed(odyssey: "Function", token: str) -> None:
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": token, "expires_in": 600}))
    assert said(mint(odyssey)) == MALFORMED.of(200)


def test_a_session_token_that_opens_another_session_is_malformed(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": S_1, "expires_in": 600}))
    assert said(mint(odyssey)) == MALFORMED.of(200)


def test_a_session_token_with_claims_that_the_sdk_does_not_read_is_passed_on_as_it_is(odyssey: "Function") -> None:
    token = session_token({"iat": 1, "session_id": "s-1", "nested": {"session_id": 5}, "é": [None]})
    odyssey.twin.fault(Fault(path=REQUEST, body={"session_id": "s-1", "signalling_url": "wss://a"}))
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": token}))
    assert minted(mint(odyssey)).fields["session_token"] == token


def test_after_a_malformed_session_token_the_next_try_gets_into_the_same_session(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": "opaque", "expires_in": 600}, times=1))
    caller = uuid4().hex
    assert said(odyssey.ask("odyssey-mint", sub=caller)) == MALFORMED.of(200)
    again = minted(odyssey.ask("odyssey-mint", sub=caller))
    assert sessions(odyssey) == [again.fields["session_id"]]


def test_capabilities_that_the_vendor_leaves_out_stay_out(odyssey: "Function") -> None:
    settings(odyssey, omit="capabilities")
    assert "capabilities" not in minted(mint(odyssey)).fields


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"image_to_video": False}, {"image_to_video": False}),
        ({"image_to_video": True, "secret": "x"}, {"image_to_video": True}),
        ({"image_to_video": "yes"}, None),
        ({}, None),
        ("image_to_video", None),
        (None, None),
    ],
)
def test_only_the_capability_that_the_sdks_know_is_passed_on(odyssey: "Function", theirs: Any, ours: Any) -> None:
    odyssey.twin.fault(
        Fault(path=REQUEST, body={"session_id": "s-1", "signalling_url": "wss://a", "capabilities": theirs})
    )
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": S_1, "expires_in": 600}))
    fields = minted(mint(odyssey)).fields
    assert fields.get("capabilities") == ours
    assert ("capabilities" in fields) == (ours is not None)
