"""However many call at once: no caller and no vendor gets past its limits, and where they cannot be checked nobody mints."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest

from local.twins.twin import Fault
from minting import aws
from minting.gate import SECONDS_KNOWN
from minting.quotas import MAX_ENDED
from tests.clock import LIMITS, WallClock, stopped
from tests.conftest import client
from tests.functions.contract import Fresh
from tests.trust.table import (
    CHANGE,
    READ,
    SECRET,
    TRANSACTION,
    Wire,
    cancelled,
    items,
    resume,
    stop,
    taken,
    trouble,
    used,
)
from tests.trust.vendors import ALL, Vendor

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer

pytestmark = pytest.mark.usefixtures("patient_aws")

CALLS, THREADS, CAP = 200, 50, 20
ISSUER = "https://issuer.example.com"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    """The limits' clock, which stands still until a test moves it: no hour ends by itself."""
    noon = datetime.now(UTC).replace(hour=12, minute=34, second=56, microsecond=500_000)
    return stopped(monkeypatch, LIMITS, WallClock(noon.timestamp()))


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def said(answer: "Answer") -> tuple[int, str, str | None]:
    """A problem's status, code and limit."""
    return answer.status, answer.body["code"], answer.body.get("limit")


OVER_HOUR, OVER_DAY = (429, "quota_exceeded", "caller_per_hour"), (429, "quota_exceeded", "vendor_per_day")
STOPPED, UNAVAILABLE = (503, "vendor_stopped", None), (503, "limits_unavailable", None)


# Exact, however many call at once


@pytest.mark.parametrize(
    ("callers", "limit", "variable"),
    [(1, "caller_per_hour", "CALLER_PER_HOUR"), (CALLS, "vendor_per_day", "VENDOR_PER_DAY")],
)
def test_hundreds_of_calls_at_once_get_exactly_what_the_limit_allows(
    function: Fresh, callers: int, limit: str, variable: str
) -> None:
    environments = [function("convai", **{variable: str(CAP)}) for _ in range(4)]

    def call(number: int) -> str | None:
        answer = environments[number % 4].ask("convai-mint", sub=f"caller-{number % callers}")
        assert answer.status in {201, 429}
        refused: str | None = answer.body.get("limit")
        return refused

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = Counter(pool.map(call, range(CALLS)))
    assert outcomes == {None: CAP, limit: CALLS - CAP}
    assert len(environments[0].twin.calls) == CAP


def test_the_narrowest_limit_that_is_reached_is_the_one_named(function: Fresh) -> None:
    convai = function("convai", CALLER_PER_HOUR="2", VENDOR_PER_DAY="3")
    assert [convai.ask("convai-mint").status for _ in range(2)] == [201, 201]
    assert said(convai.ask("convai-mint")) == OVER_HOUR
    assert convai.ask("convai-mint", sub="bob").status == 201
    assert said(convai.ask("convai-mint", sub="bob")) == OVER_DAY
    assert said(function("convai", CALLER_PER_HOUR="2", VENDOR_PER_DAY="3").ask("convai-mint")) == OVER_HOUR


def test_a_caller_has_a_tenth_of_the_day_unless_the_team_says_otherwise(function: Fresh) -> None:
    by_default, given = (
        function("convai", CALLER_PER_HOUR="60", VENDOR_PER_DAY="99", CALLER_PER_DAY=day) for day in "03"
    )
    assert [by_default.ask("convai-mint").status for _ in range(10)] == [201] * 9 + [429]
    assert said(by_default.ask("convai-mint")) == (429, "quota_exceeded", "caller_per_day")
    statuses = [given.ask("convai-mint", sub="bob").status for _ in range(4)]
    assert statuses == [201, 201, 201, 429]


def test_a_caller_has_at_least_five_mints_in_a_small_day(function: Fresh) -> None:
    convai = function("convai", VENDOR_PER_DAY="20")
    assert [convai.ask("convai-mint").status for _ in range(6)] == [201] * 5 + [429]


def test_a_budget_of_its_own_leaves_the_mints_alone(function: Fresh) -> None:
    odyssey = function("odyssey", BROADCASTS_PER_DAY="5", BROADCASTS_CALLER_PER_HOUR="9", CALLER_PER_HOUR="1")
    statuses = [odyssey.ask("odyssey-register", sub=str(number)).status for number in range(6)]
    assert statuses == [201] * 5 + [429]
    assert odyssey.ask("odyssey-register").body["limit"] == "broadcasts_vendor_per_day"
    assert odyssey.ask("odyssey-mint").status == 201


def test_a_refusal_takes_nothing(function: Fresh, bundle: "Bundle", table: str) -> None:
    convai = function("convai", CALLER_PER_HOUR="1", VENDOR_PER_DAY="9")
    for _ in range(3):
        convai.ask("convai-mint")
    assert used(bundle, table) == taken(1)
    assert said(function("convai", CALLER_PER_HOUR="9", VENDOR_PER_DAY="1").ask("convai-mint")) == OVER_DAY
    assert used(bundle, table) == taken(1)


def test_a_caller_is_an_issuer_and_a_subject(function: Fresh, bundle: "Bundle") -> None:
    convai = function("convai", CALLER_PER_HOUR="1")

    def ask(iss: str, sub: str) -> int:
        event = bundle.event("convai-mint")
        event["requestContext"]["authorizer"]["jwt"]["claims"] |= {"iss": iss, "sub": sub}
        return convai.send(event).status

    apart = [(ISSUER, "alice"), (ISSUER, "bob"), ("https://other.example", "alice"), (f"{ISSUER}a", "lice")]
    assert [ask(*caller) for caller in apart] == [201] * 4
    assert [ask(*caller) for caller in apart] == [429] * 4


def test_one_vendors_limit_is_no_others(function: Fresh) -> None:
    convai, trulience = (function(vendor, VENDOR_PER_DAY="1") for vendor in ("convai", "trulience"))
    assert [convai.ask("convai-mint").status for _ in range(2)] == [201, 429]
    assert [trulience.ask("trulience-mint").status for _ in range(2)] == [201, 429]


def test_all_of_a_callers_routes_share_a_limit(function: Fresh) -> None:
    convai = function("convai", CALLER_PER_HOUR="1")
    assert [convai.ask(event).status for event in ("convai-mint", "convai-mint-get")] == [201, 429]


# Windows


@pytest.mark.parametrize(
    ("setting", "seconds"),
    [
        ("CALLER_PER_HOUR", 25 * 60 + 3.5),
        ("CALLER_PER_DAY", 11 * 3600 + 25 * 60 + 3.5),
        ("VENDOR_PER_DAY", 11 * 3600 + 25 * 60 + 3.5),
    ],
)
def test_a_caller_who_waits_as_told_is_served_and_a_second_earlier_is_not(
    function: Fresh, clock: WallClock, setting: str, seconds: float
) -> None:
    convai = function("convai", **{setting: "1"})
    convai.ask("convai-mint")
    wait = convai.ask("convai-mint").body["retry_after"]
    assert seconds <= wait <= seconds + 1
    clock.forward(wait - 1)
    refused = convai.ask("convai-mint")
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    clock.forward(1)
    assert convai.ask("convai-mint").status == 201


def test_old_hours_of_a_caller_are_removed_before_its_item_grows(
    function: Fresh, bundle: "Bundle", table: str, clock: WallClock
) -> None:
    convai = function("convai", VENDOR_PER_DAY="100000")
    for _ in range(MAX_ENDED + 5):
        assert convai.ask("convai-mint").status == 201
        clock.forward(3600)
    [caller] = [item for key, item in items(bundle, table).items() if key.startswith("convai#caller#")]
    assert len(caller) <= MAX_ENDED + 6
    assert used(bundle, table)["callers"] >= 1


# What a refused call must not cost


REFUSALS = {
    "over the hour": (OVER_HOUR, {"CALLER_PER_HOUR": "1"}),
    "over the day": (OVER_DAY, {"VENDOR_PER_DAY": "1"}),
    "no table": (UNAVAILABLE, {"LIMITS_TABLE": "absent"}),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_a_refused_call_reaches_neither_the_vendor_nor_the_secret(
    function: Fresh, wire: Wire, vendor: Vendor, refusal: str
) -> None:
    function(vendor.name).ask(vendor.event)
    expected, changes = REFUSALS[refusal]
    refused = function(vendor.name, **changes)
    refused.module.vendor._keyring._held = None  # so a function that wants the key has to fetch it
    refused.twin.calls.clear()
    wire.sent.clear()
    another = {"content-type": "application/json", "idempotency-key": "another mint, and no repeat"}
    assert said(refused.ask(vendor.event, headers=another)) == expected
    assert refused.twin.calls == []
    assert SECRET not in wire.sent
    assert len(wire.sent) <= 4


def test_while_the_day_is_full_a_refusal_asks_aws_nothing(function: Fresh, wire: Wire, clock: WallClock) -> None:
    convai = function("convai", VENDOR_PER_DAY="1")
    assert [convai.ask("convai-mint").status for _ in range(2)] == [201, 429]
    wire.sent.clear()
    clock.forward(SECONDS_KNOWN - 1)
    assert said(convai.ask("convai-mint", sub="bob")) == OVER_DAY
    assert wire.sent == []
    clock.forward(1)
    assert said(convai.ask("convai-mint", sub="bob")) == OVER_DAY
    assert wire.sent == [CHANGE] * 3


# What a failed mint gives back

KEY_REFUSED = Fault(status=401, body={"ERROR": "Invalid API key provided."})
FAILURES = {
    "bad request": Fault(status=400, body={"ERROR": "?"}),
    "key refused": KEY_REFUSED,
    "forbidden": Fault(status=403),
    "not found": Fault(status=404),
    "rate": Fault(status=429),
    "broken": Fault(status=500),
    "out of order": Fault(status=503, headers={"Retry-After": "60"}),
    "redirect": Fault(status=302, headers={"Location": "https://elsewhere.example"}),
    "not JSON": Fault(body="<html>"),
    "no token": Fault(body={"expirationTime": "2999-01-01T00:00:00Z"}),
    "lost answer": Fault(mode="drop"),
    "half an answer": Fault(mode="cut"),
    "late answer": Fault(delay=1.6),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_mint_that_fails_at_the_vendor_gives_back_what_it_took(
    function: Fresh, bundle: "Bundle", table: str, failure: str
) -> None:
    convai = function("convai", DEADLINE_SECONDS="1.5" if failure == "late answer" else "")
    convai.twin.fault(FAILURES[failure])
    assert convai.ask("convai-mint").status >= 500
    assert convai.twin.calls or failure == "late answer"
    assert used(bundle, table) == taken(0)


def test_a_mint_without_a_key_gives_back_what_it_took(function: Fresh, bundle: "Bundle", table: str) -> None:
    assert function("convai", secret="not set yet").ask("convai-mint").body["code"] == "not_configured"
    assert used(bundle, table) == taken(0)


def test_a_fault_of_our_own_gives_back_what_it_took(
    function: Fresh, bundle: "Bundle", table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    convai = function("convai")
    monkeypatch.delattr(convai.module, "key_headers")
    assert convai.ask("convai-mint").body["code"] == "internal_error"
    assert used(bundle, table) == taken(0)


def test_what_was_given_back_can_be_had_again_and_no_more(function: Fresh) -> None:
    convai = function("convai", CALLER_PER_HOUR="1", VENDOR_PER_DAY="1")
    convai.twin.fault(Fault(status=500, times=3))
    assert [convai.ask("convai-mint").status for _ in range(5)] == [502, 502, 502, 201, 429]


def test_a_failed_mint_gives_back_to_the_window_that_it_took_from(
    function: Fresh, bundle: "Bundle", table: str, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    convai = function("convai")
    request = convai.module.api.request

    def an_hour_later(*parts: Any, **named: Any) -> Any:
        clock.forward(3600)
        return request(*parts, **named)

    monkeypatch.setattr(convai.module.api, "request", an_hour_later)
    convai.twin.fault(Fault(status=429))
    assert convai.ask("convai-mint").status == 503
    assert used(bundle, table) == taken(0)


# Where limits cannot be checked


@pytest.fixture
def silent() -> Iterator[str]:
    """A URL at which connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL at which every connection is refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("outage", ["nobody", "silent"])
def test_nobody_mints_while_the_table_is_out_of_reach(
    function: Fresh, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, vendor: Vendor, outage: str
) -> None:
    table = request.getfixturevalue(outage)
    monkeypatch.setattr(aws, "TRY_SECONDS", 0.1)
    made = function(vendor.name, AWS_ENDPOINT_URL_DYNAMODB=table)
    answer = made.ask(vendor.event)
    assert said(answer) == UNAVAILABLE
    assert (answer.body["fault"], answer.body["retryable"]) == ("operator", True)
    assert int(answer.headers["retry-after"]) > 0
    assert made.twin.calls == []


TROUBLES = {
    "denied": trouble("AccessDeniedException"),
    "no table": trouble("ResourceNotFoundException"),
    "account's limit": trouble("RequestLimitExceeded"),
    "broken": trouble("InternalServerError", 500),
}


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_nobody_mints_while_the_table_is_in_trouble(function: Fresh, wire: Wire, vendor: Vendor) -> None:
    made = function(vendor.name)
    outcomes = {}
    for name, answer in TROUBLES.items():
        wire.answers = repeat(answer)
        outcomes[name] = said(made.ask(vendor.event))
    wire.answers = iter(())
    assert outcomes == dict.fromkeys(TROUBLES, UNAVAILABLE)
    assert made.twin.calls == []
    assert made.ask(vendor.event).status == 201


def test_the_record_notes_what_the_table_said(function: Fresh, wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    odyssey = function("odyssey")
    wire.answers = iter([trouble("AccessDeniedException")])
    odyssey.ask("odyssey-mint")
    wire.answers = iter([None, None, None, cancelled("None", "ItemCollectionSizeLimitExceeded", "None")])
    odyssey.ask("odyssey-mint")
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    notes = [line.get("notes") for line in lines if line.get("outcome") == "limits_unavailable"]
    assert notes == [["AccessDeniedException"], ["ItemCollectionSizeLimitExceeded"]]


def test_one_lost_answer_of_the_table_costs_no_mint(function: Fresh, wire: Wire) -> None:
    convai = function("convai")
    wire.answers = iter([trouble("InternalServerError", 500)])
    assert convai.ask("convai-mint").status == 201


BUSY = ["TransactionConflictException", "ThrottlingException", "ProvisionedThroughputExceededException"]


@pytest.mark.parametrize("code", BUSY)
def test_a_write_that_meets_another_is_tried_again(
    function: Fresh, bundle: "Bundle", table: str, wire: Wire, code: str
) -> None:
    trulience = function("trulience")
    wire.answers = iter([trouble(code) for _ in range(5)])
    wire.sent.clear()
    assert trulience.ask("trulience-mint").status == 201
    assert wire.sent == [CHANGE] * 7
    assert used(bundle, table) == taken(1)


@pytest.mark.parametrize("code", BUSY)
def test_a_write_that_always_meets_another_ends_with_the_deadline(function: Fresh, wire: Wire, code: str) -> None:
    trulience = function("trulience", DEADLINE_SECONDS="0.5")
    wire.answers = (trouble(code) for _ in repeat(None))
    answer = trulience.ask("trulience-mint")
    assert trulience.twin.calls == []
    assert said(answer) == UNAVAILABLE
    assert answer.body["fault"] == "operator"


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_meets_another_is_tried_again(function: Fresh, wire: Wire, reason: str) -> None:
    odyssey = function("odyssey")
    wire.answers = iter([None, None, None, *[cancelled("None", reason, "None") for _ in range(5)]])
    wire.sent.clear()
    assert odyssey.ask("odyssey-mint").status == 201
    assert wire.sent == [READ, CHANGE, CHANGE, *[TRANSACTION] * 6, READ, TRANSACTION]


# The operator's stop


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_an_operator_stops_one_vendor_within_five_seconds_and_resumes_it(
    function: Fresh, bundle: "Bundle", table: str, clock: WallClock, vendor: Vendor
) -> None:
    running = function(vendor.name)
    assert running.ask(vendor.event).status == 201
    stop(bundle, table, vendor.name)
    clock.forward(SECONDS_KNOWN)
    assert said(running.ask(vendor.event)) == STOPPED
    other = next(another for another in ALL if another != vendor)
    assert function(other.name).ask(other.event).status == 201
    resume(bundle, table, vendor.name)
    clock.forward(SECONDS_KNOWN)
    assert running.ask(vendor.event).status == 201


def test_a_stop_meets_an_environment_that_still_holds_mints(
    function: Fresh, bundle: "Bundle", table: str, clock: WallClock
) -> None:
    convai = function("convai")
    for _ in range(3):
        assert convai.ask("convai-mint").status == 201
    stop(bundle, table, "convai")
    clock.forward(SECONDS_KNOWN - 1)
    assert convai.ask("convai-mint").status == 201
    clock.forward(1)
    assert said(convai.ask("convai-mint")) == STOPPED


def test_a_stopped_vendor_counts_nothing_and_can_still_revoke(
    function: Fresh, bundle: "Bundle", table: str, clock: WallClock
) -> None:
    convai = function("convai")
    token = {"apiAuthToken": convai.ask("convai-mint").body["apiAuthToken"]}
    stop(bundle, table, "convai")
    clock.forward(SECONDS_KNOWN)
    assert said(convai.ask("convai-mint")) == said(convai.ask("convai-extend", token)) == STOPPED
    assert used(bundle, table) == taken(1)
    assert convai.ask("convai-revoke", token).status == 204


# What it costs, and what it keeps


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_a_mint_asks_the_table_as_often_as_documented(function: Fresh, wire: Wire, vendor: Vendor) -> None:
    made = function(vendor.name)
    assert wire.sent == [SECRET]
    wire.sent.clear()
    assert made.ask(vendor.event).status == 201
    limits = [CHANGE, CHANGE]
    slot = [READ, *limits, TRANSACTION, READ, TRANSACTION]
    owner = [CHANGE] if vendor.declared["revocable"] else []
    assert wire.sent == (slot if vendor.declared["takes_slot"] else [*limits, *owner])


def test_a_busy_environment_asks_the_table_once_for_a_mint(function: Fresh, wire: Wire) -> None:
    trulience = function("trulience", CALLER_PER_HOUR="1000", VENDOR_PER_DAY="100000")
    wire.sent.clear()
    for _ in range(40):
        trulience.ask("trulience-mint")
    assert len(wire.sent) <= 40 + 4


def test_a_repeat_for_a_session_that_is_there_asks_the_table_three_times(function: Fresh, wire: Wire) -> None:
    odyssey = function("odyssey")
    odyssey.ask("odyssey-mint")
    wire.sent.clear()
    assert odyssey.ask("odyssey-mint").status == 201
    assert wire.sent == [READ, READ, CHANGE]


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_every_item_but_the_vendors_own_ends_and_none_names_anyone(
    function: Fresh, bundle: "Bundle", table: str, vendor: Vendor
) -> None:
    made = function(vendor.name)
    minted = made.ask(vendor.event, sub="alice-in-clear")
    assert minted.status == 201
    kept = items(bundle, table)
    expiry = bundle.template.properties("LimitsTable")["TimeToLiveSpecification"]["AttributeName"]
    for key, item in kept.items():
        assert key.startswith(f"{vendor.name}#")
        if key == f"{vendor.name}#vendor":
            continue
        lasts = int(item[expiry]["N"]) - datetime.now(UTC).timestamp()
        assert 0 < lasts < timedelta(days=3).total_seconds()
    dump = json.dumps(kept, default=lambda held: held.decode("latin-1"))
    secret = client(bundle, "secretsmanager").get_secret_value(SecretId=made.secret_id)["SecretString"]
    canaries = ["alice-in-clear", ISSUER, minted.body[vendor.field], *strings(json.loads(secret))]
    assert [canary for canary in canaries if canary in dump] == []


def strings(value: Any) -> list[str]:
    """All texts in a JSON value."""
    inner = value.values() if isinstance(value, dict) else ()
    return [value] if isinstance(value, str) else [text for member in inner for text in strings(member)]


@pytest.mark.parametrize("failure", ["refused", "failed"])
def test_calls_that_come_to_nothing_leave_items_that_end_too(
    function: Fresh, bundle: "Bundle", table: str, failure: str
) -> None:
    odyssey = function("odyssey", ODYSSEY_SLOTS_PER_CALLER="1")
    if failure == "failed":
        odyssey.twin.fault(Fault(path="/sessions/request", status=429))
    for number in range(2):
        odyssey.ask("odyssey-mint", headers={"content-type": "application/json", "idempotency-key": str(number)})
    assert [key for key, item in items(bundle, table).items() if "expires" not in item] == ["odyssey#vendor"]
