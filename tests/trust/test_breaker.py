"""A vendor that is down is left alone, at no cost to a mint."""

from time import time
from typing import TYPE_CHECKING

import pytest

from local.twins.twin import Fault
from minting import breaker, limits
from tests.conftest import client
from tests.functions.contract import Fresh
from tests.trust.table import items

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function


def fail(function: "Function", times: int) -> None:
    function.twin.fault(Fault(status=503))
    assert {function.ask("trulience-mint").body["code"] for _ in range(times)} == {"vendor_unavailable"}


def test_after_some_failures_in_a_row_no_environment_asks_the_vendor_for_a_while(function: Fresh) -> None:
    one, other = function("trulience"), function("trulience")
    fail(one, breaker.THRESHOLD)
    one.twin.reset()
    answers = [one.ask("trulience-mint"), other.ask("trulience-mint")]
    assert {answer.body["code"] for answer in answers} == {"vendor_unavailable"}
    assert all(0 < answer.body["retry_after"] <= breaker.OPEN_SECONDS + 1 for answer in answers)
    assert one.twin.calls == []


def test_after_the_pause_the_vendor_is_asked_again(function: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    trulience = function("trulience")
    fail(trulience, breaker.THRESHOLD)
    trulience.twin.reset()
    now = time()
    monkeypatch.setattr(limits, "time", lambda: now + breaker.OPEN_SECONDS + 1)
    assert trulience.ask("trulience-mint").status == 201


def test_one_success_between_failures_keeps_the_vendor_in_use(function: Fresh) -> None:
    trulience = function("trulience")
    fail(trulience, breaker.THRESHOLD - 1)
    trulience.twin.reset()
    assert trulience.ask("trulience-mint").status == 201
    fail(trulience, breaker.THRESHOLD - 1)
    trulience.twin.reset()
    assert trulience.ask("trulience-mint").status == 201


def test_an_error_of_the_vendors_own_is_no_outage(function: Fresh) -> None:
    trulience = function("trulience")
    trulience.twin.fault(Fault(status=500))
    codes = [trulience.ask("trulience-mint").body["code"] for _ in range(breaker.THRESHOLD + 1)]
    assert set(codes) == {"vendor_error"}


def test_the_pause_leaves_an_operators_stop_alone(bundle: "Bundle", function: Fresh, table: str) -> None:
    trulience = function("trulience")
    fail(trulience, breaker.THRESHOLD - 1)
    stop = {"id": {"S": "trulience#stop"}}
    trulience.twin.reset()
    trulience.twin.fault(Fault(status=503))
    original = trulience.module.vendor._limits.take

    def stopped_meanwhile(*arguments: object) -> None:
        original(*arguments)
        client(bundle, "dynamodb").put_item(TableName=table, Item=stop)

    trulience.module.vendor._limits.take = stopped_meanwhile
    assert trulience.ask("trulience-mint").body["code"] == "vendor_unavailable"
    assert client(bundle, "dynamodb").get_item(TableName=table, Key=stop)["Item"] == stop
    assert trulience.ask("trulience-mint").body["code"] == "vendor_stopped"


def test_five_failures_in_a_row_leave_the_vendor_alone_for_fifteen_seconds(function: Fresh) -> None:
    trulience = function("trulience")
    fail(trulience, 5)
    trulience.twin.reset()
    assert trulience.ask("trulience-mint").body["retry_after"] in {15, 16}
    assert trulience.twin.calls == []


def test_after_the_pause_one_more_failure_is_enough_for_another(
    function: Fresh, bundle: "Bundle", table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trulience = function("trulience")
    fail(trulience, breaker.THRESHOLD)
    later = time() + breaker.OPEN_SECONDS + 1
    for module in (limits, breaker):
        monkeypatch.setattr(module, "time", lambda: later)
    fail(trulience, 1)
    trulience.twin.reset()
    assert trulience.ask("trulience-mint").body["code"] == "vendor_unavailable"
    assert trulience.twin.calls == []
    pause = items(bundle, table)["trulience#stop"]
    assert pause["expires"] == pause["until"] == {"N": str(int(later) + breaker.OPEN_SECONDS)}
