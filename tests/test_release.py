"""`make release` refuses what is not ready, and otherwise writes the version and the date, commits and tags."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vendors import ROOT
from tools import release

CHANGELOG = """# Changelog

## Unreleased

### Added

- A thing that a user notices.

## 0.1.0 - 2026-11-22

First version.
"""
IDENTITY = ("user.name=Ida", "user.email=ida@example.com", "commit.gpgsign=false", "tag.gpgsign=false")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository on main whose last release is 0.1.0, with a line that is not released yet."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name, count in release.VERSIONED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(release.IN_FILE.sub(r"\g<1>0.1.0", (ROOT / name).read_text(), count=count))
    (tmp_path / release.PROMISED).parent.mkdir(parents=True)
    shutil.copy(tmp_path / release.CONTRACT, tmp_path / release.PROMISED)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for setting in IDENTITY:
        git(tmp_path, "config", *setting.split("="))
    commit(tmp_path)
    git(tmp_path, "tag", "v0.1.0")
    return tmp_path


def git(root: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=root, text=True).strip()  # noqa: S603, S607


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message=A change")


def rewrite(root: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Commits a change of a JSON file."""
    document = json.loads((root / name).read_bytes())
    change(document)
    (root / name).write_text(json.dumps(document, indent=2))
    commit(root)


def refusal(root: Path, version: str = "0.2.0") -> str:
    """Why the release is refused. It must leave the repository as it was."""
    before = state(root)
    with pytest.raises(SystemExit) as ended:
        release.main([version], root)
    assert state(root) == before
    return str(ended.value)


def state(root: Path) -> tuple[str, ...]:
    return tuple(git(root, *command.split()) for command in ("rev-parse HEAD", "tag", "status --porcelain", "diff"))


def convai(contract: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = contract["paths"]["/v1/convai/tokens"]["post"]
    return operation


def test_a_release_writes_its_version_and_date_commits_and_tags(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release.main(["0.2.0"], project)
    assert "Committed and tagged v0.2.0" in capsys.readouterr().out
    assert [release.versions(project / name)[:count] for name, count in release.VERSIONED.items()] == [
        *(["0.2.0"], ["0.2.0"], ["0.2.0"], ["0.2.0", "0.2.0"])
    ]
    dated = git(project, "log", "-1", "--date=format-local:%Y-%m-%d", "--format=%ad")
    changelog = (project / "CHANGELOG.md").read_text()
    assert f"## Unreleased\n\n## 0.2.0 - {dated}\n\n### Added\n\n- A thing" in changelog
    assert git(project, "log", "-1", "--format=%s") == "Release 0.2.0"
    assert git(project, "cat-file", "-t", "v0.2.0") == "tag"
    assert git(project, "rev-parse", "v0.2.0^{commit}") == git(project, "rev-parse", "HEAD")
    assert git(project, "status", "--porcelain") == ""


def test_only_the_projects_version_changes_in_the_files(project: Path) -> None:
    release.main(["0.2.0"], project)
    changed = git(project, "diff", "--numstat", "HEAD~1").splitlines()
    counts = {"CHANGELOG.md": "2\t0", "tests/openapi/promised.json": "1\t1"} | {
        name: f"{count}\t{count}" for name, count in release.VERSIONED.items()
    }
    assert sorted(changed) == sorted(f"{count}\t{name}" for name, count in counts.items())


def test_the_released_contract_is_the_promised_one(project: Path) -> None:
    rewrite(project, "docs/openapi.json", lambda contract: contract["paths"].update({"/v1/new": {}}))
    release.main(["0.2.0"], project)
    assert (project / "tests/openapi/promised.json").read_text() == (project / "docs/openapi.json").read_text()


def test_a_second_release_needs_a_new_line_in_the_changelog(project: Path) -> None:
    release.main(["0.2.0"], project)
    assert refusal(project, "0.3.0") == 'release: CHANGELOG.md has no line under "## Unreleased"'


def test_a_changelog_without_the_section_is_refused(project: Path) -> None:
    (project / "CHANGELOG.md").write_text(CHANGELOG.replace("Unreleased", "Soon"))
    commit(project)
    assert refusal(project) == 'release: CHANGELOG.md has no line under "## Unreleased"'


@pytest.mark.parametrize("version", ["", "0.2", "v0.2.0", "0.2.0rc1", "0.02.0", "0.2.0 "])
def test_a_word_that_is_no_version_is_refused(project: Path, version: str) -> None:
    assert refusal(project, version) == (
        f"release: {version!r} is no version such as 0.2.0: make release VERSION=0.2.0"
    )


@pytest.mark.parametrize("version", ["0.1.0", "0.0.9"])
def test_a_version_that_is_not_newer_than_the_last_tag_is_refused(project: Path, version: str) -> None:
    assert refusal(project, version) == f"release: {version} is not newer than the last tag, v0.1.0"


def test_versions_are_compared_by_number(project: Path) -> None:
    git(project, "tag", "v0.9.0")
    git(project, "tag", "v0.10.0")
    assert refusal(project, "0.9.1") == "release: 0.9.1 is not newer than the last tag, v0.10.0"


def test_every_reason_is_named_at_once(project: Path) -> None:
    rewrite(project, "clients/js/package.json", lambda package: package.update(version="0.3.0"))
    git(project, "switch", "--quiet", "--create", "feature")
    (project / "new.txt").write_text("not committed")
    assert refusal(project).splitlines() == [
        "release: the branch is feature, not main",
        "release: the tree has changes that are not committed",
        (
            "release: the files have different versions: pyproject.toml 0.1.0, docs/openapi.json 0.1.0, "
            "clients/js/package.json 0.3.0, clients/js/package-lock.json 0.1.0 0.1.0"
        ),
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda contract: contract["paths"].pop("/v1/convai/tokens"), "/v1/convai/tokens: gone"),
        (lambda contract: contract["paths"]["/v1/convai/tokens"].pop("get"), "/v1/convai/tokens get: gone"),
        (lambda contract: convai(contract)["responses"].pop("429"), "/v1/convai/tokens post 429: gone"),
        (
            lambda contract: contract["components"]["schemas"]["Problem"]["properties"].pop("retryable"),
            "retryable: gone",
        ),
        (
            lambda contract: contract["components"]["schemas"]["Problem"]["properties"]["code"]["examples"].remove(
                "vendor_busy"
            ),
            "code: no longer vendor_busy",
        ),
    ],
)
def test_a_release_that_breaks_clients_is_refused(
    project: Path, change: Callable[[dict[str, Any]], Any], line: str
) -> None:
    rewrite(project, "docs/openapi.json", change)
    first, *lines = refusal(project).splitlines()
    assert first == "release: clients of 0.1.0 would break, which needs version 1.0.0:"
    assert line in lines[0]
    assert len(lines) <= release.SHOWN + 1


def test_a_new_first_number_may_break_clients(project: Path) -> None:
    rewrite(project, "docs/openapi.json", lambda contract: contract["paths"].pop("/v1/convai/tokens"))
    release.main(["1.0.0"], project)
    assert git(project, "tag", "--points-at", "HEAD") == "v1.0.0"


def test_before_the_first_tag_the_promised_file_counts(project: Path) -> None:
    git(project, "tag", "--delete", "v0.1.0")
    rewrite(project, "docs/openapi.json", lambda contract: contract["paths"].pop("/v1/convai/tokens"))
    assert "/v1/convai/tokens: gone" in refusal(project)


def test_gits_own_refusal_is_shown_without_a_traceback(project: Path) -> None:
    hook = project / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho the hook says no >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(SystemExit, match=r"^release: git commit: the hook says no$"):
        release.main(["0.2.0"], project)
