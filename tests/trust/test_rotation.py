"""A rotated key costs no mint; a dead key costs one look at the secret an interval, and no vendor call beyond that."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from minting.aws import CallFailed
from minting.keyring import MAX_AGE, REREAD_INTERVAL
from tests.functions.contract import Fresh
from tests.trust.vendors import ALL, ASKED, Vendor, admit

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Clock, Function

CONVAI, ODYSSEY, SPATIALGEN = Vendor("convai"), Vendor("odyssey"), Vendor("spatialgen")
OLD, NEW = "tru_live_the-old-key", "tru_live_the-new-key"
THREADS, MINTS = 8, 15


class Reads:
    """Stands before a function's Secrets Manager client: counts, takes a while as AWS does, fails when told to."""

    def __init__(self, made: "Function") -> None:
        self._client = made.module.vendor._keyring._client
        made.module.vendor._keyring._client = self
        self.count = 0
        self.outage: Exception | None = None

    def call(self, *request: Any) -> Any:
        self.count += 1
        answer = self._client.call(*request)
        threading.Event().wait(0.02)
        if self.outage:
            raise self.outage
        return answer


@pytest.fixture
def start(unlimited: Fresh) -> Callable[[Vendor], "Function"]:
    """A function whose secret holds OLD, which the vendor takes."""

    def start(vendor: Vendor) -> "Function":
        made = unlimited(vendor.name, vendor.secret(OLD))
        if vendor in ASKED:
            admit(made.twin, OLD)
        # Odyssey's: sessions enough, and access tokens that are used once, for a kept one outlives its key.
        vars(made.twin).update(max_sessions=10**6, access_seconds=60)
        return made

    return start


def outcome(made: "Function", vendor: Vendor, sub: str = "alice") -> str:
    """`minted`, or the problem's code."""
    answer = made.ask(vendor.event, sub=sub)
    return "minted" if answer.status == 201 else answer.body["code"]


def carried(made: "Function") -> Counter[str]:
    """How often the vendor was asked with which key."""
    texts = [json.dumps(call.headers) + call.body.decode() for call in made.twin.calls]
    return Counter(key for key in (OLD, NEW) for text in texts if key in text)


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
def test_no_mint_fails_while_the_key_is_rotated(start: Callable[[Vendor], "Function"], vendor: Vendor) -> None:
    made = start(vendor)
    reads = Reads(made)
    under_way = threading.Semaphore(0)

    def mint(number: int) -> str:
        under_way.release()
        return outcome(made, vendor, f"caller-{number}")

    with ThreadPoolExecutor(THREADS) as pool:
        mints = [pool.submit(mint, number) for number in range(THREADS * MINTS)]
        for _ in range(THREADS * 3):
            under_way.acquire()
        admit(made.twin, NEW)
        made.put_key(vendor.secret(NEW))
        del made.twin.keys[OLD]
    assert Counter(done.result() for done in mints) == {"minted": THREADS * MINTS}
    assert carried(made).keys() == {OLD, NEW}
    assert reads.count == 1


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
def test_a_dead_key_costs_one_look_and_one_vendor_call_an_interval(
    start: Callable[[Vendor], "Function"], clock: "Clock", vendor: Vendor
) -> None:
    made = start(vendor)
    reads = Reads(made)
    made.twin.keys.clear()
    for interval in range(1, 4):
        assert {outcome(made, vendor) for _ in range(5)} == {"vendor_key_rejected"}
        assert (reads.count, carried(made)[OLD]) == (interval, interval)
        clock.now += REREAD_INTERVAL


def test_a_dead_key_met_by_many_at_once_costs_one_look(start: Callable[[Vendor], "Function"], clock: "Clock") -> None:
    made = start(CONVAI)
    reads = Reads(made)
    made.twin.keys.clear()
    with ThreadPoolExecutor(THREADS) as pool:
        met = pool.map(lambda number: outcome(made, CONVAI, f"caller-{number}"), range(THREADS * MINTS))
        assert set(met) == {"vendor_key_rejected"}
    assert reads.count == 1
    assert carried(made)[OLD] <= THREADS


def test_a_dead_key_raises_the_metric_that_an_alarm_watches(
    bundle: "Bundle", start: Callable[[Vendor], "Function"], capsys: pytest.CaptureFixture[str]
) -> None:
    made = start(CONVAI)
    made.twin.keys.clear()
    answer = made.ask(CONVAI.event)
    record, metrics = map(json.loads, capsys.readouterr().out.splitlines())
    assert (record["level"], record["fault"], record["vendor_status"]) == ("ERROR", "operator", 401)
    (query,) = bundle.template.properties("KeyRejectedAlarm")["Metrics"]
    assert f"({record['outcome']})" in bundle.template.resolve(query["Expression"])
    assert (metrics["service"], metrics["vendor_key_rejected"]) == ("convai", [1])
    assert (answer.status, answer.body["retryable"], answer.body["fault"]) == (502, False, "operator")


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("key", [OLD, NEW])
def test_a_key_restored_or_replaced_works_after_the_interval(
    start: Callable[[Vendor], "Function"], clock: "Clock", vendor: Vendor, key: str
) -> None:
    made = start(vendor)
    good = next(iter(made.twin.keys.values()))
    made.twin.keys.clear()
    assert outcome(made, vendor) == "vendor_key_rejected"
    made.twin.keys[key] = good
    made.put_key(vendor.secret(key))
    assert outcome(made, vendor) == "vendor_key_rejected"
    clock.now += REREAD_INTERVAL
    assert outcome(made, vendor) == "minted"


def test_a_key_replaced_by_another_bad_one_is_refused_and_looked_up_again(
    start: Callable[[Vendor], "Function"], clock: "Clock"
) -> None:
    made = start(CONVAI)
    reads = Reads(made)
    made.twin.keys.clear()
    made.put_key(CONVAI.secret(NEW))
    assert {outcome(made, CONVAI) for _ in range(5)} == {"vendor_key_rejected"}
    assert (reads.count, carried(made)) == (2, {OLD: 1, NEW: 2})


DENIED = CallFailed("AccessDeniedException", "AccessDeniedException", unsure=False)
UNREACHABLE = CallFailed("NewConnectionError", unsure=False)


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_an_outage_of_secrets_manager_fails_no_mint_while_a_key_is_held(
    start: Callable[[Vendor], "Function"], clock: "Clock", vendor: Vendor
) -> None:
    made = start(vendor)
    reads = Reads(made)
    reads.outage = UNREACHABLE
    clock.now += MAX_AGE
    assert outcome(made, vendor) == "minted"
    assert reads.count > 0


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_without_a_key_nobody_mints_and_no_vendor_is_asked(
    start: Callable[[Vendor], "Function"], vendor: Vendor
) -> None:
    made = start(vendor)
    made.module.vendor._keyring._held = None
    reads = Reads(made)
    for outage, code in ((UNREACHABLE, "key_unavailable"), (DENIED, "not_configured")):
        reads.outage = outage
        assert outcome(made, vendor) == code
    assert made.twin.calls == []


def test_a_right_taken_away_ends_the_minting(start: Callable[[Vendor], "Function"], clock: "Clock") -> None:
    made = start(CONVAI)
    Reads(made).outage = DENIED
    clock.now += MAX_AGE
    assert outcome(made, CONVAI) == "not_configured"


def test_a_secret_without_a_key_is_not_configured_until_it_has_one(unlimited: Fresh) -> None:
    made = unlimited("convai", {})
    assert outcome(made, CONVAI) == "not_configured"
    made.put_key({"api_key": "convai-local-key"})
    assert outcome(made, CONVAI) == "minted"


def test_a_new_key_is_taken_up_though_the_vendor_still_takes_the_old_one(
    start: Callable[[Vendor], "Function"], clock: "Clock"
) -> None:
    made = start(ODYSSEY)
    assert outcome(made, ODYSSEY) == "minted"
    admit(made.twin, NEW)
    made.put_key(ODYSSEY.secret(NEW))
    clock.now += MAX_AGE
    assert outcome(made, ODYSSEY, "bob") == "minted"
    assert carried(made).keys() == {OLD, NEW}


def test_a_lease_is_of_the_new_key_once_the_old_one_is_over(unlimited: Fresh, clock: "Clock") -> None:
    over = {"readonly": {"key": OLD, "expires_at": "2020-01-01T00:00:00Z"}}
    made = unlimited("spatialgen", over)
    reads = Reads(made)
    assert {outcome(made, SPATIALGEN) for _ in range(5)} == {"not_configured"}
    assert reads.count == 1
    made.put_key(SPATIALGEN.secret(NEW))
    clock.now += REREAD_INTERVAL
    assert made.ask(SPATIALGEN.event).body["key"] == NEW
