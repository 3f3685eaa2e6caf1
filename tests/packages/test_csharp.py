"""The file in clients/csharp, compiled and run with Mono (Debian: mono-mcs): by the table of behaviours, and by Unity's page."""

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.packages.snippets import code, written

if TYPE_CHECKING:
    from local.bundle import Bundle

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests/packages/csharp"
CLIENT = ROOT / "clients/csharp/MintClient.cs"
LIBRARIES = ["-r:System.Net.Http.dll", "-r:System.Web.Extensions.dll"]

pytestmark = pytest.mark.skipif(
    not shutil.which("mcs"), reason="no Mono: install the packages that clients/README.md names"
)


def run(*command: str | Path) -> str:
    """What the command prints."""
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)  # noqa: S603 - our own command
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def compiled(out: Path, *sources: Path) -> Path:
    """In the version of the language that Unity has had since 2018.3."""
    run("mcs", "-langversion:7.2", "-warnaserror", *LIBRARIES, f"-out:{out}", *sources)
    return out


def test_the_csharp_client_behaves_as_the_table_says(tmp_path: Path) -> None:
    run("mono", compiled(tmp_path / "b.exe", CLIENT, HERE / "Behaviours.cs"), ROOT / "clients/behaviours.json")


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("game")
    blocks = written(folder, ".cs", code("unity.md", "csharp"))
    return compiled(folder / "game.exe", CLIENT, HERE / "Unity.cs", HERE / "Game.cs", *blocks)


def test_a_game_with_the_code_of_unitys_page_gets_a_token_and_releases_a_slot(bundle: "Bundle", game: Path) -> None:
    assert run("mono", game, bundle.url, bundle.token("alice")).splitlines() == ["a token", "a slot, released"]


def test_a_game_learns_the_code_of_an_error(bundle: "Bundle", game: Path) -> None:
    assert run("mono", game, bundle.url, "of-nobody").splitlines() == ["http_401", "http_401"]
