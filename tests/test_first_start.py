"""What `make run` installs in a fresh clone, and what make says without Python 3.13."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def pins(name: str) -> dict[str, str]:
    """The packages of requirements/<name>.txt, each with its version, its markers and its hashes."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / f"requirements/{name}.txt").read_text(), flags=re.MULTILINE)
    packages = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    return {package.partition("==")[0]: package for package in packages}


def test_make_run_installs_the_very_packages_of_development() -> None:
    run, development = pins("run"), pins("dev")
    assert "moto" in run
    assert run == {name: development[name] for name in run}


PYTHON_WITHOUT_NETWORK = """#!/bin/sh
if [ "$2" = venv ]; then mkdir -p "$3/bin"; printf '#!/bin/sh\\nexit 1\\n' > "$3/bin/pip"; chmod +x "$3/bin/pip"; fi
"""


def test_make_says_what_to_do_if_pip_fails(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / "python3.13"
    python.write_text(PYTHON_WITHOUT_NETWORK)
    python.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["make", "run"],  # noqa: S607
        check=False,
        cwd=tmp_path,
        env={"PATH": path},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert "Installing requirements/run.txt into .venv-run." in ended.stdout
    assert "The lines above say why: often the network, or a full disk. Then try again." in ended.stdout
    assert not (tmp_path / ".venv-run/ready").exists()


@pytest.mark.parametrize("target", ["run", "test", "build"])
def test_make_without_python_says_what_to_install(target: str, tmp_path: Path) -> None:
    make = shutil.which("make")
    assert make
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(ROOT / "Makefile", tmp_path)
    ended = subprocess.run(  # noqa: S603 - our own command
        [make, target], check=False, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert re.fullmatch(r"This needs Python 3\.13, .* uv .* pyenv .*https://www\.python\.org/.*\n", ended.stdout)
