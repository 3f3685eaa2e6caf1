"""The examples in a real browser, against the bundle: tests/examples/<example>.test.mjs."""

import os
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.parameters import secret
from local.records import Records

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.examples.conftest import Site

HERE = Path(__file__).parent


@pytest.mark.parametrize("example", ["odyssey", "convai-kiosk"])
def test_an_example_does_in_a_browser_what_its_readme_says(bundle: "Bundle", site: "Site", example: str) -> None:
    vendor = example.partition("-")[0]
    given = {
        "PAGE_URL": f"{site.origin}/{example}/",
        "GATEWAY_URL": bundle.url,
        "TWIN_URL": bundle.twins[vendor].url,
        "VENDOR_KEY": secret(vendor)["api_key"],
    }
    command = ["node", "--test", "--test-reporter=spec", f"{example}.test.mjs"]
    with redirect_stdout(Records(bundle.journal, StringIO())):
        run = subprocess.run(  # noqa: S603 - our own command
            command, check=False, cwd=HERE, env=os.environ | given, capture_output=True, text=True, timeout=120
        )
    assert run.returncode == 0, run.stdout + run.stderr
