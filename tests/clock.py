"""The wall clock of the layer, which stands still until a test moves it."""

from time import time
from types import ModuleType

import pytest

from minting import budgets, claims, counts, gate, quotas, slots

LIMITS = (counts, quotas, gate, budgets)
SLOTS = (claims, slots)


class WallClock:
    """Unix seconds. It begins now, or at `at`."""

    def __init__(self, at: float | None = None) -> None:
        self.at = time() if at is None else at

    def __call__(self) -> float:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += seconds


def stopped(monkeypatch: pytest.MonkeyPatch, modules: tuple[ModuleType, ...], clock: WallClock) -> WallClock:
    """The clock, which these modules of the layer now read."""
    for module in modules:
        monkeypatch.setattr(module, "time", clock)
    return clock
