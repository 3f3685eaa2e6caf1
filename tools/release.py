"""Makes a release: checks that it may be made, writes its version and date, commits and tags. It pushes nothing.

Usage: make release VERSION=0.2.0
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from tools.openapi.breaks import breaks

ROOT = Path(__file__).parents[1]
BRANCH = "main"
CHANGELOG = "CHANGELOG.md"
CONTRACT = "docs/openapi.json"
PROMISED = "tests/openapi/promised.json"

VERSIONED = {"pyproject.toml": 1, CONTRACT: 1, "clients/js/package.json": 1, "clients/js/package-lock.json": 2}
"""The files that hold the version, and how often. In each of them it is the first version."""

IN_FILE = re.compile(r'^(\s*"?version"?\s*[:=]\s*")([^"]+)', re.MULTILINE)
UNRELEASED = re.compile(r"^## Unreleased\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)

SHOWN = 5
"""Breaks of the contract. A code that is gone breaks every operation."""


class ReleaseError(Exception):
    """The release cannot be made. The text says why, one reason a line."""


class Version(NamedTuple):
    """A version of Semantic Versioning, without a pre-release."""

    major: int
    minor: int
    patch: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises ReleaseError."""
        if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", text):
            raise ReleaseError(f"{text!r} is no version such as 0.2.0: make release VERSION=0.2.0")
        return cls(*map(int, text.split(".")))

    def __str__(self) -> str:
        return ".".join(map(str, self))


def release(root: Path, version: Version, today: date) -> None:
    """Raises ReleaseError, and then has changed nothing, unless git refuses the commit or the tag."""
    if reasons := list(obstacles(root, version)):
        raise ReleaseError("\n".join(reasons))
    write(root, version, today)
    git(root, "commit", "--quiet", "--all", f"--message=Release {version}")
    git(root, "tag", "--annotate", f"--message=avatar-mint {version}", f"v{version}")


def obstacles(root: Path, version: Version) -> Iterator[str]:
    """A line for each reason not to release."""
    branch = git(root, "branch", "--show-current")
    if branch != BRANCH:
        yield f"the branch is {branch or 'none'}, not {BRANCH}"
    if git(root, "status", "--porcelain"):
        yield "the tree has changes that are not committed"
    yield from _of_version(root, version)
    yield from _of_changelog((root / CHANGELOG).read_text())
    yield from _of_contract(root, version)


def _of_version(root: Path, version: Version) -> Iterator[str]:
    found = {name: versions(root / name)[:count] for name, count in VERSIONED.items()}
    if len({one for several in found.values() for one in several}) > 1:
        yield "the files have different versions: " + ", ".join(
            f"{name} {' '.join(has)}" for name, has in found.items()
        )
    tag = last_tag(root)
    if tag and version <= Version.read(tag.removeprefix("v")):
        yield f"{version} is not newer than the last tag, {tag}"


def _of_changelog(text: str) -> Iterator[str]:
    section = UNRELEASED.search(text)
    if not (section and re.search(r"^- ", section[1], re.MULTILINE)):
        yield f'{CHANGELOG} has no line under "## Unreleased"'


def _of_contract(root: Path, version: Version) -> Iterator[str]:
    old, new = promised(root), json.loads((root / CONTRACT).read_bytes())
    before: str = old["info"]["version"]
    found = list(breaks(old, new))
    if found and version.major == Version.read(before).major:
        yield f"clients of {before} would break, which needs version {version.major + 1}.0.0:"
        yield from (f"  {line}" for line in found[:SHOWN])
        yield from [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []


def promised(root: Path) -> Any:
    """The contract of the last tag. Before the first tag, it is the file of what was promised."""
    tag = last_tag(root)
    return json.loads(git(root, "show", f"{tag}:{CONTRACT}") if tag else (root / PROMISED).read_bytes())


def last_tag(root: Path) -> str:
    """The newest version's tag in the history of HEAD, or nothing."""
    return git(root, "tag", "--merged=HEAD", "--sort=-version:refname", "--list", "v[0-9]*").partition("\n")[0]


def versions(path: Path) -> list[str]:
    """All versions in a file, in its order."""
    return [found[2] for found in IN_FILE.finditer(path.read_text())]


def write(root: Path, version: Version, today: date) -> None:
    """Sets the version in every file, dates the changelog, and keeps the contract as the promised one."""
    for name, count in VERSIONED.items():
        text = (root / name).read_text()
        (root / name).write_text(IN_FILE.sub(rf"\g<1>{version}", text, count=count))
    changelog = (root / CHANGELOG).read_text()
    (root / CHANGELOG).write_text(changelog.replace("## Unreleased\n", f"## Unreleased\n\n## {version} - {today}\n", 1))
    (root / PROMISED).write_text((root / CONTRACT).read_text())


def git(root: Path, *arguments: str) -> str:
    """What git prints. Raises ReleaseError with its own reason."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode:
        raise ReleaseError(f"git {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def main(arguments: Sequence[str], root: Path = ROOT) -> None:
    try:
        version = Version.read("".join(arguments))
        release(root, version, datetime.now(UTC).date())
    except ReleaseError as error:
        sys.exit("\n".join(f"release: {line}" for line in str(error).splitlines()))
    print(f"Committed and tagged v{version}. Publish it: git push --follow-tags")


if __name__ == "__main__":
    main(sys.argv[1:])
