"""The package in clients/js, built, in Node: against the table of behaviours, and against the bundle."""

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.bundle import Bundle

ROOT = Path(__file__).parents[2]


def node_tests(*files: Path, **given: str) -> None:
    command = ["node", "--test", *map(str, files)]
    run = subprocess.run(  # noqa: S603 - our own command
        command, check=False, env=os.environ | given, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_javascript_client_behaves_as_the_table_says() -> None:
    node_tests(*sorted((ROOT / "clients/js/test").glob("*.test.mjs")))


def test_the_javascript_client_mints_from_the_bundle(bundle: "Bundle") -> None:
    node_tests(ROOT / "tests/packages/bundle.test.mjs", GATEWAY_URL=bundle.url, CONVAI_URL=bundle.twins["convai"].url)
