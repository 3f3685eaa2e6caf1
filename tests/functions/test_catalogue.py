"""The catalogue: what clients are told is what the vendors' functions do."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.declared import DECLARED, declared
from local.functions import Context, load_module
from local.template import read
from tests.functions.contract import UNAUTHENTICATED, Fresh, minted, said

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer

ROOT = Path(__file__).parents[2]
LISTED: dict[str, dict[str, Any]] = json.loads(DECLARED.read_text())
MINTS = {vendor: json.loads((ROOT / f"events/{vendor}-mint.json").read_text()) for vendor in LISTED if vendor != "spatialgen"}


def ask(bundle: "Bundle", **changes: str) -> dict[str, Any]:
    """The whole answer, by vendor."""
    module = load_module("catalogue", bundle.environment("catalogue") | changes)
    reply = module.handler(bundle.event("catalogue-list"), Context())
    assert (reply["statusCode"], reply["headers"]["cache-control"]) == (200, "no-store")
    return {offer["vendor"]: offer for offer in json.loads(reply["body"])["vendors"]}


def test_what_is_declared_is_what_the_functions_say() -> None:
    """Where it is not: `make generate`."""
