"""Functions for tests of what no limit may stand before."""

from collections.abc import Callable
from typing import Any

import pytest

from local.bundle import Bundle
from tests.conftest import Function
from tests.trust.unlimited import without_limits


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once. tests/minting/test_upstream.py measures the pauses."""
    monkeypatch.setattr("urllib3.util.retry.Retry._sleep_backoff", lambda _: None)


@pytest.fixture
def unlimited(bundle: Bundle) -> Callable[..., Function]:
    """`unlimited(vendor, secret={...})`: a fresh function without limits and queue, and with every avatar allowed."""

    def fresh(vendor: str, secret: dict[str, Any] | None = None) -> Function:
        return without_limits(bundle, vendor, secret)

    return fresh
