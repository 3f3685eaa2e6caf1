"""Odyssey's client credentials: the three calls of a mint, the slot that one of them takes, and the response."""

import json
from time import monotonic
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from local.twins.twin import Fault
from tests.functions.contract import (
    ERROR,
    INVALID,
    MALFORMED,
    NO_CAPACITY,
    PASSING_ERROR,
    UNAVAILABLE,
    Fresh,
    Said,
    faults,
    minted,
    said,
)
from tests.functions.odyssey_mints import (
    AFTER_7,
    REQUEST,
    SIGN_IN,
    TOKEN,
    change_twin,
    mint,
    paths,
    session_token,
    sessions,
)

if TYPE_CHECKING:
    from tests.conftest import Function

SESSION = {"session_id": "s-1", "signalling_url": "wss://a"}
"""The vendor's reply to a request for a session."""

S_1 = session_token({"session_id": "s-1"})
"""A token for that session."""


@pytest.fixture
def odyssey(tableless: Fresh) -> "Function":
    return tableless("odyssey")


def test_a_mint_returns_what_the_vendors_sdk_loads(odyssey: "Function") -> None:
    credential = minted(mint(odyssey))
    assert credential.fields.keys() == {"session_id", "signaling_url", "session_token", "expires_in", "capabilities"}
    assert credential.fields["signaling_url"].startswith("ws://127.0.0.1:")
    assert (credential.fields["expires_in"], credential.fields["capabilities"]) == (600, {"image_to_video": True})
    claims = jwt.decode(credential.fields["session_token"], options={"verify_signature": False})
    assert claims["session_id"] == credential.fields["session_id"]
    assert (credential.vendor, credential.facts) == ("odyssey", {"takes_slot"})
    assert credential.expires_in in range(598, 601)


def test_a_mint_makes_three_calls(odyssey: "Function") -> None:
    session_id = minted(mint(odyssey)).fields["session_id"]
    twin: Any = odyssey.twin
    [access] = twin.access_tokens
    calls = [
        (call.method, call.path, call.query, call.headers.get("authorization"), json.loads(call.body))
        for call in twin.calls
    ]
    assert calls == [
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
def test_the_clients_latencies_are_passed_on_unchanged(odyssey: "Function", body: dict[str, Any], sent: Any) -> None:
    assert minted(mint(odyssey, body))
    assert json.loads(odyssey.twin.calls[1].body) == ({"region_latencies": sent} if sent else {})


NO_MILLISECONDS: list[Any] = [-1, 60_001, 1.5, "12", None, True, [], 10**30]


@pytest.mark.parametrize(
    "latencies",
    [
        *({"us-west": value} for value in NO_MILLISECONDS),
        *({region: 12} for region in ("", "us west", "a" * 65, "us-west\n", "é")),
        *([], "us-west", 5, {str(count): 1 for count in range(33)}),
    ],
    ids=lambda latencies: str(latencies)[:40],
)
def test_invalid_latencies_are_refused_without_a_call(odyssey: "Function", latencies: Any) -> None:
    answer = mint(odyssey, {"region_latencies": latencies})
    assert (said(answer), odyssey.twin.calls) == (INVALID, [])
    assert all(field.startswith("region_latencies") for field in faults(answer))


# The queue


def test_without_a_queue_a_busy_vendor_is_asked_once(tableless: Fresh) -> None:
    odyssey = tableless("odyssey", ODYSSEY_QUEUE_SECONDS="0")
    change_twin(odyssey, busy_polls=5)
    assert said(mint(odyssey)) == NO_CAPACITY.of(503, retry_after=5)
    assert (paths(odyssey), sessions(odyssey)) == ([SIGN_IN, REQUEST], [])


def test_a_busy_vendors_retry_after_is_returned(tableless: Fresh) -> None:
    odyssey = tableless("odyssey", ODYSSEY_QUEUE_SECONDS="0")
    odyssey.twin.fault(Fault(path=REQUEST, status=503, headers=AFTER_7))
    assert said(mint(odyssey)) == NO_CAPACITY.of(503, retry_after=7)


def test_a_mint_waits_for_a_free_streamer(tableless: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    odyssey = tableless("odyssey", ODYSSEY_QUEUE_SECONDS="5")
    monkeypatch.setattr(odyssey.module.credentials, "POLL_SECONDS", 0.01)
    change_twin(odyssey, busy_polls=3)
    assert minted(mint(odyssey))
    assert (paths(odyssey), len(sessions(odyssey))) == ([SIGN_IN, *[REQUEST] * 4, TOKEN], 1)


def test_the_wait_ends_after_the_queue_seconds(tableless: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    odyssey = tableless("odyssey", ODYSSEY_QUEUE_SECONDS="0.15")
    monkeypatch.setattr(odyssey.module.credentials, "POLL_SECONDS", 0.03)
    change_twin(odyssey, busy_polls=1000)
    began = monotonic()
    assert said(mint(odyssey)) == NO_CAPACITY.of(503, retry_after=5)
    assert monotonic() - began < 1.15
    assert 2 <= paths(odyssey).count(REQUEST) <= 6
    assert sessions(odyssey) == []


def test_the_wait_ends_at_the_deadline(tableless: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    odyssey = tableless("odyssey", DEADLINE_SECONDS="0.3", ODYSSEY_QUEUE_SECONDS="5")
    monkeypatch.setattr(odyssey.module.credentials, "POLL_SECONDS", 0.05)
    change_twin(odyssey, busy_polls=1000)
    began = monotonic()
    assert said(mint(odyssey)).code in {"no_capacity", "vendor_timeout"}
    assert monotonic() - began < 1.3


def test_the_default_wait_is_five_seconds(tableless: Fresh) -> None:
    assert tableless("odyssey", ODYSSEY_QUEUE_SECONDS="").module.vendor.settings.odyssey_queue_seconds == 5


# The access token


def test_an_access_token_serves_two_mints(odyssey: "Function") -> None:
    first, second = (minted(mint(odyssey)).fields["session_id"] for _ in range(2))
    assert first != second
    assert paths(odyssey) == [SIGN_IN, REQUEST, TOKEN, REQUEST, TOKEN]


def test_a_stale_access_token_costs_one_sign_in(odyssey: "Function") -> None:
    assert minted(mint(odyssey))
    change_twin(odyssey, access_tokens={}, calls=[])
    assert minted(mint(odyssey))
    assert paths(odyssey) == [REQUEST, SIGN_IN, REQUEST, TOKEN]


def test_an_access_token_that_is_stale_after_the_slot_takes_no_second_slot(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, status=401, times=1))
    assert minted(mint(odyssey))
    assert (paths(odyssey), len(sessions(odyssey))) == ([SIGN_IN, REQUEST, TOKEN, SIGN_IN, TOKEN], 1)


def test_the_second_rejected_access_token_is_an_error(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=REQUEST, status=401))
    assert said(mint(odyssey)) == ERROR.of(401)
    assert paths(odyssey) == [SIGN_IN, REQUEST] * 2


def test_an_access_token_near_its_expiry_is_not_used_again(odyssey: "Function") -> None:
    change_twin(odyssey, access_seconds=59)
    assert minted(mint(odyssey))
    change_twin(odyssey, calls=[])
    assert minted(mint(odyssey))
    assert paths(odyssey)[:2] == [SIGN_IN, REQUEST]


def test_omitted_lifetimes_are_the_sdks_defaults(odyssey: "Function") -> None:
    change_twin(odyssey, omit="expires_in")
    credential = minted(mint(odyssey))
    assert credential.fields["expires_in"] == 600
    assert credential.expires_in in range(598, 601)
    assert minted(mint(odyssey))
    assert paths(odyssey).count(SIGN_IN) == 1


# One slot for each mint


@pytest.mark.parametrize(
    "fault",
    [Fault(status=500), Fault(status=503), Fault(status=502), Fault(mode="drop")],
    ids=["500", "503", "502", "drop"],
)
def test_a_session_token_is_requested_again_without_a_second_slot(odyssey: "Function", fault: Fault) -> None:
    odyssey.twin.fault(Fault(path=TOKEN, status=fault.status, mode=fault.mode, times=1))
    credential = minted(mint(odyssey))
    assert (paths(odyssey), sessions(odyssey)) == ([SIGN_IN, REQUEST, TOKEN, TOKEN], [credential.fields["session_id"]])


def test_a_lost_session_token_leaves_one_slot_taken(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, mode="drop"))
    assert said(mint(odyssey)) == UNAVAILABLE.of(None, retry_after=2)
    assert (paths(odyssey).count(TOKEN), len(sessions(odyssey))) == (2, 1)


@pytest.mark.parametrize("path", [SIGN_IN, REQUEST])
def test_the_calls_before_the_slot_are_not_repeated_after_a_500(odyssey: "Function", path: str) -> None:
    odyssey.twin.fault(Fault(path=path, status=500))
    assert said(mint(odyssey)) == PASSING_ERROR.of(500)
    assert paths(odyssey).count(path) == 1


def test_a_session_that_the_vendor_does_not_know_is_replaced_once(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, status=404, body={"detail": "Session not found"}))
    assert said(mint(odyssey)) == ERROR.of(404)
    assert len(sessions(odyssey)) == 2


@pytest.mark.parametrize(
    ("mode", "expected"), [("drop", UNAVAILABLE.of(None, retry_after=2)), ("cut", MALFORMED.of(None))]
)
def test_a_session_whose_reply_is_lost_is_not_requested_again(odyssey: "Function", mode: Any, expected: Said) -> None:
    odyssey.twin.fault(Fault(path=REQUEST, mode=mode))
    assert said(mint(odyssey)) == expected
    assert (paths(odyssey), len(sessions(odyssey))) == ([SIGN_IN, REQUEST], 1)


def test_a_connection_that_the_vendor_has_closed_costs_no_slot(odyssey: "Function") -> None:
    for _ in range(3):
        assert minted(mint(odyssey))
        odyssey.twin.hang_up()
    assert len(sessions(odyssey)) == 3


# The session token

REFUSED_BY_THE_SDK = {
    "opaque": "opaque",
    "two parts": "e30.e30",
    "four parts": f"{S_1}.e30",
    "an empty part": S_1.removesuffix("c2ln"),
    "a line break": f"{S_1}\n",
    "not base64url": "e30.e30=.c2ln",
    "not a length of base64": "e30.abcde.c2ln",
    "not UTF-8": session_token(b'{"session_id":"\xff"}'),
    "not JSON": session_token(b"session_id=s-1"),
    "nested too deep": session_token(b"[" * 9999),
    "not an object": session_token(["session_id", "s-1"]),
    "no session": session_token({"sub": "s-1"}),
    "an empty session": session_token({"session_id": ""}),
    "a session that is a number": session_token({"session_id": 1}),
    "a session that is null": session_token({"session_id": None}),
}


@pytest.mark.parametrize("token", REFUSED_BY_THE_SDK.values(), ids=REFUSED_BY_THE_SDK)
def test_a_session_token_that_the_vendors_sdk_would_refuse_is_malformed(odyssey: "Function", token: str) -> None:
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": token, "expires_in": 600}))
    assert said(mint(odyssey)) == MALFORMED.of(200)


def test_a_session_token_that_opens_another_session_is_malformed(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": S_1, "expires_in": 600}))
    assert said(mint(odyssey)) == MALFORMED.of(200)


def test_a_session_token_with_further_claims_is_passed_on_unchanged(odyssey: "Function") -> None:
    token = session_token({"iat": 1, "session_id": "s-1", "nested": {"session_id": 5}, "é": [None]})
    odyssey.twin.fault(Fault(path=REQUEST, body=SESSION))
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": token}))
    assert minted(mint(odyssey)).fields["session_token"] == token


def test_the_next_try_after_a_malformed_session_token_gets_the_same_session(function: Fresh) -> None:
    odyssey = function("odyssey")
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": "opaque", "expires_in": 600}, times=1))
    assert said(mint(odyssey)) == MALFORMED.of(200)
    again = minted(mint(odyssey))
    assert sessions(odyssey) == [again.fields["session_id"]]


# The vendor's other fields


@pytest.mark.parametrize("field", ["access_token", "session_id", "signalling_url", "session_token"])
def test_a_reply_without_a_needed_field_is_malformed(odyssey: "Function", field: str) -> None:
    change_twin(odyssey, omit=field)
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
def test_a_reply_with_an_unusable_field_is_malformed(odyssey: "Function", path: str, body: Any) -> None:
    odyssey.twin.fault(Fault(path=path, body=body))
    odyssey.twin.fault(Fault(path=REQUEST, body=SESSION))
    assert said(mint(odyssey)) == MALFORMED.of(200)


def test_omitted_capabilities_stay_absent(odyssey: "Function") -> None:
    change_twin(odyssey, omit="capabilities")
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
    odyssey.twin.fault(Fault(path=REQUEST, body=SESSION | {"capabilities": theirs}))
    odyssey.twin.fault(Fault(path=TOKEN, body={"session_token": S_1, "expires_in": 600}))
    fields = minted(mint(odyssey)).fields
    assert fields.get("capabilities") == ours
    assert ("capabilities" in fields) == (ours is not None)
