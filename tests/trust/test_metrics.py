"""What the alarms and the dashboard watch, as requests write it."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from local.twins.twin import Fault
from minting.breaker import THRESHOLD

if TYPE_CHECKING:
    from tests.conftest import Function
    from tests.functions.contract import Fresh

type Metrics = dict[str, list[float]]


@pytest.fixture
def measured(capsys: pytest.CaptureFixture[str]) -> Any:
    """The metrics of the last request, by name."""

    def last() -> Metrics:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        line = [line for line in lines if "_aws" in line][-1]
        names = [metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
        return {name: line[name] for name in names}

    return last


def test_a_mint_says_how_full_the_vendors_day_and_its_callers_day_are(function: "Fresh", measured: Any) -> None:
    convai = function("convai", CALLER_PER_DAY="4", VENDOR_PER_DAY="10")
    for sub, caller_used, budget_used in (("alice", 25, 10), ("alice", 50, 20), ("bob", 25, 30)):
        assert convai.ask("convai-mint", sub=sub).status == 201
        metrics = measured()
        assert (metrics["caller_used"], metrics["budget_used"]) == ([caller_used], [budget_used])


def test_a_refusal_says_which_day_is_full(function: "Fresh", measured: Any) -> None:
    convai = function("convai", CALLER_PER_DAY="1", VENDOR_PER_DAY="2")
    for sub in ("alice", "bob"):
        assert convai.ask("convai-mint", sub=sub).status == 201
        assert convai.ask("convai-mint", sub=sub).body["limit"] == "caller_per_day"
        assert measured()["caller_used"] == [100]
    assert convai.ask("convai-mint", sub="carol").body["limit"] == "vendor_per_day"
    assert measured()["budget_used"] == [100]


def test_a_full_hour_does_not_look_like_a_full_day(function: "Fresh", measured: Any) -> None:
    convai = function("convai", CALLER_PER_HOUR="1", CALLER_PER_DAY="4")
    convai.ask("convai-mint")
    assert convai.ask("convai-mint").body["limit"] == "caller_per_hour"
    assert measured()["caller_used"] == [25]


def test_a_session_says_how_many_slots_are_taken(function: "Fresh", measured: Any) -> None:
    odyssey = function("odyssey", ODYSSEY_SLOTS="2", ODYSSEY_SLOTS_PER_CALLER="2")
    for key, used in (("first", 50), ("second", 100)):
        assert (
            odyssey.ask("odyssey-mint", headers={"content-type": "application/json", "idempotency-key": key}).status
            == 201
        )
        assert measured()["slots_used"] == [used]
    assert odyssey.ask("odyssey-mint", sub="bob").body["limit"] == "slots"
    assert measured()["slots_used"] == [100]


def test_the_average_of_vendor_fault_is_the_share_of_requests_that_the_vendor_fails(
    function: "Fresh", measured: Any
) -> None:
    convai = function("convai")
    for fault, told in ((None, [0]), (Fault(status=500, times=1), [1]), (Fault(status=404, times=1), [1]), (None, [0])):
        if fault:
            convai.twin.fault(fault)
        convai.ask("convai-mint")
        assert measured()["vendor_fault"] == told


def test_a_request_that_the_vendor_never_sees_says_nothing_about_it(function: "Fresh", measured: Any) -> None:
    function("convai").ask("convai-mint", {"unknown": 1})
    assert "vendor_fault" not in measured()


def test_a_pause_counts_as_the_vendors_fault_and_its_beginning_is_counted(function: "Fresh", measured: Any) -> None:
    convai = function("convai")
    convai.twin.fault(Fault(status=503, times=100))
    opened = []
    for _ in range(THRESHOLD + 1):
        convai.ask("convai-mint")
        metrics = measured()
        assert metrics["vendor_fault"] == [1]
        opened.append(metrics.get("breaker_opened", [0]))
    assert opened == [[0]] * (THRESHOLD - 1) + [[1], [0]]


def refused_key(convai: "Function") -> None:
    convai.twin.fault(Fault(status=401))


def broken_code(convai: "Function") -> None:
    convai.module.api.request = None


@pytest.mark.parametrize(("breaking", "counted"), [(refused_key, False), (broken_code, True)])
def test_faults_of_the_operator_count_unless_they_have_an_alarm_of_their_own(
    function: "Fresh", measured: Any, breaking: Any, counted: bool
) -> None:
    convai = function("convai")
    breaking(convai)
    assert convai.ask("convai-mint").body["fault"] == "operator"
    assert ("operator_fault" in measured()) is counted
