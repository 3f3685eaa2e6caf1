"""The vendors' own clients for Node, each in a process of its own, against the bundle: tests/sdk/<vendor>.test.mjs."""

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.parameters import secret

if TYPE_CHECKING:
    from local.bundle import Bundle

HERE = Path(__file__).parent


@pytest.mark.parametrize("vendor", ["agora", "convai", "livekit", "odyssey", "trulience"])
def test_the_vendors_own_client_takes_what_the_bundle_gives(bundle: "Bundle", vendor: str) -> None:
    given = {
        "GATEWAY_URL": bundle.url,
        "CALLER_TOKEN": bundle.token("alice"),
        "TWIN_URL": bundle.twins[vendor].url if vendor in bundle.twins else "",
        "VENDOR_SECRET": json.dumps(secret(vendor)),
    }
    command = ["node", "--test", f"{vendor}.test.mjs"]
    run = subprocess.run(  # noqa: S603 - our own command
        command, check=False, cwd=HERE, env=os.environ | given, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
