"""The page in a real browser, against the bundle: page.test.mjs and log.test.mjs."""

import os
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from local.records import Records

if TYPE_CHECKING:
    from local.bundle import Bundle

HERE = Path(__file__).parent


def test_the_page_does_what_it_says_in_a_browser(bundle: "Bundle") -> None:
    command = ["node", "--test", "--test-concurrency=1", "--test-reporter=spec", "page.test.mjs", "log.test.mjs"]
    given = os.environ | {"PAGE_URL": bundle.url}
    with redirect_stdout(Records(bundle.journal, StringIO())):
        run = subprocess.run(  # noqa: S603 - our own command
            command, check=False, cwd=HERE, env=given, capture_output=True, text=True, timeout=300
        )
    assert run.returncode == 0, run.stdout + run.stderr
