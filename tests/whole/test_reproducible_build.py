"""`sam build` makes the same bytes and modes from the same sources, so `sam deploy` uploads and replaces nothing."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.vendors import FUNCTIONS, ROOT

SOURCES = ("functions", "layers", "template.yaml", "samconfig.toml")
SAM = ROOT / ".venv-sam/bin"
QUIET = {"SAM_CLI_TELEMETRY": "0"}
UPLOADED = """
import json, sys
from pathlib import Path
from samcli.lib.utils.hash import dir_checksum
print(json.dumps({folder.name: dir_checksum(str(folder)) for folder in Path(sys.argv[1]).iterdir() if folder.is_dir()}))
"""
"""Prints the name in S3 that `sam deploy` gives to each artifact. It uploads only what has no object of this name."""

OTHER = {
    "PYTHONOPTIMIZE": "1",
    "PYTHONPYCACHEPREFIX": "elsewhere",
    "PYTHONHASHSEED": "1",
    "TZ": "Asia/Tokyo",
    "LC_ALL": "C",
}
"""The settings of another machine."""

YEARS_AGO = 1_500_000_000
"""A time in 2017, in seconds since 1970."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sam build` makes of a fresh copy."""
    return built(tmp_path_factory.mktemp("here"), umask=0o022, settings={})


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it makes of old files in another folder, for a user whose files nobody else may read."""
    return built(tmp_path_factory.mktemp("elsewhere") / "deep/in/it", umask=0o077, settings=OTHER, modified=YEARS_AGO)


def built(root: Path, umask: int, settings: dict[str, str], modified: int | None = None) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    run("cp", "-R", *SOURCES, str(root), cwd=ROOT, umask=umask)
    if modified:
        for path in root.rglob("*"):
            os.utime(path, (modified, modified))
    run(str(SAM / "sam"), "build", "--no-cached", cwd=root, umask=umask, env={**os.environ, **settings, **QUIET})
    return root / ".aws-sam/build"


def run(*command: str, **settings: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)  # noqa: S603
    assert done.returncode == 0, done.stderr


def contents(build: Path) -> dict[str, tuple[str, bytes]]:
    """Mode and bytes of every file, and the mode of every folder of an artifact."""
    return {
        str(path.relative_to(build)): (f"{path.stat().st_mode:o}", path.read_bytes() if path.is_file() else b"")
        for artifact in build.iterdir()
        for path in (artifact.rglob("*") if artifact.is_dir() else ())
    }


def names_in_s3(build: Path) -> dict[str, str]:
    printed = subprocess.check_output([SAM / "python", "-c", UPLOADED, build], text=True)  # noqa: S603
    names: dict[str, str] = json.loads(printed)
    return names


def test_two_builds_have_the_same_files_with_the_same_bytes_and_modes(here: Path, elsewhere: Path) -> None:
    one, other = contents(here), contents(elsewhere)
    assert {name.partition("/")[0] for name in one} >= {"MintingLayer", "ConvaiFunction"}
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []


def test_two_builds_have_the_same_template(here: Path, elsewhere: Path) -> None:
    assert (here / "template.yaml").read_text() == (elsewhere / "template.yaml").read_text()


def test_a_second_build_uploads_nothing(here: Path, elsewhere: Path) -> None:
    names = names_in_s3(here)
    assert len(names) == len(FUNCTIONS) + 1
    assert names_in_s3(elsewhere) == names


def test_a_changed_line_uploads_that_function_alone(here: Path, tmp_path: Path) -> None:
    shutil.copytree(here, tmp_path / "build")
    with (tmp_path / "build/ConvaiFunction/convai/app.py").open("a") as module:
        module.write("# changed\n")
    before, after = names_in_s3(here), names_in_s3(tmp_path / "build")
    assert {name for name in before if before[name] != after[name]} == {"ConvaiFunction"}
