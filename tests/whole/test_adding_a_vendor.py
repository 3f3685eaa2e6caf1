"""docs/adding-a-vendor.md holds: an eighth vendor, made by its steps in a copy of the repository, passes the house rules."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
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
    *(".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis"),
}

ADDED = {
    *("functions/anam/app.py", "local/twins/anam.py"),
    *("events/anam-mint.json", "events/anam-revoke.json", "tests/functions/test_anam.py"),
    "docs/vendors/anam.md",
}
GENERATED = {"functions/catalogue/declared.json", "docs/openapi.json", "clients/js/src/credentials.ts"}


class Block(NamedTuple):
    """A fenced block of the page: the file that it is for, and its text."""

    language: str
    path: str
    text: str


def blocks() -> list[Block]:
    return [
        Block(*found)
        for found in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository after the page's first command; what it was before is in git's index."""
    copy = tmp_path_factory.mktemp("repository") / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    for environment in (".venv", ".venv-sam"):
        borrow(copy, environment)
    run(copy, "git", "init", "--quiet")
    run(copy, "git", "add", "--all")
    first = blocks()[0]
    assert first.text == "make vendor NAME=anam\n"
    follow(copy, first)
    return copy


@pytest.fixture(scope="module")
def filled(skeleton: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository after all of the page."""
    copy = tmp_path_factory.mktemp("filled") / "copy"
    shutil.copytree(skeleton, copy, symlinks=True)
    run(copy, "git", "add", "--all")  # of the new files too, `make check` takes those that git knows
    for block in blocks()[1:]:
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
    """Does what a reader does with a block: runs it, or puts its parts in the place of those of the same name."""
    if block.language == "sh":
        run(copy, "bash", "-euo", "pipefail", "-c", block.text)
        return
    path, parts = copy / block.path, PARTS[block.language]
    text = path.read_text()
    for name, new in parts(block.text).items():
        old = parts(text)
        assert name in old, f"{block.path} has no {name}"
        text = text.replace(old[name], new)
    path.write_text(text)


def definitions(code: str) -> dict[str, str]:
    """The lines of each definition by its name, and of each class's members by `Class.member`.

    Of a class with `...` in it there are the members alone.
    """
    return dict(_definitions(code.splitlines(), ast.parse(code).body, ""))


def _definitions(lines: list[str], nodes: list[ast.stmt], within: str) -> Iterator[tuple[str, str]]:
    for node in nodes:
        match node:
            case ast.ClassDef(name=name, body=members):
                if not any(ast.unparse(member) == "..." for member in members):
                    yield name, _source(lines, node)
                yield from _definitions(lines, members, f"{name}.")
            case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                yield within + name, _source(lines, node)


def _source(lines: list[str], node: ast.ClassDef | ast.FunctionDef | ast.Assign) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    return "\n".join(lines[first - 1 : node.end_lineno])


def passages(text: str) -> dict[str, str]:
    """The sections of a page by their headings, and the rows of its tables by their first cells."""
    sections = re.findall(r"^(## .*)\n((?:(?!## ).*\n)*)", text, re.MULTILINE)
    rows = re.findall(r"^(\|.*? \|)(.*)$", text, re.MULTILINE)
    return {name: f"{name}\n{rest}".rstrip("\n") for name, rest in sections} | {
        cell: cell + rest for cell, rest in rows
    }


PARTS = {"python": definitions, "markdown": passages}


def run(copy: Path, *command: str | Path) -> str:
    """What it prints. Fails the test with that, where the command fails."""
    done = attempt(copy, *command)
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
    return done.stdout


def attempt(copy: Path, *command: str | Path) -> "subprocess.CompletedProcess[str]":
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GIT_", "MAKE"))
    }
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def failing(root: Path, *arguments: str) -> str:
    """What pytest prints there, where it must fail."""
    command = [*PYTHON, "pytest", "--tb=short", "--show-capture=no", "-p", "no:cacheprovider", *arguments]
    done = attempt(root, *command)
    assert done.returncode == 1, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def failures(report: str) -> list[str]:
    return re.findall(r"^(?:FAILED|ERROR) (\S+)", report, re.MULTILINE)


OWN = "tests/functions/test_anam.py::test_nothing_is_left_to_fill_in"

RULES = [
    *("tests/test_template.py", "tests/test_roles.py", "tests/test_deploys.py"),
    *("tests/test_docs.py", "tests/test_worst_bill.py", "tests/test_openapi.py", "tests/test_client_packages.py"),
    *("tests/functions/test_catalogue.py", "tests/trust/test_source.py"),
    "tests/local/test_bundle.py::test_every_deployable_vendor_mints",
    "tests/functions/test_every_vendor.py::test_no_twin_is_left_over",
]

# The skeleton


def test_it_adds_files_a_row_and_fifty_lines_in_four_places_of_the_template(skeleton: Path) -> None:
    assert set(run(skeleton, "git", "ls-files", "--others", "--exclude-standard").split()) == ADDED
    lines = [line.split("\t") for line in run(skeleton, "git", "diff", "--numstat").splitlines()]
    changed = {file: (int(added), int(removed)) for added, removed, file in lines if file not in GENERATED}
    assert changed == {"README.md": (1, 0), "template.yaml": (changed["template.yaml"][0], 0)}
    assert changed["template.yaml"][0] <= 50
    assert len(re.findall("^@@ ", run(skeleton, "git", "diff", "template.yaml"), re.MULTILINE)) == 4


def test_it_passes_make_check(skeleton: Path) -> None:
    run(skeleton, "git", "add", "--intent-to-add", "--all")
    run(skeleton, "make", "check")
    run(skeleton, "git", "reset", "--quiet")


def test_of_its_tests_one_fails_and_says_what_is_left_to_fill_in_and_where(skeleton: Path) -> None:
    report = failing(skeleton, "-k", "anam", "--ignore=tests/whole")
    assert failures(report) == [OWN]
    assert re.search(r"^functions/anam/app\.py:\d+: name the vendor's reply fields", report, re.MULTILINE)
    places = set(re.findall(r"^([\w/.]+):\d+: \w", report, re.MULTILINE))
    assert places == {"README.md", *(file for file in ADDED if not file.startswith("events/"))}


def test_the_house_rules_hold_with_it(skeleton: Path) -> None:
    run(skeleton, *PYTHON, "pytest", *RULES)


# The vendor, filled in as the page says, which ends with `make check`


def test_the_tests_of_every_vendor_are_its_own_too_and_hold(filled: Path) -> None:
    report = run(filled, *PYTHON, "pytest", "-rp", "-k", "anam", "--ignore=tests/whole")
    passed = set(re.findall(r"^PASSED ([^:]+)::", report, re.MULTILINE))
    assert {
        "tests/functions/test_every_vendor.py",
        "tests/functions/test_anam.py",
        "tests/test_template.py",
        *(
            f"tests/trust/test_{what}.py"
            for what in ("attacks", "breaker", "limits", "no_leak", "revoking", "rotation")
        ),
    } <= passed


def test_the_house_rules_hold_with_it_when_it_is_filled_in(filled: Path) -> None:
    run(filled, *PYTHON, "pytest", *RULES)


@pytest.fixture
def spoiled(filled: Path, tmp_path: Path) -> Path:
    """A copy of the copy, for a mistake to be made in it."""
    shutil.copytree(filled, tmp_path / "spoiled", symlinks=True, ignore=shutil.ignore_patterns(".git"))
    return tmp_path / "spoiled"


def test_a_vendor_whose_errors_repeat_the_vendors_reply_fails_and_the_leak_is_shown(spoiled: Path) -> None:
    app = spoiled / "functions/anam/app.py"
    code, found, rest = app.read_text().partition("    return resource_refused(")
    assert found
    echo = 'return Problem("vendor_error", reply.body.decode()) if reply.status >= 300 else None'
    app.write_text(f"{code}    {echo}\n{rest.partition('\n')[2]}")
    report = failing(spoiled, "tests/trust/test_no_leak.py", "-k", "anam")
    leaks = {"test_no_path_writes_down_a_key_or_a_token[anam]", "test_no_operation_writes_down_what_it_is_sent"}
    assert all(leak in report for leak in leaks)
    assert "canary-key" in report


def test_a_vendor_without_a_twin_fails_one_test_that_says_what_to_add(spoiled: Path) -> None:
    (spoiled / "local/twins/anam.py").unlink()
    report = failing(spoiled, "tests/trust/test_no_leak.py", "tests/functions/test_every_vendor.py")
    assert "anam lacks a twin: add local/twins/anam.py" in report
    assert len(failures(report)) == 1


def test_all_that_a_vendor_lacks_is_told_with_the_file_to_add_it_to() -> None:
    told = "\n".join(lacking("anam"))
    files = ("template.yaml", "events/anam-mint.json", "events/anam-revoke.json", "local/twins/anam.py")
    assert [file for file in (*files, "functions/catalogue/declared.json") if file not in told] == []


def test_a_vendor_without_a_page_fails_a_test_that_says_so() -> None:
    with pytest.raises(AssertionError, match=r"anam lacks its page: add docs/vendors/anam\.md"):
        test_docs.test_every_vendor_has_its_page("anam")
