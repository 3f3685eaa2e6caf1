"""Calls to AWS end at the request's deadline, whatever keeps them, and what is abandoned then costs a count at most."""

import threading
from collections.abc import Callable, Iterator
from itertools import repeat
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from local.twins.twin import Fault
from minting import aws, keyring, table
from minting.breaker import THRESHOLD
from minting.deadline import SETTLING_SECONDS, Deadline
from minting.keyring import Keyring
from minting.keys import ApiKey
from minting.problems import Problem
from minting.table import Table, Write
from tests.functions.contract import Fresh
from tests.minting.conftest import Names
from tests.minting.raw import RawServer
from tests.trust.table import Wire, cancelled, items, taken, used

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function

SOON = 0.3
"""Seconds. A call's own bound (`aws.TRY_SECONDS`) is some times that."""


@pytest.fixture
def silent() -> Iterator[str]:
    """A URL at which AWS takes every request and answers none."""
    with RawServer(lambda connection: connection.recv(1) and server.ended.wait()) as server:
        yield server.url


@pytest.fixture
def nameless(names: Names) -> str:
    """A URL whose name is being looked up for as long as the test runs, as without a network."""
    names.slow.add("aws.invalid")
    return "http://aws.invalid"


@pytest.fixture(params=["silent", "nameless"])
def unreachable(request: pytest.FixtureRequest, account: Callable[[str], None]) -> None:
    """AWS, where no call ends by itself within the deadline."""
    account(request.getfixturevalue(request.param))


READS: dict[str, tuple[Callable[[Deadline], object], str]] = {
    "the key": (lambda deadline: Keyring("a-secret", ApiKey).current(deadline), "key_unavailable"),
    "a change": (
        lambda deadline: Table("v", "t").transact([Write("k", "SET #a = :a", "", {"a": 1})], deadline),
        "limits",
    ),
    "an item": (lambda deadline: Table("v", "t").get("k", deadline), "limits"),
}


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize(("call", "code"), READS.values(), ids=READS)
def test_a_call_that_aws_does_not_answer_ends_at_the_deadline(call: Callable[[Deadline], object], code: str) -> None:
    started = monotonic()
    with pytest.raises(Problem) as problem:
        call(Deadline(SOON))
    assert SOON <= monotonic() - started < SOON + 0.7
    assert problem.value.code.startswith(code)
    assert problem.value.fault == "operator"


def test_without_a_network_a_function_starts_and_refuses_at_its_deadline(
    function: Fresh, nameless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "READ_SECONDS", SOON)
    started = monotonic()
    made = function("trulience", AWS_ENDPOINT_URL=nameless, DEADLINE_SECONDS=str(SOON))
    assert SOON <= monotonic() - started < SOON + 2
    started = monotonic()
    answer = made.ask("trulience-mint")
    assert (answer.status, answer.body["code"], answer.body["fault"]) == (503, "limits_unavailable", "operator")
    assert SOON <= monotonic() - started < SOON + SETTLING_SECONDS + 0.7
    assert made.twin.calls == []


def test_a_key_that_is_held_mints_though_secrets_manager_cannot_be_found(
    function: Fresh, nameless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "READ_SECONDS", SOON)
    made = function("trulience")
    held = made.module.vendor._keyring
    held._held_until = 0.0
    held._client._url = nameless
    assert made.ask("trulience-mint").status == 201


# What was abandoned


class Late:
    """Stands before the table. The first call of an operation is made, but its answer does not come in time."""

    def __init__(self, made: "Function", operation: str) -> None:
        self._table = made.module.vendor.table
        self._client = self._table._client
        self._operation = operation
        self._table._client = self

    def call(self, operation: str, request: dict[str, Any], deadline: Deadline, *, once: bool = False) -> Any:
        answer = self._client.call(operation, request, deadline, once=once)
        if operation != self._operation:
            return answer
        self._table._client = self._client
        threading.Event().wait(deadline.seconds_left())
        raise aws.CallFailed("TimeoutError", unsure=True)


def test_a_claim_whose_answer_came_late_keeps_no_slot_and_counts_nothing(
    function: Fresh, bundle: "Bundle", table: str
) -> None:
    odyssey = function("odyssey", DEADLINE_SECONDS="1", ODYSSEY_SLOTS_PER_CALLER="1")
    Late(odyssey, "TransactWriteItems")
    answer = odyssey.ask("odyssey-mint")
    assert (answer.status, answer.body["code"]) == (503, "limits_unavailable")
    assert odyssey.twin.calls == []
    assert "live" not in items(bundle, table)["odyssey#live"]
    assert used(bundle, table) == taken(0)
    assert function("odyssey", ODYSSEY_SLOTS_PER_CALLER="1").ask("odyssey-mint").status == 201


def test_a_callers_count_whose_answer_came_late_stays_counted(function: Fresh, bundle: "Bundle", table: str) -> None:
    trulience = function("trulience", DEADLINE_SECONDS="1")
    Late(trulience, "UpdateItem")
    answer = trulience.ask("trulience-mint")
    assert (answer.status, answer.body["code"]) == (503, "limits_unavailable")
    assert trulience.twin.calls == []
    assert used(bundle, table) == taken(1) | {"day": 0}


def test_a_vendor_that_never_answers_in_time_is_left_alone(function: Fresh) -> None:
    trulience = function("trulience", DEADLINE_SECONDS="1")
    trulience.module.vendor._breaker._failures["mint"] = THRESHOLD - 1
    trulience.twin.fault(Fault(delay=5))
    assert trulience.ask("trulience-mint").body["code"] == "vendor_timeout"
    trulience.twin.reset()
    assert trulience.ask("trulience-mint").body["code"] == "vendor_unavailable"
    assert trulience.twin.calls == []


def test_a_change_that_always_meets_another_was_surely_not_made(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    made = function("trulience").module.vendor.table
    wire.answers = (cancelled("TransactionConflict") for _ in repeat(None))
    started = monotonic()
    with pytest.raises(Problem) as problem:
        made.transact([Write("k", "SET #a = :a", "", {"a": 1})], Deadline(SOON))
    assert (problem.value.code, problem.value.ambiguous) == ("limits_unavailable", False)
    assert problem.value.__notes__ == ["TransactionCanceledException"]
    assert monotonic() - started < SOON + 0.7


def test_a_change_waits_longer_for_others_each_time_and_half_a_second_at_most(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    made = function("trulience").module.vendor.table
    pauses: list[float] = []
    monkeypatch.setattr(table, "sleep", pauses.append)
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    wire.answers = iter([cancelled("TransactionConflict")] * 7)
    made.transact([Write("k", "SET #a = :a", "", {"a": 1})], Deadline(60))
    assert pauses == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5])
