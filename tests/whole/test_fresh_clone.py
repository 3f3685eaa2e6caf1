"""`make run` in a fresh clone: it installs requirements/run.txt and nothing else, shows that it does, and mints."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.whole.test_adding_a_vendor import NOT_COPIED

ROOT = Path(__file__).parents[2]
MAX_BYTES = 150_000_000
NOT_KEPT = ("AWS_", "PYTHON", "MAKE", "MFLAGS")
"""What the names of variables begin with that are meant for this process, or for the make that started it."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT, tmp_path / "clone", ignore=shutil.ignore_patterns(*NOT_COPIED))


@pytest.fixture
def running(clone: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_KEPT)}
    with subprocess.Popen(
        ["make", "run", "PORT=0"],  # noqa: S607 - our own command
        cwd=clone,
        env=environment,
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
    ) as process:
        yield process
        os.killpg(process.pid, signal.SIGTERM)


def test_make_run_in_a_fresh_clone_installs_little_and_mints(clone: Path, running: subprocess.Popen[str]) -> None:
    assert running.stdout
    printed: list[str] = []
    for line in running.stdout:
        printed.append(line)
        if line.startswith("ready "):
            break
    url = printed[-1].split()[1]
    assert printed[0] == "Installing requirements/run.txt into .venv-run. This happens once.\n"
    assert [line for line in printed if re.fullmatch(r"Installed in \d+ s\.\n", line)]
    assert [file.name for file in clone.glob(".venv*")] == [".venv-run"]
    assert sum(file.lstat().st_size for file in (clone / ".venv-run").rglob("*")) <= MAX_BYTES
    token = requests.post(f"{url}/_local/token", json={"sub": "alice"}, timeout=5).json()["token"]
    answer = requests.post(f"{url}/v1/convai/tokens", json={}, headers={"Authorization": f"Bearer {token}"}, timeout=9)
    assert answer.status_code == 201
