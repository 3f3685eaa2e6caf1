"""`make vendor`: which names it takes, and what it writes. tests/whole/test_adding_a_vendor.py runs the result."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.template import read
from tests.vendors import ROOT
from tools.vendor.__main__ import main, write
from tools.vendor.names import Name, parse
from tools.vendor.skeleton import texts, with_parts, with_row

CHANGED = ("template.yaml", "README.md")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The files that a new vendor changes, and what ruff needs to know which imports are ours."""
    for file in (*CHANGED, "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "layers/minting/minting").mkdir(parents=True)
    return tmp_path


# Names


@pytest.mark.parametrize(
    ("text", "name", "folder"),
    [("newcomer", "Newcomer", "newcomer"), ("NewCo", "NewCo", "newco"), ("NEW2", "NEW2", "new2")],
)
def test_a_name_is_spelled_as_given_in_the_template_and_small_in_python(text: str, name: str, folder: str) -> None:
    parsed = parse(text, ROOT)
    assert (parsed.title, parsed.folder, parsed.variable) == (name, folder, folder.upper())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "give the vendor's name: make vendor NAME=anam"),
        *[(text, "Use 2 to 16 letters and digits") for text in ("d-id", "hey_gen", "hey gen", "9lives", "a", "a" * 17)],
        *[(text, "Use 2 to 16 letters and digits") for text in ("ünder", "../new", "new\n", "$(new)")],
        *[(text, f"{text!r} is a keyword of Python") for text in ("class", "async")],
        *[(text, f"{text!r} is a module already") for text in ("email", "requests", "minting", "tests")],
        *[(text, f"functions/{text.lower()} exists already") for text in ("convai", "Convai", "catalogue")],
        ("convaipro", "'convaipro' contains 'convai', which is another function's name"),
        ("minted", "contains 'minted'. Choose a name that no other code contains"),
    ],
)
def test_what_cannot_be_a_name_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the reason is compared below
        parse(text, ROOT)
    assert reason in str(refused.value)


def test_the_command_ends_with_the_reason_and_writes_nothing(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.chdir(repository)
    with pytest.raises(SystemExit, match=r"^vendor: 'd-id' cannot be a name\."):
        main(["d-id"])
    assert [(repository / file).read_text() for file in CHANGED] == [(ROOT / file).read_text() for file in CHANGED]
    assert not (repository / "functions").exists()


# Files


def test_a_file_that_exists_is_not_written_over(repository: Path) -> None:
    twin = repository / "local/twins/twin.py"
    twin.parent.mkdir(parents=True)
    twin.touch()
    with pytest.raises(ValueError, match=r"local/twins/twin\.py exists already"):
        texts(Name("Twin"), repository)


def test_a_vendor_adds_at_most_fifty_lines_to_the_template_and_changes_none(repository: Path) -> None:
    before = (ROOT / "template.yaml").read_text().splitlines()
    after = texts(Name("Newcomer"), repository)[repository / "template.yaml"].splitlines()
    assert 0 < len(after) - len(before) <= 50
    rest = iter(after)
    assert all(line in rest for line in before)


def test_one_vendor_after_another_has_its_own_parts(repository: Path) -> None:
    for name in ("Newcomer", "NewCo"):
        write(texts(Name(name), repository))
    template = read(repository / "template.yaml")
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    labels = [group["Label"]["default"] for group in groups]
    assert labels[-3:] == ["Newcomer", "NewCo", "Operation"]
    for name in ("Newcomer", "NewCo"):
        assert {f"Deploy{name}", f"{name}AvatarIds", f"{name}ApiUrl"} <= template["Parameters"].keys()
        assert {f"{name}Function", f"{name}Secret"} <= template["Resources"].keys()
        assert f"Deploy{name}" in template["Conditions"]
    told = template["Resources"]["CatalogueFunction"]["Properties"]["Environment"]["Variables"]
    assert {"DEPLOY_NEWCOMER", "NEWCOMER_AVATAR_IDS", "DEPLOY_NEWCO", "NEWCO_AVATAR_IDS"} <= told.keys()


@pytest.mark.parametrize("title", ["Zz", "AbcdefghIjklmnop"])
def test_the_code_is_formatted_and_clean_however_long_the_name_is(repository: Path, title: str) -> None:
    write(texts(Name(title), repository))
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "."]
        done = subprocess.run(ruff, cwd=repository, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_template_without_the_place_of_a_part_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs one line '# make vendor adds a group above', and has 0"):
        with_parts("Resources: {}\n", "# make vendor adds a group above\n- anam\n")


def test_a_readme_without_routes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"README\.md has no row with a route"):
        with_row("# avatar-mint\n", "| row |\n")
