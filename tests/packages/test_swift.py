"""The file in clients/swift, where there is a Swift compiler, against the table of behaviours. CI has none."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients/swift/MintClient.swift"
SWIFT = pytest.mark.skipif(not shutil.which("swiftc"), reason="no Swift compiler (Debian 13: swiftlang)")


@SWIFT
def test_the_swift_client_behaves_as_the_table_says(tmp_path: Path) -> None:
    program = tmp_path / "behaviours"
    build = f"swiftc -swift-version 6 -o {program} {CLIENT} {ROOT / 'tests/packages/swift/main.swift'}".split()
    for command in (build, [str(program), str(ROOT / "clients/behaviours.json")]):
        run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)  # noqa: S603 - our own commands
        assert run.returncode == 0, run.stdout + run.stderr
