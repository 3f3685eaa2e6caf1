"""A vendor's day while environments die and answers get lost: in how many of 50 runs is the day's limit passed?

Several environments mint at once until the day is full. At any moment one may end, as Lambda ends a
process: before a write is sent, after it is made, or while the vendor is asked. The network loses
answers, and a lost answer makes the layer send a write again unless it must not.
Usage: python -m bench.crashes [RUNS]
"""

import os
import random
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from bench.contention import SETTINGS, serving
from bench.dynamodb import TABLE
from minting.budgets import Budget, Rates
from minting.counts import MINTS
from minting.deadline import Deadline
from minting.gate import Gate
from minting.problems import Ambiguous, Problem
from minting.table import Item, Table, Write

ENVIRONMENTS, DEATHS, LOSSES, FAILURES = 8, 0.03, 0.03, 0.1


class DeathError(BaseException):
    """The environment ends here. Nothing in the layer may catch it."""


class UnreliableTable(Table):
    """The table, as an environment sees it that may die and a network that loses answers."""

    def update(self, write: Write, deadline: Deadline, *, once: bool = False) -> Item:
        perish()
        item = super().update(write, deadline, once=once)
        perish()
        if random.random() >= LOSSES:
            return item
        if once:
            raise Ambiguous("limits_unavailable", "The answer was lost.")
        return super().update(write, deadline)


def perish() -> None:
    if random.random() < DEATHS:
        raise DeathError


def ask_the_vendor() -> None:
    if random.random() < FAILURES:
        raise LookupError


class Outcome(NamedTuple):
    """One run. lost: mints of the day that nobody got."""

    per_day: int
    granted: int

    @property
    def lost(self) -> int:
        return self.per_day - self.granted


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    outcomes = [run(seed) for seed in range(runs)]
    print(report(outcomes))


def run(seed: int) -> Outcome:
    """Lets environments mint until all are told that the day is full."""
    random.seed(seed)
    per_day = random.randint(20, 2000)
    with serving() as (_, endpoint), ThreadPoolExecutor(ENVIRONMENTS) as pool:
        os.environ.update(SETTINGS | {"AWS_ENDPOINT_URL": endpoint})
        return Outcome(per_day, sum(pool.map(mint_until_full, [per_day] * ENVIRONMENTS)))


def mint_until_full(per_day: int) -> int:
    """How many mints one environment, and those that follow it after its death, are granted."""
    granted, budget = 0, environment(per_day)
    while True:
        try:
            with budget.counted(Deadline(20)):
                perish()
                ask_the_vendor()
            granted += 1
        except LookupError:
            continue
        except DeathError:
            budget = environment(per_day)
        except Problem as problem:
            if problem.code == "quota_exceeded":
                return granted


def environment(per_day: int) -> Budget:
    table = UnreliableTable("livekit", TABLE)
    return Budget(table, Gate(table), MINTS, Rates(caller_per_hour=1, caller_per_day=0, vendor_per_day=per_day))


def report(outcomes: Iterable[Outcome]) -> str:
    outcomes = list(outcomes)
    passed = sum(outcome.granted > outcome.per_day for outcome in outcomes)
    share = max(outcome.lost / outcome.per_day for outcome in outcomes)
    return (
        f"{len(outcomes)} runs, {DEATHS:.0%} deaths and {LOSSES:.0%} lost answers at each write: "
        f"the limit was passed in {passed}. The most that a day lost: {share:.1%} "
        "(a mint that dies between its count and its answer is lost too)."
    )


if __name__ == "__main__":
    main()
