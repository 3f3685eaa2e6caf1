"""A vendor that is down is left alone, at no cost to a mint."""

from time import time
from typing import TYPE_CHECKING

import pytest

from local.twins.twin import Fault
from minting import breaker, limits
from tests.conftest import client
from tests.functions.contract import Fresh
from tests.trust.table import items
from tests.trust.vendors import ASKED, Vendor

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function


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
def test_after_the_pause_the_vendor_is_asked_again(
    function: Fresh, monkeypatch: pytest.MonkeyPatch, vendor: Vendor
) -> None:
    made = function(vendor.name)
    fail(made, breaker.THRESHOLD)
    made.twin.reset()
    now = time()
    monkeypatch.setattr(limits, "time", lambda: now + breaker.OPEN_SECONDS + 1)
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
    bundle: "Bundle", function: Fresh, table: str, vendor: Vendor
) -> None:
    made = function(vendor.name)
    fail(made, breaker.THRESHOLD - 1)
    stop = {"id": {"S": f"{vendor.name}#stop"}}
    made.twin.reset()
    made.twin.fault(Fault(status=503))
    original = made.module.vendor._limits.take

    def stopped_meanwhile(*arguments: object) -> None:
        original(*arguments)
        client(bundle, "dynamodb").put_item(TableName=table, Item=stop)

    made.module.vendor._limits.take = stopped_meanwhile
    assert made.ask(vendor.event).body["code"] == "vendor_unavailable"
    assert client(bundle, "dynamodb").get_item(TableName=table, Key=stop)["Item"] == stop
    assert made.ask(vendor.event).body["code"] == "vendor_stopped"


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
