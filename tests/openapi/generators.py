"""Makes clients from docs/openapi.json with the usual generators, compiles those in TypeScript, and mints with one.

Usage: python -m tests.openapi.generators. It fails for every complaint of a generator, except for those in KNOWN.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from local.bundle import Bundle
from tests.packages.snippets import code

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "docs/openapi.json"
JAVA = ROOT / ".venv-contract/bin/openapi-generator-cli"
NODE = Path(__file__).with_name("node_modules") / ".bin"
SOURCES = Path(__file__).with_name("generated")

LANGUAGES = ("swift6", "kotlin", "dart", "csharp", "typescript-fetch")
"""Of openapi-generator."""

KNOWN = {"OpenAPI 3.1 support is still in beta."}
"""What openapi-generator says of every file of OpenAPI 3.1."""

SIGNS = ("warn", "error", "exception")


def main() -> int:
    if not shutil.which("java"):
        sys.exit(
            "openapi-generator needs Java 11 or later on the PATH. Install a JRE, such as Debian's default-jre-headless."
        )
    with TemporaryDirectory() as folder:
        project = Path(shutil.copytree(SOURCES, folder, dirs_exist_ok=True))
        mint_as_the_page_does(project / "mint.ts")
        complaints = [
            complaint for name, command in commands(project).items() for complaint in complained(name, command, project)
        ]
    sys.stdout.write("".join(f"{complaint}\n" for complaint in complaints))
    sys.stdout.write(f"{len(complaints)} complaints about docs/openapi.json\n")
    return bool(complaints)


def mint_as_the_page_does(file: Path) -> None:
    """Puts the page's code where the file has room for it."""
    [block] = code("generated.md", "ts")
    before, mark, after = file.read_text().partition("// The code of docs/clients/generated.md comes here.\n")
    if not mark:
        sys.exit(f"{file.name} has no room for the page's code")
    file.write_text(before + block + after)


def commands(project: Path) -> dict[str, list[str | Path]]:
    """What is run, in this order. The last two compile all that is in TypeScript, and mint."""
    java: dict[str, list[str | Path]] = {
        language: [JAVA, "generate", "-i", CONTRACT, "-g", language, "-o", project / language, *options(language)]
        for language in LANGUAGES
    }
    return {
        "validate": [JAVA, "validate", "--recommend", "-i", CONTRACT],
        **java,
        "openapi-typescript": [NODE / "openapi-typescript", CONTRACT, "-o", project / "schema.ts"],
        "hey-api": [NODE / "openapi-ts", "-i", CONTRACT, "-o", project / "hey-api", "-c", "@hey-api/client-fetch"],
        "tsc": [NODE / "tsc", "-p", project],
        "mint": ["node", project / "out/mint.js"],
    }


def options(language: str) -> list[str]:
    """Node imports files by their whole names."""
    return ["--additional-properties=importFileExtension=.js"] if language == "typescript-fetch" else []


def complained(name: str, command: list[str | Path], project: Path) -> list[str]:
    """What the command complains about, and its failure."""
    if name == "mint":
        with Bundle() as bundle, redirect_stdout(StringIO()):  # the functions' records
            return output(name, command, project, {"MINT_URL": bundle.url, "MINT_TOKEN": bundle.token("alice")})
    return output(name, command, project, {})


def output(name: str, command: list[str | Path], project: Path, variables: Mapping[str, str]) -> list[str]:
    environment = os.environ | variables | {"NO_COLOR": "1"}
    done = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True, check=False)  # noqa: S603 - our own list
    lines = [line for line in (done.stdout + done.stderr).splitlines() if any(sign in line.lower() for sign in SIGNS)]
    found = [f"{name}: {line}" for line in lines if " INFO " not in line and not any(known in line for known in KNOWN)]
    if done.returncode and not found:
        found = [f"{name}: ended with {done.returncode}: {done.stderr[-500:]}"]
    return found


if __name__ == "__main__":
    sys.exit(main())
