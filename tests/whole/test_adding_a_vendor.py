"""docs/adding-a-vendor.md holds: an eighth vendor, made by its steps in a copy of the repository, passes the house rules."""

import os
import re
import shutil
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import test_docs
from tests.vendors import lacking

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/adding-a-vendor.md"
PYTHON = [sys.executable, "-m"]
NOT_COPIED = {
    *(".git", ".venv*", ".aws-sam", "node_modules", "__pycache__"),
    *(".pytest_cache", ".ruff_cache", ".hypothesis"),
}

ADDED = {
    *("functions/aurora/app.py", "local/twins/aurora.py"),
    *("events/aurora-mint.json", "events/aurora-revoke.json", "tests/functions/test_aurora.py"),
    "docs/vendors/aurora.md",
}
CHANGED = {"template.yaml", "README.md", "functions/catalogue/declared.json", "docs/openapi.json"}
CODE = sorted(path for path in ADDED if path.endswith(".py"))

INDENT = 2
"""Of a name in a section of the template."""


class Block(NamedTuple):
    """A fenced block of the page: the file that it is for, or that it is made of; and its text."""

    language: str
    path: str
    text: str


def blocks() -> list[Block]:
    return [
        Block(*found)
        for found in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with the eighth vendor in it; what it was before is in git's index."""
    copy = tmp_path_factory.mktemp("repository") / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    for environment in (".venv", ".venv-sam"):
        borrow(copy, environment)
    run(copy, "git", "init", "--quiet")
    run(copy, "git", "add", "--all")
    for block in blocks():
        follow(copy, block)
    return copy


def borrow(copy: Path, environment: str) -> None:
    """Gives the copy one of our environments, which make there takes for ready."""
    (copy / environment).mkdir()
    for part in (ROOT / environment).iterdir():
        if part.name != "ready":
            (copy / environment / part.name).symlink_to(part)
    (copy / environment / "ready").touch()


def follow(copy: Path, block: Block) -> None:
    """Does what a reader does with a block: runs it, adds its parts to the file that is there, or writes the file."""
    path = copy / block.path
    if block.language == "sh":
        run(copy, "bash", "-euo", "pipefail", "-c", block.text)
    elif path.exists():
        for part in re.split(r"\n{2,}", block.text.rstrip("\n")):
            path.write_text("\n".join(with_part(path.read_text().split("\n"), part.split("\n"))))
    else:
        path.write_text(block.text)


def with_part(lines: list[str], part: list[str]) -> list[str]:
    """The file with the part below each place where Trulience has the same, but for those in what is Trulience's own.

    The last thing in the part says which those are.
    """
    outermost = min(map(indent, part))
    last = [line for line in part if indent(line) == outermost][-1]
    model = first_cell(last)
    for ours, theirs in (("Aurora", "Trulience"), ("aurora", "trulience"), ("AURORA", "TRULIENCE")):
        model = model.replace(ours, theirs)
    places = [number for number, line in enumerate(lines) if first_cell(line) == model and not within(lines, number)]
    assert places, f"Trulience has no {model}"
    for place in reversed(places):
        inner = list(takewhile(lambda line: indent(line) > outermost, lines[place + 1 :]))
        end = place + 1 + len(inner)
        lines = lines[:end] + part + lines[end:]
    return lines


def within(lines: list[str], place: int) -> bool:
    """Whether the line is one of a parameter's, resource's or output's of Trulience."""
    above = [line for line in lines[:place] if line.strip() and indent(line) == INDENT]
    return indent(lines[place]) > INDENT and "Trulience" in above[-1]


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def first_cell(line: str) -> str:
    """A table's row goes by its first cell, any other line by all of it."""
    return line.partition(" | ")[0]


def run(copy: Path, *command: str | Path) -> str:
    """What it prints. Fails the test with that, where the command fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GIT_"))}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
    return done.stdout


def test_it_takes_one_folder_one_twin_one_test_its_events_and_lines_in_two_files(copy: Path) -> None:
    assert set(run(copy, "git", "ls-files", "--others", "--exclude-standard").split()) == ADDED
    lines = [line.split("\t") for line in run(copy, "git", "diff", "--numstat").splitlines()]
    assert {file: removed for _, removed, file in lines} == dict.fromkeys(CHANGED, "0")


def test_its_code_is_clean_and_typed(copy: Path) -> None:
    run(copy, *PYTHON, "ruff", "check", *CODE)
    run(copy, *PYTHON, "ruff", "format", "--check", *CODE)
    run(copy, *PYTHON, "mypy", *CODE)
    run(copy, "env", "PYTHONPATH=layers/minting", ".venv/bin/lint-imports", "--no-cache")


def test_the_tests_of_every_vendor_are_its_own_too_and_hold(copy: Path) -> None:
    report = run(copy, *PYTHON, "pytest", "-rp", "-k", "aurora", "--ignore=tests/whole")
    passed = set(re.findall(r"^PASSED ([^:]+)::", report, re.MULTILINE))
    assert {
        "tests/functions/test_every_vendor.py",
        "tests/functions/test_aurora.py",
        "tests/test_template.py",
        *(
            f"tests/trust/test_{what}.py"
            for what in ("attacks", "breaker", "limits", "no_leak", "revoking", "rotation")
        ),
    } <= passed


RULES = [
    *("tests/test_template.py", "tests/test_roles.py", "tests/test_deploys.py"),
    *("tests/test_docs.py", "tests/test_worst_bill.py", "tests/test_openapi.py"),
    "tests/functions/test_catalogue.py",
    "tests/local/test_bundle.py::test_every_deployable_vendor_mints",
    "tests/functions/test_every_vendor.py::test_no_twin_is_left_over",
]


def test_the_house_rules_hold_with_it(copy: Path) -> None:
    run(copy, *PYTHON, "pytest", *RULES)


@pytest.fixture
def spoiled(copy: Path, tmp_path: Path) -> Path:
    """A copy of the copy, for a mistake to be made in it."""
    shutil.copytree(copy, tmp_path / "spoiled", symlinks=True, ignore=shutil.ignore_patterns(".git"))
    return tmp_path / "spoiled"


def failing(root: Path, *arguments: str) -> str:
    """What pytest prints there, where it must fail."""
    command = [*PYTHON, "pytest", "--tb=short", "--show-capture=no", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 1, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_a_vendor_whose_errors_repeat_the_vendors_reply_fails_and_the_leak_is_shown(spoiled: Path) -> None:
    app = spoiled / "functions/aurora/app.py"
    code, found, rest = app.read_text().rpartition("    return interpret_status(reply)")
    assert found
    echo = 'return Problem("vendor_error", reply.body.decode()) if reply.status >= 300 else None'
    app.write_text(f"{code}    {echo}{rest}")
    report = failing(spoiled, "tests/trust/test_no_leak.py", "-k", "aurora")
    leaks = {"test_no_path_writes_down_a_key_or_a_token[aurora]", "test_no_operation_writes_down_what_it_is_sent"}
    assert all(leak in report for leak in leaks)
    assert "canary-key" in report


def test_a_vendor_without_a_twin_fails_one_test_that_says_what_to_add(spoiled: Path) -> None:
    (spoiled / "local/twins/aurora.py").unlink()
    report = failing(spoiled, "tests/trust/test_no_leak.py", "tests/functions/test_every_vendor.py")
    assert "aurora lacks a twin: add local/twins/aurora.py" in report
    assert len(re.findall(r"^(?:FAILED|ERROR) ", report, re.MULTILINE)) == 1


def test_all_that_a_vendor_lacks_is_told_with_the_file_to_add_it_to() -> None:
    told = "\n".join(lacking("aurora"))
    files = ("template.yaml", "events/aurora-mint.json", "events/aurora-revoke.json", "local/twins/aurora.py")
    assert [file for file in (*files, "functions/catalogue/declared.json") if file not in told] == []


def test_a_vendor_without_a_page_fails_a_test_that_says_so() -> None:
    with pytest.raises(AssertionError, match=r"aurora lacks its page: add docs/vendors/aurora\.md"):
        test_docs.test_every_vendor_has_its_page("aurora")
