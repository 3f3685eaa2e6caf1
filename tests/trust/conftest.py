"""Functions for tests of what no limit may stand before."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local import parameters
from local.bundle import Bundle
from tests.conftest import Function


class NoTable:
    """A table of limits that is always empty and takes whatever is written."""

    def transact_write_items(self, **_: Any) -> dict[str, Any]:
        return {}

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {}


@pytest.fixture
def unlimited(bundle: Bundle) -> Callable[..., Function]:
    """`unlimited(vendor, secret={...})`: a fresh function without limits and queue, and with every avatar allowed."""
    allowed = {"SPATIUS_AVATAR_IDS": "*", "TRULIENCE_AVATAR_IDS": "*", "ODYSSEY_QUEUE_SECONDS": "0"}

    def fresh(vendor: str, secret: dict[str, Any] | None = None) -> Function:
        value = parameters.secret(vendor) if secret is None else secret
        made = Function(bundle, vendor, allowed, json.dumps(value))
        made.module.vendor.ledger._client = NoTable()
        return made

    return fresh
