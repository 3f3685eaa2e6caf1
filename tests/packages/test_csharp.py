"""The file in clients/csharp, compiled and run with Mono (Debian: mono-mcs), against the table of behaviours."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients/csharp/MintClient.cs"
MONO = pytest.mark.skipif(
    not shutil.which("mcs"), reason="no Mono: install mono-mcs and libmono-system-web-extensions4.0-cil"
)
LIBRARIES = ["-r:System.Net.Http.dll", "-r:System.Web.Extensions.dll"]


def compiled(out: Path, *sources: Path) -> Path:
    """In the version of the language that Unity has had since 2018.3."""
    command = ["mcs", "-langversion:7.2", "-warnaserror", *LIBRARIES, f"-out:{out}", *map(str, sources)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)  # noqa: S603 - our own command
    assert run.returncode == 0, run.stdout + run.stderr
    return out


@MONO
def test_the_csharp_client_behaves_as_the_table_says(tmp_path: Path) -> None:
    program = compiled(tmp_path / "behaviours.exe", CLIENT, ROOT / "tests/packages/csharp/Behaviours.cs")
    command = ["mono", str(program), str(ROOT / "clients/behaviours.json")]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)  # noqa: S603 - our own command
    assert run.returncode == 0, run.stdout + run.stderr
