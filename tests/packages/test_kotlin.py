"""The file in clients/kotlin on a JVM with Android's own org.json: by the table of behaviours, and by Android's page."""

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.packages.snippets import code

if TYPE_CHECKING:
    from local.bundle import Bundle

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests/packages/kotlin"
CLIENT = ROOT / "clients/kotlin/MintClient.kt"
COMPILER = ROOT / "tests/packages/node_modules/kotlin-compiler"
ORG_JSON = Path("/usr/share/java/com.android.json.jar")
LIBRARIES = [COMPILER / "lib/kotlinx-coroutines-core-jvm.jar", ORG_JSON]

pytestmark = pytest.mark.skipif(
    not (shutil.which("java") and ORG_JSON.exists()),
    reason="no JDK, or no org.json: install openjdk-17-jdk-headless and libandroid-json-java",
)


def run(*command: str | Path) -> str:
    """What the command prints."""
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)  # noqa: S603 - our own command
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def classpath(*entries: Path) -> str:
    return ":".join(map(str, entries))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, the table's runner, and an app with the code of Android's page. The compiler is slow, so it runs once."""
    folder = tmp_path_factory.mktemp("kotlin")
    page = folder / "Page.kt"
    page.write_text("".join(code("android.md", "kotlin")))
    run(
        "bash",
        COMPILER / "bin/kotlinc",
        "-Werror",
        "-cp",
        classpath(*LIBRARIES),
        "-d",
        folder,
        CLIENT,
        page,
        *HERE.glob("*.kt"),
    )
    return folder


def java(classes: Path, program: str, *arguments: str | Path) -> str:
    return run("java", "-cp", classpath(classes, COMPILER / "lib/kotlin-stdlib.jar", *LIBRARIES), program, *arguments)


def test_the_kotlin_client_behaves_as_the_table_says(classes: Path) -> None:
    java(classes, "BehavioursKt", ROOT / "clients/behaviours.json")


def test_an_app_with_the_code_of_androids_page_mints_and_explains_an_error(bundle: "Bundle", classes: Path) -> None:
    printed = java(classes, "AppKt", bundle.url, bundle.token("alice")).splitlines()
    wrong = "The app asks for something wrong: avatar_id"
    assert printed == ["a token", "4386676996480451678", "a slot, released", wrong]


def test_an_app_learns_that_its_sign_in_is_refused(bundle: "Bundle", classes: Path) -> None:
    assert java(classes, "AppKt", bundle.url, "of-nobody").splitlines() == ["Sign in again."]
