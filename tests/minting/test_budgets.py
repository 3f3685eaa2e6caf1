"""A vendor's day, leased in blocks: never passed, hardly lost, and back to full at midnight (UTC)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from minting.budgets import Budget, Rates
from minting.counts import MINTS
from minting.deadline import Deadline
from minting.gate import SECONDS_KNOWN, Gate
from minting.problems import Problem
from minting.table import Table
from tests.clock import LIMITS, WallClock, stopped
from tests.trust.table import CHANGE, Wire, items, stop, trouble

if TYPE_CHECKING:
    from local.bundle import Bundle

pytestmark = pytest.mark.usefixtures("patient_aws")

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return stopped(monkeypatch, LIMITS, WallClock(NOON.timestamp()))


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Before `environment`, whose tables it listens to."""
    return Wire(monkeypatch)


type Environment = Callable[[int], Budget]


@pytest.fixture
def environment(bundle: "Bundle", table: str, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """`environment(per_day)`: the budget as a new environment of the function sees it."""
    for name, value in bundle.environment("trulience").items():
        monkeypatch.setenv(name, value)

    def started(per_day: int) -> Budget:
        own = Table("trulience", table)
        return Budget(own, Gate(own), MINTS, Rates(caller_per_hour=1, caller_per_day=0, vendor_per_day=per_day))

    return started


def mint(budget: Budget, *, fails: bool = False) -> str:
    """Counts one mint. Returns the code of a refusal, or an empty string."""
    try:
        with suppress(LookupError), budget.counted(Deadline(60)):
            if fails:
                raise LookupError
    except Problem as problem:
        return problem.code
    return ""


def mints(budget: Budget, times: int) -> int:
    """How many of so many mints are let through."""
    return [mint(budget) for _ in range(times)].count("")


@pytest.fixture
def day(bundle: "Bundle", table: str) -> Callable[..., tuple[int, int]]:
    """`day()`: the counts of the vendor's item today, of mints and of mints in open blocks."""

    def counts(date: str = "20261126") -> tuple[int, int]:
        item = items(bundle, table)["trulience#vendor"]
        taken, opened = (int(item.get(name, {"N": 0})["N"]) for name in (f"mints_{date}", f"mints_open_{date}"))
        return taken, opened

    return counts


# The size of a block


def test_an_environment_that_mints_alone_leases_one_mint_at_a_time(
    environment: Environment, day: Any, clock: WallClock
) -> None:
    alone = environment(100_000)
    for count in range(1, 4):
        assert mint(alone) == ""
        assert day() == (count, 0)
        clock.forward(SECONDS_KNOWN)


def test_a_busy_environment_leases_what_it_used_in_the_last_five_seconds(
    environment: Environment, day: Any, clock: WallClock
) -> None:
    busy = environment(100_000)
    for _ in range(100):
        assert mint(busy) == ""
        clock.forward(0.25)
    taken, opened = day()
    assert opened == pytest.approx(20, abs=1)
    assert taken - 100 <= opened


def test_a_burst_makes_a_block_at_most_four_times_as_large(environment: Environment, day: Any) -> None:
    busy = environment(100_000)
    assert mints(busy, 1 + 4 + 16) == 21
    assert day() == (21, 16)
    assert mint(busy) == ""
    assert day() == (21 + 64, 64)


def test_a_busy_environment_writes_once_for_many_mints(environment: Environment, wire: Wire) -> None:
    busy = environment(100_000)
    wire.sent.clear()
    assert mints(busy, 400) == 400
    assert len(wire.sent) <= 6


def test_what_an_environment_did_not_use_is_back_with_its_next_mint(
    environment: Environment, day: Any, clock: WallClock
) -> None:
    busy = environment(100_000)
    mints(busy, 6)
    assert day() == (21, 16)
    clock.forward(60)
    assert mint(busy) == ""
    assert day() == (7, 0)


# The ceiling


@pytest.mark.parametrize("per_day", [1, 7, 200])
def test_environments_at_once_get_the_whole_day_but_for_one_percent_and_never_more(
    environment: Environment, day: Any, per_day: int
) -> None:
    environments = [environment(per_day) for _ in range(6)]
    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(lambda number: mint(environments[number % 6]), range(per_day + 100)))
    assert set(outcomes) == {"", "quota_exceeded"}
    assert per_day - per_day // 100 <= outcomes.count("") <= per_day
    assert day()[0] <= per_day


def test_environments_that_freeze_take_at_most_one_percent_of_the_day_with_them(environment: Environment) -> None:
    used = 0
    for _ in range(10):
        used += mints(environment(400), 2)  # and it is never heard of again
    used += mints(environment(400), 400)
    assert 396 <= used <= 400


@pytest.mark.parametrize("seed", range(3))  # bench/crashes.py has fifty
def test_no_order_of_mints_failures_and_freezes_passes_the_day(
    environment: Environment, day: Any, clock: WallClock, seed: int
) -> None:
    random, per_day, used = Random(seed), 200, 0  # noqa: S311 - no secret
    running = [environment(per_day) for _ in range(4)]
    for _ in range(120):
        number, fails = random.randrange(4), random.random() < 0.2
        outcome = mint(running[number], fails=fails)
        used += outcome == "" and not fails
        if random.random() < 0.05:
            running[number] = environment(per_day)
        clock.forward(random.expovariate(4))
        assert used <= day()[0] <= per_day
    assert day()[0] - used <= per_day // 100
    used += mints(running[0], per_day)
    assert per_day - per_day // 100 <= used <= per_day


# The end of a day


def test_at_midnight_the_day_is_whole_again_and_an_old_block_is_worth_nothing(
    environment: Environment, day: Any, clock: WallClock
) -> None:
    busy = environment(200)
    clock.at = (NOON + timedelta(hours=12)).timestamp() - 1
    assert mints(busy, 2) == 2
    assert day() == (3, 2)
    clock.forward(1)
    assert mint(busy) == ""
    assert day("20261127")[0] == 1
    assert day() == (3, 2)
    assert mints(environment(200), 250) + 1 in range(198, 201)


def test_a_mint_that_fails_after_midnight_is_given_back_to_the_day_before(
    environment: Environment, day: Any, clock: WallClock
) -> None:
    budget = environment(50)
    clock.at = (NOON + timedelta(hours=12)).timestamp() - 1
    with suppress(LookupError), budget.counted(Deadline(60)):
        clock.forward(2)
        raise LookupError
    assert day() == (0, 0)
    assert day("20261127") == (0, 0)


def test_the_counts_of_old_days_are_removed_an_hour_after_midnight(
    environment: Environment, bundle: "Bundle", table: str, clock: WallClock
) -> None:
    budget = environment(500)
    for _ in range(4):
        mints(budget, 6)
        clock.forward(24 * 3600)
    mint(budget)
    names = {name for name in items(bundle, table)["trulience#vendor"] if name.startswith("mints_")}
    assert names <= {"mints_20261129", "mints_open_20261129", "mints_20261130", "mints_open_20261130"}


# What a failed mint gives back


def test_a_failed_mint_gives_back_to_its_block_without_a_write(wire: Wire, environment: Environment, day: Any) -> None:
    busy = environment(100_000)
    mints(busy, 6)
    before = day()
    wire.sent.clear()
    assert mint(busy, fails=True) == ""
    assert wire.sent == []
    assert day() == before
    assert mints(busy, 15) == 15
    assert day() == before


def test_a_failed_mint_that_was_alone_is_given_back_with_one_write(
    wire: Wire, environment: Environment, day: Any
) -> None:
    wire.sent.clear()
    assert mint(environment(100_000), fails=True) == ""
    assert wire.sent == [CHANGE, CHANGE]
    assert day() == (0, 0)


def test_a_mint_that_fails_on_a_full_day_is_free_at_once(environment: Environment) -> None:
    budget = environment(1)
    with suppress(LookupError), budget.counted(Deadline(60)):
        assert mint(budget) == "quota_exceeded"
        raise LookupError
    assert mint(budget) == ""


# Trouble


def test_a_write_that_takes_off_a_count_is_never_sent_twice(
    wire: Wire, environment: Environment, day: Any, clock: WallClock
) -> None:
    """If its answer is lost, nobody knows whether it was made."""
    busy = environment(100_000)
    mints(busy, 6)
    clock.forward(60)
    wire.sent.clear()
    wire.answers = iter([trouble("InternalServerError", 500)])
    assert mint(busy) == "limits_unavailable"
    assert wire.sent == [CHANGE]
    assert mint(busy) == ""
    assert day() == (22, 16)


def test_a_stop_keeps_the_block_for_later(
    environment: Environment, bundle: "Bundle", table: str, day: Any, clock: WallClock
) -> None:
    busy = environment(100_000)
    mints(busy, 6)
    stop(bundle, table, "trulience")
    clock.forward(SECONDS_KNOWN)
    assert mint(busy) == "vendor_stopped"
    assert day() == (21, 16)
