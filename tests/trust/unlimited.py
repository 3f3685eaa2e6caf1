"""Functions without limits, and what vendors answer them when all goes well."""

import json
from functools import cache
from typing import Any

from local import parameters
from local.bundle import Bundle
from local.twins import twins
from tests.conftest import Function
from tests.trust.vendors import Vendor

ALLOWED = {"SPATIUS_AVATAR_IDS": "*", "TRULIENCE_AVATAR_IDS": "*", "ODYSSEY_QUEUE_SECONDS": "0"}


class NoTable:
    """A table of limits that is always empty and takes whatever is written."""

    def call(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {}


def without_limits(bundle: Bundle, vendor: str, secret: object = None, **changes: str) -> Function:
    """A fresh function without limits and queue, and with every avatar allowed. `secret` is JSON or text."""
    value = parameters.secret(vendor) if secret is None else secret
    made = Function(bundle, vendor, ALLOWED | changes, value if isinstance(value, str) else json.dumps(value))
    made.module.vendor.table._client = NoTable()
    return made


@cache
def replies(bundle: Bundle, vendor: Vendor) -> dict[str, dict[str, Any]]:
    """By path: what the vendor answers when a mint goes well. A twin of its own says so, and the bundle's hears nothing."""
    if not vendor.paths:
        return {}
    twin = twins()[vendor.name]()
    twin.start()
    try:
        answer = without_limits(bundle, vendor.name, None, **twin.environment()).ask(vendor.event)
        assert answer.status == 201, answer.body
        return {call.path: json.loads(call.answer) for call in twin.calls}
    finally:
        twin.stop()
