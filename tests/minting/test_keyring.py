"""The vendor's key: read rarely, kept through an outage, replaced when it is refused, never shown."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minting.aws import CallFailed
from minting.callers import Caller
from minting.deadline import Deadline
from minting.keyring import MAX_AGE, REREAD_INTERVAL, Keyring
from minting.keys import ApiKey
from minting.operations import Request
from minting.problems import KeyRejected, Problem
from tests.conftest import Clock

REFUSAL = KeyRejected("vendor_key_rejected", "refused")
SHOWN = "shown-nowhere"


def failure(code: str, status: int = 400) -> CallFailed:
    return CallFailed(code, code, {"__type": code, "Message": f"about {SHOWN}"}, unsure=status >= 500)


class Store:
    """Secrets Manager: answers with `value`, or raises it; `during` is called within each reading."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.reads: list[dict[str, str]] = []
        self.during: Callable[[], object] = lambda: None

    def put(self, key: str) -> None:
        self.value = {"SecretString": json.dumps({"api_key": key})}

    def call(self, operation: str, request: dict[str, str], _: Deadline) -> dict[str, str]:
        assert operation == "GetSecretValue"
        self.reads.append(request)
        self.during()
        if isinstance(self.value, Exception):
            raise self.value
        answer: dict[str, str] = self.value
        return answer


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Store:
    store = Store({"SecretString": '{"api_key": "first"}'})
    monkeypatch.setattr("minting.aws.Client", lambda _: store)
    return store


def fresh() -> Keyring[ApiKey]:
    return Keyring("the-secret", ApiKey)


def in_use(held: Keyring[ApiKey]) -> str:
    """The key to use, or the code of the problem."""
    return what(lambda: held.current(Deadline(5)))


def refused(held: Keyring[ApiKey]) -> str:
    """What follows when the vendor refuses the first key: the next key, or the code of the problem."""
    return what(lambda: held.newer_than(ApiKey("first"), REFUSAL, Deadline(5)))


def what(read: Callable[[], ApiKey]) -> str:
    try:
        return read().api_key
    except Problem as problem:
        return problem.code


def test_the_current_version_is_asked_for(store: Store) -> None:
    fresh().current(Deadline(5))
    assert store.reads == [{"SecretId": "the-secret", "VersionStage": "AWSCURRENT"}]


def test_a_key_is_read_once_until_it_is_too_old(store: Store, clock: Clock) -> None:
    held = fresh()
    held.prefetch()
    store.put("second")
    clock.now += MAX_AGE - 1
    assert (in_use(held), len(store.reads)) == ("first", 1)
    clock.now += 1
    assert (in_use(held), len(store.reads)) == ("second", 2)


PASSING = [
    *map(failure, ["ThrottlingException", "RequestTimeout"]),
    *(failure(code, 500) for code in ("InternalServiceError", "ServiceUnavailable")),
    CallFailed("NewConnectionError", unsure=False),
    CallFailed("TimeoutError", unsure=True),
]
LASTING = [
    *map(
        failure, ["ResourceNotFoundException", "AccessDeniedException", "InvalidRequestException", "DecryptionFailure"]
    ),
]


@pytest.mark.parametrize("outage", PASSING)
def test_an_outage_ends_the_use_of_no_key_that_is_held(store: Store, clock: Clock, outage: Exception) -> None:
    held = fresh()
    held.current(Deadline(5))
    store.value = outage
    clock.now += MAX_AGE
    assert in_use(held) == "first"
    store.put("second")
    clock.now += MAX_AGE
    assert in_use(held) == "second"


def test_an_outage_is_not_asked_about_again_by_every_mint(store: Store, clock: Clock) -> None:
    held = fresh()
    held.current(Deadline(5))
    store.value = PASSING[0]
    clock.now += MAX_AGE
    assert {in_use(held) for _ in range(5)} == {"first"}
    assert len(store.reads) == 2
    clock.now += REREAD_INTERVAL
    assert {in_use(held) for _ in range(5)} == {"first"}
    assert len(store.reads) == 3


@pytest.mark.parametrize("outage", PASSING)
def test_an_outage_from_the_start_is_key_unavailable_until_it_ends(store: Store, outage: Exception) -> None:
    store.value = outage
    held = fresh()
    held.prefetch()
    with pytest.raises(Problem) as problem:
        held.current(Deadline(5))
    assert (problem.value.code, problem.value.retryable, problem.value.retry_after) == ("key_unavailable", True, 5)
    store.put("first")
    assert in_use(held) == "first"


@pytest.mark.parametrize("outage", LASTING)
def test_a_right_or_a_secret_taken_away_ends_the_use_of_the_key(store: Store, clock: Clock, outage: Exception) -> None:
    held = fresh()
    held.current(Deadline(5))
    store.value = outage
    clock.now += MAX_AGE
    assert in_use(held) == "not_configured"


@pytest.mark.parametrize("outage", LASTING)
def test_what_aws_says_is_noted_by_its_code_alone(store: Store, outage: CallFailed) -> None:
    store.value = outage
    with pytest.raises(Problem) as problem:
        fresh().current(Deadline(5))
    assert problem.value.__notes__ == [f"secret the-secret: {outage.code}"]
    assert problem.value.__cause__ is None
    assert problem.value.__suppress_context__


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"SecretBinary": "eyJhcGlfa2V5IjogImZpcnN0In0="},
        *(
            {"SecretString": text}
            for text in (
                *("", SHOWN, "null", "[]", "{}", f'["{SHOWN}"]', f'{{"key": "{SHOWN}"}}', '{"api_key": null}'),
                *('{"api_key": 5}', '{"api_key": ""}', '{"api_key": "  "}', f'{{"api_key": "{SHOWN} {SHOWN}"}}'),
                *(
                    f'{{"api_key": "{SHOWN}\\r\\nx: y"}}',
                    f'{{"api_key": "{SHOWN}é"}}',
                    f'{{"api_key": "{SHOWN}\\u0000"}}',
                ),
                *(f'{{"api_key": "{SHOWN * 400}"}}', '{"api_key": ' + "[" * 9999, '{"api_key": "\ud800"}'),
            )
        ),
    ],
)
def test_a_value_that_is_no_key_is_not_configured_and_not_shown(store: Store, value: object) -> None:
    store.value = value
    with pytest.raises(Problem) as problem:
        fresh().current(Deadline(5))
    assert problem.value.code == "not_configured"
    assert SHOWN not in repr((problem.value, problem.value.members(""), problem.value.__notes__))
    assert problem.value.__suppress_context__


def test_a_prefetch_that_fails_says_nothing(store: Store) -> None:
    store.value = LASTING[0]
    fresh().prefetch()


def test_white_space_around_a_key_is_dropped(store: Store) -> None:
    store.put(" first\r\n")
    assert in_use(fresh()) == "first"


def test_a_key_shows_itself_in_no_text() -> None:
    key = ApiKey(SHOWN)
    request = Request(Caller("https://issuer.example", "alice"), Deadline(5), None, key)
    for text in (str(key), repr(key), f"{key!s:>9}", f"{key!r}", f"{[key]}", repr(request), str(KeyError(key))):
        assert SHOWN not in text


def test_a_refused_key_is_replaced_by_the_one_that_is_there_now(store: Store) -> None:
    held = fresh()
    held.current(Deadline(5))
    store.put("second")
    assert refused(held) == "second"
    assert (in_use(held), len(store.reads)) == ("second", 2)


def test_a_refused_key_is_looked_up_once_an_interval(store: Store, clock: Clock) -> None:
    held = fresh()
    for interval in range(3):
        assert in_use(held) == "first"
        for _ in range(5):
            assert refused(held) == "vendor_key_rejected"
            assert in_use(held) == "vendor_key_rejected"
        assert len(store.reads) == 2 + interval
        clock.now += REREAD_INTERVAL


@pytest.mark.parametrize("new", ["first", "second"])
def test_a_key_that_is_restored_or_replaced_works_after_the_interval(store: Store, clock: Clock, new: str) -> None:
    held = fresh()
    held.current(Deadline(5))
    refused(held)
    store.put(new)
    clock.now += REREAD_INTERVAL
    assert in_use(held) == "first"
    if new != "first":
        assert refused(held) == new


def test_callers_whose_key_is_refused_together_cause_one_reading(store: Store) -> None:
    held = fresh()
    held.current(Deadline(5))
    store.put("second")
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: refused(held), range(64))) == {"second"}
    assert len(store.reads) == 2


def test_a_request_that_comes_while_a_refused_key_is_read_again_is_not_refused(store: Store) -> None:
    held = fresh()
    held.current(Deadline(5))
    store.put("second")
    met: list[str] = []
    bystander = threading.Thread(target=lambda: met.append(in_use(held)))

    def come() -> None:
        bystander.start()
        bystander.join(0.1)  # it may have to wait for the reading to end

    store.during = come
    assert refused(held) == "second"
    bystander.join()
    assert met[0] in {"first", "second"}


def test_an_outage_while_a_refused_key_is_being_read_again_is_a_refusal(store: Store) -> None:
    held = fresh()
    held.current(Deadline(5))
    store.value = PASSING[0]
    assert refused(held) == "vendor_key_rejected"


def test_a_refused_key_is_not_looked_up_before_the_interval_is_over(store: Store, clock: Clock) -> None:
    held = fresh()
    held.current(Deadline(5))
    refused(held)
    clock.now += REREAD_INTERVAL - 0.1
    assert (in_use(held), refused(held), len(store.reads)) == ("vendor_key_rejected", "vendor_key_rejected", 2)


def test_a_refusal_that_is_told_again_and_again_holds_no_more_than_the_first(store: Store) -> None:
    held = fresh()
    held.current(Deadline(5))
    refused(held)
    depths = []
    for _ in range(3):
        with pytest.raises(KeyRejected) as refusal:
            held.current(Deadline(5))
        depths.append(len(refusal.traceback))
    assert len(set(depths)) == 1
