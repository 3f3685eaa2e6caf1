"""However often a call is repeated, and wherever one breaks: one session for one key, and no slot beyond the limits."""

import itertools
import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from local.twins.odyssey import IDLE_SECONDS, OdysseyTwin
from local.twins.twin import Fault
from minting import claims, slots
from minting.gate import SECONDS_KNOWN
from tests.clock import LIMITS, SLOTS, WallClock, stopped
from tests.functions.contract import NOT_FOUND, Fresh, faults, said
from tests.trust.table import CHANGE, EXACT, READ, TRANSACTION, Wire, dynamodb, items, stop, taken, trouble, used

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer, Function

pytestmark = pytest.mark.usefixtures("patient_aws")

AMPLE = {"CALLER_PER_HOUR": "1000", "CALLER_PER_DAY": "1000", **EXACT}

MANY = {"ODYSSEY_SLOTS": "1000", "ODYSSEY_SLOTS_PER_CALLER": "1000"}
LONGEST_CALL = 25
"""Seconds by which a slot may be counted for longer than the vendor keeps it: the vendor may have heard of it that much later."""
ISSUER = "https://issuer.example.com"


class Clock(WallClock):
    """The clock of the layer and of the vendor."""

    def __init__(self, twin: OdysseyTwin) -> None:
        super().__init__()
        self._twin = twin

    def forward(self, seconds: float) -> None:
        super().forward(seconds)
        self._twin.skew += seconds


@pytest.fixture
def vendor(bundle: "Bundle") -> OdysseyTwin:
    """The vendor, with slots enough for the tests."""
    twin = bundle.twins["odyssey"]
    assert isinstance(twin, OdysseyTwin)
    twin.max_sessions = 1000
    return twin


@pytest.fixture(autouse=True)
def clock(vendor: OdysseyTwin, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(vendor)
    stopped(monkeypatch, LIMITS + SLOTS, clock)
    return clock


@pytest.fixture
def odyssey(function: Fresh) -> "Function":
    """An environment where only the slots limit anything."""
    return function("odyssey", ODYSSEY_QUEUE_SECONDS="0", **AMPLE)


def mint(odyssey: "Function", key: str | None = "k", sub: str = "alice") -> "Answer":
    """A call with (or without) an Idempotency-Key."""
    headers = {"content-type": "application/json"} | ({} if key is None else {"idempotency-key": key})
    return odyssey.ask("odyssey-mint", sub=sub, headers=headers)


def mint_as_told(odyssey: "Function") -> "Answer":
    """A call that is sent again while another one with its key is in progress, as its answer tells the client."""
    while (answer := mint(odyssey)).status == 409 and answer.body["code"] == "in_progress":
        pass
    return answer


def session_of(answer: "Answer") -> str:
    """The session of an answer that holds credentials."""
    assert answer.status == 201, answer.body
    session: str = answer.body["session_id"]
    return session


def opens(vendor: OdysseyTwin, answer: "Answer") -> bool:
    """Whether the credentials connect to their session, or would if it were not connected already."""
    return vendor.connect(session_of(answer), answer.body["session_token"]) in {101, 409}


def marks(bundle: "Bundle", table: str) -> list[str]:
    """What the slots that are counted as live are marked with."""
    live: list[str] = items(bundle, table)["odyssey#live"].get("live", {"SS": []})["SS"]
    return live


def release(odyssey: "Function", session: object, sub: str = "alice") -> "Answer":
    """A client says that it has left."""
    return odyssey.ask("odyssey-release", {"session_id": session}, sub=sub)


def leave(odyssey: "Function", vendor: OdysseyTwin, minted: "Answer") -> str:
    """A client that leaves as it should: it disconnects, then says so. Gives the session."""
    session = session_of(minted)
    vendor.disconnect(session)
    assert release(odyssey, session).status == 204
    return session


# One session for one key


def test_calls_with_one_key_at_once_make_one_session_and_all_get_into_it(function: Fresh, vendor: OdysseyTwin) -> None:
    environments = [function("odyssey", **AMPLE) for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: mint_as_told(environments[number % 3]), range(12)))
    assert {session_of(answer) for answer in answers} == set(vendor.sessions)
    assert len(vendor.sessions) == 1
    assert all(opens(vendor, answer) for answer in answers)
    assert [call.path for call in vendor.calls].count("/sessions/request") == 1


def test_a_call_that_is_repeated_gets_fresh_credentials_for_the_same_session(
    function: Fresh, odyssey: "Function", vendor: OdysseyTwin, clock: Clock
) -> None:
    first = mint(odyssey)
    clock.forward(slots.KEYED_SECONDS - 2)
    again = mint(function("odyssey", **AMPLE))
    assert session_of(again) == session_of(first)
    assert again.body["session_token"] != first.body["session_token"]
    assert (again.body["mint"]["id"], again.body["signaling_url"]) != (first.body["mint"]["id"], "")
    assert again.body.keys() == first.body.keys()
    assert opens(vendor, again)


def test_a_key_stands_for_its_session_as_long_as_its_credentials_are_good(odyssey: "Function", clock: Clock) -> None:
    first = session_of(mint(odyssey))
    clock.forward(slots.KEYED_SECONDS + 2)
    assert session_of(mint(odyssey)) != first


def test_without_a_key_a_double_tap_shares_a_session_and_a_later_call_does_not(
    odyssey: "Function", clock: Clock
) -> None:
    first = session_of(mint(odyssey, None))
    clock.forward(slots.REPEAT_SECONDS - 2)
    assert session_of(mint(odyssey, None)) == first
    clock.forward(4)
    assert session_of(mint(odyssey, None)) != first


def test_other_keys_and_no_key_are_other_sessions(function: Fresh, vendor: OdysseyTwin) -> None:
    odyssey = function("odyssey", **AMPLE, **MANY)
    keys = [None, "a", "A", "a ", " a", "~" * 255]
    sessions = [session_of(mint(odyssey, key)) for key in keys]
    assert len(set(sessions)) == len(keys)
    assert sessions == [session_of(mint(odyssey, key)) for key in keys]


@pytest.mark.parametrize("claims", [{"sub": "mallory"}, {"iss": "https://other.example"}])
@pytest.mark.parametrize("key", ["k", None])
def test_another_caller_with_the_same_key_never_gets_the_first_ones_session(
    odyssey: "Function", bundle: "Bundle", vendor: OdysseyTwin, key: str | None, claims: dict[str, str]
) -> None:
    first = session_of(mint(odyssey, key))
    event = bundle.event("odyssey-mint")
    event["headers"] |= {"idempotency-key": key} if key else {}
    event["requestContext"]["authorizer"]["jwt"]["claims"] |= claims
    assert session_of(odyssey.send(event)) != first
    assert len(vendor.sessions) == 2


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "\x00", "\x7f", "\t", "ключ", "é", "k\n"])
def test_a_key_that_is_none_is_refused_by_name(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin, key: str
) -> None:
    answer = mint(odyssey, key)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert [error["field"] for error in answer.body["errors"]] == ["Idempotency-Key"]
    assert (vendor.calls, items(bundle, table)) == ([], {})


# Where a call breaks


def test_a_session_whose_token_never_came_is_picked_up_by_the_next_try(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin
) -> None:
    vendor.fault(Fault(path="/sessions/token", times=2, mode="drop"))
    assert mint(odyssey).body["code"] == "vendor_unavailable"
    assert [session_of(mint(odyssey))] == list(vendor.sessions)
    assert used(bundle, table) == taken(1)


class Dies:
    """In the place of a function's `ask`: ends the process before or after one vendor call, as a Lambda time-out does."""

    def __init__(self, odyssey: "Function", path: str, *, asked: bool) -> None:
        self._ask = odyssey.module.credentials.ask
        self._path, self._asked = path, asked
        odyssey.module.credentials.ask = self

    def __call__(self, path: str, *parts: Any) -> Any:
        if path == self._path:
            if self._asked:
                self._ask(path, *parts)
            raise SystemExit
        return self._ask(path, *parts)


@pytest.mark.parametrize("asked", [False, True])
def test_a_session_whose_call_died_before_its_token_is_picked_up_by_the_next_try(
    function: Fresh, odyssey: "Function", vendor: OdysseyTwin, *, asked: bool
) -> None:
    Dies(odyssey, "sessions/token", asked=asked)
    with pytest.raises(SystemExit):
        mint(odyssey)
    next_try = mint(function("odyssey", **AMPLE))
    assert [session_of(next_try)] == list(vendor.sessions)
    assert opens(vendor, next_try)


def test_a_call_that_died_while_it_asked_holds_its_key_until_its_deadline_and_its_slot_until_the_vendor_lets_go(
    function: Fresh, bundle: "Bundle", table: str, vendor: OdysseyTwin, clock: Clock
) -> None:
    odyssey = function("odyssey", **AMPLE)
    dying, waiting = (function("odyssey", DEADLINE_SECONDS="3", **AMPLE) for _ in range(2))
    Dies(dying, "sessions/request", asked=True)
    with pytest.raises(SystemExit):
        mint(dying)
    waited = mint(waiting)
    assert (waited.status, waited.body["code"], waited.headers["retry-after"]) == (409, "in_progress", "1")
    clock.forward(3 + 2)
    assert session_of(mint(odyssey)) in vendor.sessions
    assert len(marks(bundle, table)) == len(vendor.sessions) == 2
    assert mint(odyssey, "another").body["limit"] == "slots_per_caller"


def test_one_request_waits_for_the_one_with_its_key_and_others_are_refused_at_once(
    function: Fresh, vendor: OdysseyTwin
) -> None:
    vendor.fault(Fault(path="/sessions/request", times=1, delay=2))
    environments = [function("odyssey", **AMPLE) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(mint, environments))
    assert Counter(answer.status for answer in answers) == {201: 2, 409: 4}
    refused = [answer for answer in answers if answer.status == 409]
    assert {(answer.body["code"], answer.headers["retry-after"]) for answer in refused} == {("in_progress", "1")}
    assert len(vendor.sessions) == 1


def test_a_request_may_wait_in_place_of_one_that_died_waiting(
    function: Fresh, vendor: OdysseyTwin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying, waiting, next_one = (function("odyssey", DEADLINE_SECONDS=end, **AMPLE) for end in ("20", "3", "3"))
    Dies(dying, "sessions/request", asked=True)
    with pytest.raises(SystemExit):
        mint(dying)
    monkeypatch.setattr(slots, "sleep", sys.exit)
    with pytest.raises(SystemExit):
        mint(waiting)
    monkeypatch.setattr(slots, "sleep", sleep)
    assert mint(next_one).body["code"] == "in_progress"
    wire = Wire(monkeypatch)
    clock.forward(3 + 2)
    assert mint(function("odyssey", DEADLINE_SECONDS="3", **AMPLE)).body["code"] == "in_progress"
    assert len(wire.sent) > 4  # it waited


def test_a_call_waits_for_the_one_with_its_key_and_gets_the_same_session(function: Fresh, vendor: OdysseyTwin) -> None:
    vendor.fault(Fault(path="/sessions/request", times=1, delay=0.5))
    environments = [function("odyssey", **AMPLE) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(mint, environments))
    assert {session_of(answer) for answer in answers} == set(vendor.sessions)


def test_a_call_that_waited_for_one_that_failed_takes_the_session_itself(function: Fresh, vendor: OdysseyTwin) -> None:
    vendor.fault(Fault(path="/sessions/request", times=1, status=429, delay=0.5))
    environments = [function("odyssey", **AMPLE) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(answer.status for answer in pool.map(mint, environments))
    assert (statuses, len(vendor.sessions)) == ([201, 503], 1)


def test_an_answer_of_unknown_outcome_keeps_its_slot_and_blocks_no_one_below_the_limit(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin
) -> None:
    vendor.fault(Fault(path="/sessions/request", times=1, mode="drop"))
    assert mint(odyssey).body["code"] == "vendor_unavailable"
    assert len(marks(bundle, table)) == len(vendor.sessions) == 1
    assert session_of(mint(odyssey)) in vendor.sessions
    assert len(marks(bundle, table)) == len(vendor.sessions) == 2
    assert mint(odyssey, "another").body["limit"] == "slots_per_caller"
    assert mint(odyssey, sub="bob").status == 201


UNKNOWN = {
    "half an answer": Fault(mode="cut"),
    "no session in it": Fault(body={"signalling_url": "wss://signal.example"}),
    "not JSON": Fault(body="<html>"),
    "error inside": Fault(status=500),
    "gateway's error": Fault(status=502),
    "gateway's time-out": Fault(status=504),
}


@pytest.mark.parametrize("outcome", UNKNOWN)
def test_a_slot_that_the_vendor_may_have_given_stays_counted(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin, outcome: str
) -> None:
    mint(odyssey, sub="warm")  # signed in already
    fault = UNKNOWN[outcome]
    vendor.fault(Fault("/sessions/request", 1, fault.status, body=fault.body, mode=fault.mode))
    assert mint(odyssey).status >= 500
    assert len(marks(bundle, table)) == 2


SURE: dict[str, dict[str, Any]] = {
    "all slots taken": {"refusal": "CONCURRENT_LIMIT_REACHED"},
    "hours used up": {"refusal": "MONTHLY_LIMIT_REACHED"},
    "rate": {"refusal": "RATE_LIMITED"},
    "no streamer": {"busy_polls": 1},
    "dead key": {"keys": {}},
}


@pytest.mark.parametrize("outcome", SURE)
def test_a_slot_that_the_vendor_did_not_give_is_given_back(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin, outcome: str
) -> None:
    for setting, value in SURE[outcome].items():
        setattr(vendor, setting, value)
    assert mint(odyssey).status >= 500
    assert marks(bundle, table) == []
    assert used(bundle, table) == taken(0)


def test_a_queue_that_outlasts_the_request_takes_no_slot(
    function: Fresh, bundle: "Bundle", table: str, vendor: OdysseyTwin
) -> None:
    odyssey = function("odyssey", DEADLINE_SECONDS="0.6", ODYSSEY_QUEUE_SECONDS="15", **AMPLE)
    vendor.busy_polls = 1000
    assert mint(odyssey).body["code"] == "vendor_timeout"
    assert marks(bundle, table) == []
    vendor.busy_polls = 0
    assert mint(function("odyssey", **AMPLE)).status == 201


def test_the_next_try_after_a_slot_was_given_back_gets_it(function: Fresh, vendor: OdysseyTwin) -> None:
    odyssey = function("odyssey", ODYSSEY_SLOTS="1", ODYSSEY_QUEUE_SECONDS="0", CALLER_PER_HOUR="1")
    vendor.busy_polls = 2
    assert [mint(odyssey).status for _ in range(3)] == [503, 503, 201]
    assert mint(odyssey, "another").status == 429


@pytest.mark.parametrize("fault", [Fault(mode="drop"), Fault(mode="cut"), Fault(status=504), Fault(body="<html>")])
def test_a_sign_in_that_fails_takes_no_slot(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin, fault: Fault
) -> None:
    vendor.fault(Fault("/auth/token", None, fault.status, body=fault.body, mode=fault.mode))
    assert mint(odyssey).status >= 500
    assert "/sessions/request" not in [call.path for call in vendor.calls]
    assert marks(bundle, table) == []


def test_a_session_that_cannot_be_written_down_is_handed_out_all_the_same(
    function: Fresh, vendor: OdysseyTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    odyssey = function("odyssey", **AMPLE)
    wire.answers = itertools.chain([None] * 4, (trouble("AccessDeniedException") for _ in itertools.repeat(None)))
    assert opens(vendor, mint(odyssey))


# Repeats


def test_repeats_of_a_key_count_as_one_mint_even_when_the_hour_is_full(
    function: Fresh, bundle: "Bundle", table: str
) -> None:
    odyssey = function("odyssey", CALLER_PER_HOUR="1", VENDOR_PER_DAY="1")
    assert len({session_of(mint(odyssey)) for _ in range(3)}) == 1
    assert used(bundle, table) == taken(1)
    assert mint(odyssey, "another").body["limit"] == "caller_per_hour"
    assert mint(odyssey).status == 201


def test_taps_without_a_key_count_as_one_mint(odyssey: "Function", bundle: "Bundle", table: str) -> None:
    assert len({session_of(mint(odyssey, None)) for _ in range(3)}) == 1
    assert used(bundle, table) == taken(1)


@pytest.mark.parametrize("path", ["/sessions/token", "/auth/token"])
def test_a_repeat_that_fails_gives_back_no_count(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin, path: str
) -> None:
    mint(odyssey)
    odyssey.forget_sign_in()
    vendor.fault(Fault(path=path, status=500))
    assert mint(odyssey).body["code"] == "vendor_error"
    assert used(bundle, table) == taken(1)


def test_an_operators_stop_stops_repeats_too(odyssey: "Function", bundle: "Bundle", table: str, clock: Clock) -> None:
    mint(odyssey)
    stop(bundle, table, "odyssey")
    clock.forward(SECONDS_KNOWN)
    assert mint(odyssey).body["code"] == "vendor_stopped"


@pytest.mark.parametrize(("key", "kept"), [("k", slots.KEYED_SECONDS), (None, slots.REPEAT_SECONDS)])
def test_repeats_of_one_session_are_bounded_and_a_caller_who_waits_as_told_gets_another(
    odyssey: "Function", vendor: OdysseyTwin, clock: Clock, key: str | None, kept: int
) -> None:
    first = session_of(mint(odyssey, key))
    assert {session_of(mint(odyssey, key)) for _ in range(claims.MAX_REPEATS)} == {first}
    calls = len(vendor.calls)
    refused = mint(odyssey, key)
    assert (refused.status, refused.body["code"], refused.body["limit"]) == (429, "quota_exceeded", "repeats")
    assert refused.body["retry_after"] in range(kept - 1, kept + 3)
    assert len(vendor.calls) == calls
    clock.forward(refused.body["retry_after"])
    assert session_of(mint(odyssey, key)) != first


def test_no_number_of_repeats_at_once_passes_their_bound(
    function: Fresh, vendor: OdysseyTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (claims, slots):
        monkeypatch.setattr(module, "MAX_REPEATS", 5)
    environments = [function("odyssey", **AMPLE) for _ in range(3)]
    mint(environments[0])
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: mint(environments[number % 3]), range(12)))
    assert Counter(answer.status for answer in answers) == {201: 5, 429: 7}
    assert len(vendor.sessions) == 1


def test_a_key_that_stands_for_a_new_session_has_all_its_repeats(
    odyssey: "Function", vendor: OdysseyTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (claims, slots):
        monkeypatch.setattr(module, "MAX_REPEATS", 1)
    first = mint(odyssey)
    assert [mint(odyssey).status for _ in range(2)] == [201, 429]
    left = leave(odyssey, vendor, first)
    assert [mint(odyssey).status for _ in range(3)] == [201, 201, 429]
    assert left not in vendor.sessions


# A session that its client has left


def test_a_caller_who_leaves_sessions_properly_is_never_locked_out(odyssey: "Function", vendor: OdysseyTwin) -> None:
    vendor.max_sessions = 2
    left = [leave(odyssey, vendor, mint(odyssey, str(number))) for number in range(7)]
    assert len(set(left)) == 7
    assert session_of(mint(odyssey, "one more")) in vendor.sessions


def test_a_caller_who_leaves_no_session_waits_for_the_vendor(odyssey: "Function", vendor: OdysseyTwin) -> None:
    for number in range(2):
        vendor.disconnect(session_of(mint(odyssey, str(number))))
    assert mint(odyssey, "third").body["limit"] == "slots_per_caller"


def test_a_released_slot_is_free_for_another_caller(function: Fresh) -> None:
    odyssey = function("odyssey", **AMPLE | {"ODYSSEY_SLOTS": "1"})
    first = session_of(mint(odyssey))
    assert mint(odyssey, sub="bob").body["limit"] == "slots"
    assert release(odyssey, first).status == 204
    assert mint(odyssey, sub="bob").status == 201


@pytest.mark.parametrize("key", ["k", None])
def test_a_released_session_is_handed_out_to_no_repeat(
    odyssey: "Function", vendor: OdysseyTwin, key: str | None
) -> None:
    """The vendor may go on with it for a while, as with one whose client was lost."""
    first = session_of(mint(odyssey, key))
    assert release(odyssey, first).status == 204
    assert first in vendor.sessions
    second = session_of(mint(odyssey, key))
    assert second != first
    assert session_of(mint(odyssey, key)) == second


def test_a_repeat_that_looked_before_the_release_gets_a_new_session(
    odyssey: "Function", monkeypatch: pytest.MonkeyPatch
) -> None:
    first = session_of(mint(odyssey))
    again = claims.Claim.repeat

    def release_meanwhile(claim: claims.Claim) -> Any:
        monkeypatch.setattr(claims.Claim, "repeat", again)
        assert release(odyssey, first).status == 204
        return again(claim)

    monkeypatch.setattr(claims.Claim, "repeat", release_meanwhile)
    assert session_of(mint(odyssey)) != first


def test_a_released_session_leaves_the_one_after_it_alone(
    odyssey: "Function", bundle: "Bundle", table: str, clock: Clock
) -> None:
    first = session_of(mint(odyssey, None))
    clock.forward(slots.REPEAT_SECONDS + 2)
    second = session_of(mint(odyssey, None))
    assert release(odyssey, first).status == 204
    assert len(marks(bundle, table)) == 1
    assert session_of(mint(odyssey, None)) == second


def test_releasing_again_is_204_and_writes_nothing(function: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch)
    odyssey = function("odyssey", **AMPLE)
    first = session_of(mint(odyssey))
    answers = [release(odyssey, first)]
    wire.sent.clear()
    answers += [release(odyssey, first) for _ in range(2)]
    assert [(answer.status, answer.raw["body"]) for answer in answers] == [(204, "")] * 3
    assert set(wire.sent) == {READ}


def test_a_session_can_be_released_long_after_its_slot_is_free(
    odyssey: "Function", bundle: "Bundle", table: str, clock: Clock
) -> None:
    """By then the table may have dropped the sets of live slots."""
    first = session_of(mint(odyssey))
    clock.forward(3600)
    for key in [key for key in items(bundle, table) if key.startswith("odyssey#live")]:
        dynamodb(bundle).delete_item(TableName=table, Key={"id": {"S": key}})
    assert release(odyssey, first).status == 204
    assert [key for key, item in items(bundle, table).items() if "expires" not in item] == ["odyssey#vendor"]


@pytest.mark.parametrize("claims", [{"sub": "mallory"}, {"iss": "https://other.example"}])
def test_nobody_releases_anothers_session_or_learns_that_it_is(
    odyssey: "Function", bundle: "Bundle", table: str, claims: dict[str, str]
) -> None:
    first = session_of(mint(odyssey))
    before = items(bundle, table)
    answers = []
    for session in (first, "never was", "s-1", "x" * 9000, "\x00", "é"):
        event = bundle.event("odyssey-release", body={"session_id": session})
        event["requestContext"]["authorizer"]["jwt"]["claims"] |= claims
        answers.append(odyssey.send(event))
    assert {said(answer) for answer in answers} == {NOT_FOUND}
    assert len({json.dumps(answer.body | {"instance": ""}) for answer in answers}) == 1
    assert items(bundle, table) == before
    assert session_of(mint(odyssey)) == first


@pytest.mark.parametrize("session", ["", None, 5, ["s-1"], {"session_id": "s-1"}])
def test_a_session_that_is_no_text_is_refused_by_name(odyssey: "Function", session: object) -> None:
    assert faults(release(odyssey, session)) == ["session_id"]


def test_releases_at_once_free_one_slot_and_nobody_elses(
    function: Fresh, bundle: "Bundle", table: str, vendor: OdysseyTwin
) -> None:
    environments = [function("odyssey", **AMPLE | {"ODYSSEY_SLOTS": "3"}) for _ in range(3)]
    mine = session_of(mint(environments[0]))
    kept = [session_of(mint(environments[0], "mine too")), session_of(mint(environments[0], sub="bob"))]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: release(environments[number % 3], mine), range(12)))
    assert {answer.status for answer in answers} == {204}
    assert len(marks(bundle, table)) == len(kept)
    outcomes = [mint(environments[0], key, "carol").body.get("limit", "") for key in "ab"]
    assert outcomes == ["", "slots"]


def test_releases_and_mints_at_once_never_pass_the_slots(function: Fresh, bundle: "Bundle", table: str) -> None:
    environments = [function("odyssey", **AMPLE | {"ODYSSEY_SLOTS": "4"}) for _ in range(3)]

    def come_and_go(number: int) -> int:
        odyssey, caller = environments[number % 3], f"caller-{number}"
        answer = mint(odyssey, sub=caller)
        return release(odyssey, session_of(answer), caller).status if answer.status == 201 else answer.status

    with ThreadPoolExecutor(12) as pool:
        outcomes = Counter(pool.map(come_and_go, range(24)))
    assert outcomes.keys() <= {204, 429}
    assert outcomes[204] >= 4
    assert marks(bundle, table) == []


def test_a_release_asks_neither_the_vendor_nor_for_its_key_and_counts_nothing(
    function: Fresh, odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin
) -> None:
    first = session_of(mint(odyssey))
    calls = len(vendor.calls)
    assert release(function("odyssey", secret="no key yet", **AMPLE), first).status == 204
    assert len(vendor.calls) == calls
    assert used(bundle, table) == taken(1)


def test_a_release_works_while_the_vendor_is_stopped(
    odyssey: "Function", bundle: "Bundle", table: str, clock: Clock
) -> None:
    first = session_of(mint(odyssey))
    stop(bundle, table, "odyssey")
    clock.forward(SECONDS_KNOWN)
    assert release(odyssey, first).status == 204
    assert marks(bundle, table) == []


def test_a_release_that_the_table_missed_half_of_is_finished_by_the_next_one(
    function: Fresh, bundle: "Bundle", table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    odyssey = function("odyssey", **AMPLE)
    first = session_of(mint(odyssey))
    for passed in range(6):
        wire.answers = itertools.chain([None] * passed, [trouble("AccessDeniedException")])
        answer = release(odyssey, first)
        assert answer.status == 204 or answer.body["code"] == "limits_unavailable"
    assert answer.status == 204
    assert marks(bundle, table) == []
    wire.answers = iter(())
    assert session_of(mint(odyssey)) != first


def test_a_session_is_written_down_for_its_repeats_and_its_release_in_one_write(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    odyssey = function("odyssey", **AMPLE)
    wire.sent.clear()
    first = session_of(mint(odyssey))
    assert wire.sent == [READ, CHANGE, CHANGE, TRANSACTION, READ, TRANSACTION]
    assert release(odyssey, first).status == 204


def test_a_caller_who_releases_without_leaving_meets_the_vendors_own_limit(
    odyssey: "Function", vendor: OdysseyTwin
) -> None:
    vendor.max_sessions = 2
    for number in range(2):
        assert release(odyssey, session_of(mint(odyssey, str(number)))).status == 204
    refused = mint(odyssey, "third")
    assert (refused.body["code"], refused.body["vendor_code"]) == ("no_capacity", "CONCURRENT_LIMIT_REACHED")


def test_every_session_that_was_released_still_counts_in_the_hour(function: Fresh, vendor: OdysseyTwin) -> None:
    odyssey = function("odyssey", CALLER_PER_HOUR="3")
    for number in range(3):
        leave(odyssey, vendor, mint(odyssey, str(number)))
    assert mint(odyssey, "fourth").body["limit"] == "caller_per_hour"


# A session that the vendor has cleaned up


def test_a_request_for_a_session_that_is_gone_gets_a_new_one_in_the_same_call(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin
) -> None:
    vendor.disconnect(session_of(mint(odyssey)))
    assert [session_of(mint(odyssey))] == list(vendor.sessions)
    assert used(bundle, table) == taken(2)
    assert len(marks(bundle, table)) == 1


def test_a_late_word_that_a_session_is_gone_does_not_forget_the_one_after_it(
    function: Fresh, vendor: OdysseyTwin
) -> None:
    odyssey, other = (function("odyssey", **AMPLE, **MANY) for _ in range(2))
    vendor.disconnect(session_of(mint(odyssey)))
    vendor.fault(Fault(path="/sessions/token", times=1, delay=1.0))
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(mint, other)
        while "/sessions/token" not in [call.path for call in vendor.calls[4:]]:
            assert not late.done()
            sleep(0.01)
        new = session_of(mint(odyssey))
        assert session_of(late.result()) == new
    assert session_of(mint(odyssey)) == new
    assert list(vendor.sessions) == [new]


# Slots, however many call at once


def fill(function: Fresh, calls: int, callers: int, **limits: str) -> Counter[str]:
    """How many calls of different keys, all at once, got a session ("") or were refused, by the limit's name."""
    environments = [function("odyssey", **AMPLE, **limits) for _ in range(3)]

    def outcome(number: int) -> str:
        answer = mint(environments[number % 3], str(number), f"caller-{number % callers}")
        assert answer.status in {201, 429}
        return str(answer.body.get("limit", ""))

    with ThreadPoolExecutor(20) as pool:
        return Counter(pool.map(outcome, range(calls)))


def test_callers_at_once_get_as_many_slots_as_there_are(function: Fresh, vendor: OdysseyTwin) -> None:
    outcomes = fill(function, 40, 40, ODYSSEY_SLOTS="7")
    assert outcomes == {"": 7, "slots": 33}
    assert len(vendor.sessions) == 7


def test_one_caller_at_once_gets_as_many_slots_as_one_may_have(function: Fresh, vendor: OdysseyTwin) -> None:
    outcomes = fill(function, 40, 1, ODYSSEY_SLOTS="7", ODYSSEY_SLOTS_PER_CALLER="3")
    assert outcomes == {"": 3, "slots_per_caller": 37}
    assert len(vendor.sessions) == 3


def test_a_refused_slot_counts_nothing(function: Fresh, bundle: "Bundle", table: str) -> None:
    odyssey = function("odyssey", **AMPLE | {"ODYSSEY_SLOTS_PER_CALLER": "1"})
    assert [mint(odyssey, key).status for key in "abc"] == [201, 429, 429]
    assert used(bundle, table) == taken(1)
    assert len(marks(bundle, table)) == 1


@pytest.mark.parametrize("limit", ["ODYSSEY_SLOTS", "ODYSSEY_SLOTS_PER_CALLER"])
def test_a_slot_is_free_when_the_vendor_lets_go_and_a_caller_who_waits_as_told_gets_it(
    function: Fresh, vendor: OdysseyTwin, clock: Clock, limit: str
) -> None:
    odyssey = function("odyssey", **AMPLE | {limit: "1"})
    mint(odyssey)
    clock.forward(IDLE_SECONDS - 60)
    refused = mint(odyssey, "another")
    assert refused.status == 429
    assert 60 - 2 <= refused.body["retry_after"] <= 60 + LONGEST_CALL
    assert refused.headers["retry-after"] == str(refused.body["retry_after"])
    clock.forward(refused.body["retry_after"])
    assert session_of(mint(odyssey, "another")) in vendor.live_sessions()


def test_calls_at_once_get_a_slot_that_came_free_once(function: Fresh, clock: Clock) -> None:
    fill(function, 3, 3, ODYSSEY_SLOTS="3")
    clock.forward(IDLE_SECONDS + LONGEST_CALL)
    assert fill(function, 20, 20, ODYSSEY_SLOTS="3") == {"": 3, "slots": 17}


def test_a_slot_is_not_free_before_the_vendor_has_let_go(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin
) -> None:
    mint(odyssey)
    [session], [mark] = vendor.sessions.values(), marks(bundle, table)
    assert int(mark.partition("#")[0]) >= session.created + IDLE_SECONDS


def test_a_call_that_waits_asks_the_table_no_more_often_than_it_polls(
    function: Fresh, vendor: OdysseyTwin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    odyssey = function("odyssey", **AMPLE)
    mint(odyssey, None)
    # The last second of a key: over by the finer clock, not yet over by the table's.
    clock.at = int(clock.at) + slots.REPEAT_SECONDS + 0.5
    wire = Wire(monkeypatch)
    mint(function("odyssey", DEADLINE_SECONDS="1", **AMPLE), None)
    assert len([request for request in wire.sent if request.startswith("dynamodb.")]) <= 2 + 1 / slots.POLL_SECONDS


def test_a_set_of_live_slots_outlives_every_mark_in_it(function: Fresh, bundle: "Bundle", table: str) -> None:
    """One caller's request may last longer than the next one's, and so its mark."""
    for number, deadline in enumerate(["24", "1"]):
        mint(function("odyssey", DEADLINE_SECONDS=deadline, **AMPLE), str(number))
    sets = [item for key, item in items(bundle, table).items() if key.startswith("odyssey#live")]
    lasts = [(int(item["expires"]["N"]), [int(mark.partition("#")[0]) for mark in item["live"]["SS"]]) for item in sets]
    assert [len(ends) for _, ends in lasts] == [2, 2]
    assert all(expires > max(ends) for expires, ends in lasts)


# What is kept


def test_no_item_holds_a_credential_or_names_anyone(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin
) -> None:
    answers = [mint(odyssey, "key-in-clear", "alice-in-clear"), mint(odyssey, None, "alice-in-clear")]
    tokens = [answer.body["session_token"] for answer in answers]
    canaries = ["key-in-clear", "alice-in-clear", ISSUER, "ody_local_key", *tokens, *vendor.access_tokens]
    dump = json.dumps(items(bundle, table), default=lambda held: held.decode("latin-1"))
    assert all(session in dump for session in vendor.sessions)
    assert [canary for canary in canaries if canary in dump] == []


def test_of_what_the_vendor_says_of_a_session_only_what_is_needed_is_kept(
    odyssey: "Function", bundle: "Bundle", table: str, vendor: OdysseyTwin
) -> None:
    said = {"session_id": "s-1", "signalling_url": "wss://signal.example"}
    extra = {"capabilities": {"image_to_video": True, "turn_password": "canary"}, "streamer_token": "canary"}
    vendor.fault(Fault(path="/sessions/request", body=said | extra))
    mint(odyssey)
    dump = json.dumps(items(bundle, table), default=lambda held: held.decode("latin-1"))
    assert "s-1" in dump
    assert "canary" not in dump
