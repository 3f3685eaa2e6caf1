"""The limits of one vendor: quotas of each caller, budgets of the day, the team's stop, the breaker's pauses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from minting.budgets import Budget, Rates
from minting.callers import Caller
from minting.counts import this_hour, today
from minting.deadline import Deadline
from minting.gate import Gate
from minting.quotas import Quotas
from minting.table import Table


class Limits:
    """One vendor's limits over all environments of its function.

    Fails closed: if the table cannot be reached, minting is refused.
    """

    def __init__(self, table: Table) -> None:
        self.gate = Gate(table)
        self._table = table
        self._quotas = Quotas(table)
        self._budgets: dict[str, Budget] = {}

    def add_budget(self, name: str, rates: Rates) -> None:
        """Adds a budget. Operations name it."""
        self._budgets[name] = Budget(self._table, self.gate, name, rates)

    def admission(self, operation: str, budget: str, caller: Caller, deadline: Deadline) -> "Admission":
        """One request's way through the limits."""
        return Admission(self.gate, self._quotas, self._budgets[budget], operation, caller, deadline)

    def require_unblocked(self, caller: Caller, deadline: Deadline) -> None:
        """For requests that nothing counts. Raises `not_allowed` or `limits_unavailable`."""
        self._quotas.require_unblocked(caller, deadline)


class Admission(NamedTuple):
    """One request's way through the limits."""

    gate: Gate
    quotas: Quotas
    budget: Budget
    operation: str
    caller: Caller
    deadline: Deadline

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts the block as one request. Gives the count back if the block fails.

        Raises `quota_exceeded`, `not_allowed` (a blocked caller), `vendor_stopped`,
        `vendor_unavailable` (a pause) or `limits_unavailable`.
        """
        self.gate.require_open(self.operation)
        self.budget.require_room()
        name, rates = self.budget.name, self.budget.rates
        counts = [
            this_hour(name, "caller_per_hour", rates.caller_per_hour),
            today(name, "caller_per_day", rates.caller_share),
        ]
        with self.quotas.counted(self.caller, counts, self.deadline), self.budget.counted(self.deadline):
            self.gate.require_open(self.operation)
            yield

    def repeated(self) -> None:
        """Lets a repeated request pass, which counts nothing. Raises as `counted`, but for the quotas."""
        self.quotas.require_unblocked(self.caller, self.deadline)
        self.gate.check(self.operation, self.deadline)
