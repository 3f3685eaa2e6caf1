"""The file in clients/kotlin, compiled and run on a JVM with Android's own org.json, against the table of behaviours."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients/kotlin/MintClient.kt"
COMPILER = ROOT / "tests/packages/node_modules/kotlin-compiler"
ORG_JSON = Path("/usr/share/java/com.android.json.jar")
LIBRARIES = [COMPILER / "lib/kotlinx-coroutines-core-jvm.jar", ORG_JSON]
TOOLS = pytest.mark.skipif(
    not (shutil.which("java") and ORG_JSON.exists()),
    reason="no JDK, or no org.json: install openjdk-17-jdk-headless and libandroid-json-java",
)


def run(*command: str | Path) -> None:
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)  # noqa: S603 - our own command
    assert ran.returncode == 0, ran.stdout + ran.stderr


def classpath(*entries: Path) -> str:
    return ":".join(map(str, entries))


def compiled(out: Path, *sources: Path) -> Path:
    run("bash", COMPILER / "bin/kotlinc", "-Werror", "-cp", classpath(*LIBRARIES), "-d", out, *sources)
    return out


@TOOLS
def test_the_kotlin_client_behaves_as_the_table_says(tmp_path: Path) -> None:
    classes = compiled(tmp_path / "classes", CLIENT, ROOT / "tests/packages/kotlin/Behaviours.kt")
    standard = COMPILER / "lib/kotlin-stdlib.jar"
    run("java", "-cp", classpath(classes, standard, *LIBRARIES), "BehavioursKt", ROOT / "clients/behaviours.json")
