"""A vendor that is down is left alone, at no cost to a mint."""

from typing import TYPE_CHECKING

import pytest

from local.twins.twin import Fault
from minting import breaker
from minting.gate import SECONDS_KNOWN
from tests.clock import LIMITS, WallClock, stopped
from tests.functions.contract import Fresh
from tests.trust.table import items, resume, stop
from tests.trust.vendors import ASKED, Vendor

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return stopped(monkeypatch, LIMITS, WallClock())


every_asked_vendor = pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)


def fail(function: "Function", times: int) -> None:
    """The vendor is out of reach for so many mints."""
    function.twin.fault(Fault(status=503))
    assert {function.ask(Vendor(function.vendor).event).body["code"] for _ in range(times)} == {"vendor_unavailable"}


@every_asked_vendor
def test_after_some_failures_in_a_row_no_environment_asks_the_vendor_for_a_while(
    function: Fresh, vendor: Vendor
) -> None:
    one, other = function(vendor.name), function(vendor.name)
    fail(one, breaker.THRESHOLD)
    one.twin.reset()
    answers = [one.ask(vendor.event), other.ask(vendor.event)]
    assert {answer.body["code"] for answer in answers} == {"vendor_unavailable"}
    assert all(0 < answer.body["retry_after"] <= breaker.OPEN_SECONDS + 1 for answer in answers)
    assert one.twin.calls == []


@every_asked_vendor
def test_after_the_pause_the_vendor_is_asked_again(function: Fresh, clock: WallClock, vendor: Vendor) -> None:
    made = function(vendor.name)
    fail(made, breaker.THRESHOLD)
    made.twin.reset()
    clock.forward(breaker.OPEN_SECONDS + 1)
    assert made.ask(vendor.event).status == 201


@every_asked_vendor
def test_one_success_between_failures_keeps_the_vendor_in_use(function: Fresh, vendor: Vendor) -> None:
    made = function(vendor.name)
    fail(made, breaker.THRESHOLD - 1)
    made.twin.reset()
    assert made.ask(vendor.event).status == 201
    fail(made, breaker.THRESHOLD - 1)
    made.twin.reset()
    assert made.ask(vendor.event).status == 201


@every_asked_vendor
def test_an_error_of_the_vendors_own_is_no_outage(function: Fresh, vendor: Vendor) -> None:
    made = function(vendor.name)
    made.twin.fault(Fault(status=500))
    codes = [made.ask(vendor.event).body["code"] for _ in range(breaker.THRESHOLD + 1)]
    assert set(codes) == {"vendor_error"}


@every_asked_vendor
def test_the_pause_leaves_an_operators_stop_alone(
    bundle: "Bundle", function: Fresh, table: str, clock: WallClock, vendor: Vendor
) -> None:
    made = function(vendor.name)
    fail(made, breaker.THRESHOLD - 1)
    stop(bundle, table, vendor.name)
    fail(made, 1)  # in the seconds before the environment hears of the stop
    assert made.ask(vendor.event).body["code"] == "vendor_stopped"
    clock.forward(breaker.OPEN_SECONDS + 1)
    assert made.ask(vendor.event).body["code"] == "vendor_stopped"
    resume(bundle, table, vendor.name)
    clock.forward(SECONDS_KNOWN)
    made.twin.reset()
    assert made.ask(vendor.event).status == 201


def test_an_environment_that_knows_nothing_of_a_pause_yet_learns_of_it_within_five_seconds(
    function: Fresh, clock: WallClock
) -> None:
    one, busy = (function("trulience", VENDOR_PER_DAY="100000") for _ in range(2))
    for _ in range(2):
        assert busy.ask("trulience-mint").status == 201
    fail(one, breaker.THRESHOLD)
    one.twin.reset()
    assert busy.ask("trulience-mint").status == 201
    clock.forward(SECONDS_KNOWN)
    assert busy.ask("trulience-mint").body["code"] == "vendor_unavailable"


# What a pause leaves alone


def test_a_pause_of_one_operation_stops_no_other(function: Fresh) -> None:
    convai = function("convai")
    token = {"apiAuthToken": convai.ask("convai-mint").body["apiAuthToken"]}
    convai.twin.fault(Fault(path="/user/extend-token", status=503))
    codes = [convai.ask("convai-extend", token).body["code"] for _ in range(breaker.THRESHOLD)]
    assert set(codes) == {"vendor_unavailable"}
    convai.twin.calls.clear()
    assert convai.ask("convai-extend", token).body["retry_after"] in {15, 16}
    assert convai.twin.calls == []
    assert convai.ask("convai-mint").status == 201
    assert convai.ask("convai-revoke", token).status == 204


def test_failing_reads_of_one_video_stop_no_upload(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    spatialgen.twin.fault(Fault(path="/api/videos/4821/", status=504))
    for _ in range(breaker.THRESHOLD + 1):
        assert spatialgen.ask("spatialgen-streams").status >= 500
    spatialgen.twin.reset()
    assert spatialgen.ask("spatialgen-streams").body["code"] == "vendor_unavailable"
    assert spatialgen.ask("spatialgen-start").status == 201


def test_requests_that_nothing_counts_never_pause_a_vendor(function: Fresh) -> None:
    convai = function("convai")
    tokens = [convai.ask("convai-mint").body["apiAuthToken"] for _ in range(breaker.THRESHOLD)]
    convai.twin.fault(Fault(path="/user/revoke-token", status=503))
    for token in tokens:
        assert convai.ask("convai-revoke", {"apiAuthToken": token}).body["code"] == "vendor_unavailable"
    assert convai.ask("convai-mint").status == 201


def test_a_pause_stops_no_request_that_does_not_ask_the_vendor(function: Fresh) -> None:
    odyssey = function("odyssey", ODYSSEY_SLOTS="20", ODYSSEY_SLOTS_PER_CALLER="20")
    session = odyssey.ask("odyssey-mint").body["session_id"]
    odyssey.forget_sign_in()
    odyssey.twin.fault(Fault(path="/auth/token", status=503))
    for number in range(breaker.THRESHOLD):
        ask_odyssey(odyssey, number)
    assert ask_odyssey(odyssey, "paused") == "vendor_unavailable"
    assert odyssey.ask("odyssey-register").status == 201
    assert odyssey.ask("odyssey-release", {"session_id": session}).status == 204


# One request is one outcome


def ask_odyssey(odyssey: "Function", key: object) -> str:
    """The code of a mint that fails."""
    headers = {"content-type": "application/json", "idempotency-key": str(key)}
    code: str = odyssey.ask("odyssey-mint", headers=headers).body["code"]
    return code


def test_a_last_call_that_keeps_failing_pauses_odyssey_although_its_first_calls_succeed(function: Fresh) -> None:
    odyssey = function("odyssey", ODYSSEY_SLOTS="20", ODYSSEY_SLOTS_PER_CALLER="20")
    odyssey.twin.max_sessions = 20  # type: ignore[attr-defined]
    odyssey.twin.fault(Fault(path="/sessions/token", status=503))
    assert {ask_odyssey(odyssey, number) for number in range(breaker.THRESHOLD)} == {"vendor_unavailable"}
    odyssey.twin.calls.clear()
    assert ask_odyssey(odyssey, "paused") == "vendor_unavailable"
    assert odyssey.twin.calls == []


def test_a_refusal_of_our_own_neither_counts_as_a_failure_nor_as_a_success(function: Fresh) -> None:
    trulience = function("trulience", CALLER_PER_HOUR="1")
    assert trulience.ask("trulience-mint").status == 201
    trulience.twin.fault(Fault(status=503))
    for number in range(breaker.THRESHOLD):
        assert trulience.ask("trulience-mint").body["code"] == "quota_exceeded"
        assert trulience.ask("trulience-mint", sub=str(number)).body["code"] == "vendor_unavailable"
    trulience.twin.calls.clear()
    assert trulience.ask("trulience-mint", sub="bob").body["code"] == "vendor_unavailable"
    assert trulience.twin.calls == []


def test_five_failures_in_a_row_leave_the_vendor_alone_for_fifteen_seconds(function: Fresh) -> None:
    trulience = function("trulience")
    fail(trulience, 5)
    trulience.twin.reset()
    assert trulience.ask("trulience-mint").body["retry_after"] in {15, 16}
    assert trulience.twin.calls == []


def test_after_the_pause_one_more_failure_is_enough_for_another(
    function: Fresh, bundle: "Bundle", table: str, clock: WallClock
) -> None:
    trulience = function("trulience")
    fail(trulience, breaker.THRESHOLD)
    clock.forward(breaker.OPEN_SECONDS + 1)
    fail(trulience, 1)
    trulience.twin.reset()
    assert trulience.ask("trulience-mint").body["code"] == "vendor_unavailable"
    assert trulience.twin.calls == []
    item = items(bundle, table)["trulience#vendor"]
    assert item["paused_mint"] == {"N": str(int(clock.at) + breaker.OPEN_SECONDS)}
