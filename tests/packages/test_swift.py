"""The file in clients/swift, where there is a Swift compiler: by the table of behaviours, and by iOS' page. CI has none."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packages.snippets import code

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients/swift/MintClient.swift"

pytestmark = pytest.mark.skipif(not shutil.which("swiftc"), reason="no Swift compiler (Debian 13: swiftlang)")


def run(*command: str | Path) -> None:
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)  # noqa: S603 - our own command
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_swift_client_behaves_as_the_table_says_and_the_code_of_the_page_fits_it(tmp_path: Path) -> None:
    program, page = tmp_path / "behaviours", tmp_path / "Page.swift"
    page.write_text("\n".join(code("ios.md", "swift")))
    sources = [CLIENT, page, ROOT / "tests/packages/swift/main.swift"]
    run("swiftc", "-swift-version", "6", "-warnings-as-errors", "-o", program, *sources)
    run(program, ROOT / "clients/behaviours.json")
