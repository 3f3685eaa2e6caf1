"""The workflows run what .ci/run runs, with the least rights, and deploy a stage only through its gate."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.vendors import ROOT

FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"uses: (?:\./\S+( #.*)?|[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")
"""A file of this repository, or an action by its commit."""

type Yaml = dict[str, Any]


def read(path: Path) -> Yaml:
    """The file with all values as texts, because YAML takes the word `on` for true."""
    document: Yaml = yaml.load(path.read_text(), yaml.BaseLoader)  # noqa: S506 - it makes texts, lists and mappings only
    return document


def jobs(path: Path) -> Iterator[Yaml]:
    yield from read(path)["jobs"].values()


def steps(path: Path) -> list[Yaml]:
    return [step for job in jobs(path) for step in job.get("steps", [])]


def made(script: str) -> list[str]:
    """The targets that a script makes."""
    return re.findall(r"^\s*make ([a-z-]+)", script, re.MULTILINE)


def targets() -> list[str]:
    """The targets that check.yml makes, each in a job of its own."""
    found: list[str] = read(FOLDER / "check.yml")["jobs"]["make"]["strategy"]["matrix"]["target"]
    return found


def test_there_are_a_workflow_for_checks_and_one_for_deploys() -> None:
    assert [path.name for path in FILES] == ["check.yml", "deploy.yml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit_and_names_its_version(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not PINNED.search(line)] == []


def test_an_action_has_one_commit_in_all_workflows() -> None:
    used = {step["uses"] for path in FILES for step in steps(path) if "uses" in step}
    assert len({action.partition("@")[0] for action in used}) == len(used)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_workflow_has_no_rights_and_every_job_only_what_it_names(path: Path) -> None:
    assert read(path)["permissions"] == {}
    assert all(job["permissions"].items() <= {"contents": "read", "id-token": "write"}.items() for job in jobs(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_checkout_leaves_no_token_behind(path: Path) -> None:
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_expression_becomes_a_part_of_a_script(path: Path) -> None:
    scripts = [step["run"] for step in steps(path) if "run" in step]
    assert scripts
    assert [script for script in scripts if "${{" in script] == []


def test_every_target_that_a_workflow_makes_exists() -> None:
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = [target for path in FILES for step in steps(path) for target in made(step.get("run", ""))]
    assert asked
    assert {*asked, *targets()} <= {*known}


def test_a_push_is_checked_by_all_that_the_projects_own_check_runs() -> None:
    assert sorted(targets()) == sorted(made((ROOT / ".ci/run").read_text()))
    assert {"push", "pull_request", "workflow_call"} == read(FOLDER / "check.yml")["on"].keys()


def test_main_is_checked_once_and_only_then_deployed() -> None:
    check, deploy = read(FOLDER / "check.yml"), read(FOLDER / "deploy.yml")
    assert check["on"]["push"] == {"branches-ignore": ["main"]}
    assert deploy["on"]["push"] == {"branches": ["main"], "tags": ["v*"]}
    assert deploy["jobs"]["check"]["uses"] == "./.github/workflows/check.yml"
    assert deploy["jobs"]["deploy"]["needs"] == "check"


def test_main_goes_to_dev_and_a_tag_to_prod() -> None:
    deploy = read(FOLDER / "deploy.yml")
    (stage,) = deploy["jobs"]["deploy"]["strategy"]["matrix"]["stage"]
    assert stage == "${{ inputs.stage || (github.ref_type == 'tag' && 'prod' || 'dev') }}"
    assert deploy["on"]["workflow_dispatch"]["inputs"]["stage"]["options"] == ["dev", "prod"]


def test_the_stages_environment_is_the_gate_of_its_role() -> None:
    deploying = [job for path in FILES for job in jobs(path) if "id-token" in job["permissions"]]
    assert [(job["environment"], job["env"]["STAGE"]) for job in deploying] == [("${{ matrix.stage }}",) * 2]
    assert [job["concurrency"]["cancel-in-progress"] for job in deploying] == ["false"]


def test_the_build_has_no_credentials_and_the_deploy_asks_nobody() -> None:
    names = [step.get("run") or step["uses"].partition("@")[0] for step in steps(FOLDER / "deploy.yml")]
    build, credentials, deploy = map(names.index, ("make build", "aws-actions/configure-aws-credentials", names[-1]))
    assert build < credentials < deploy
    assert names[-1] == '.venv-sam/bin/sam deploy --config-env "$STAGE" --no-confirm-changeset'


@pytest.mark.parametrize(
    ("ecosystem", "locks"), [("npm", "*/*/package-lock.json"), ("pip", "requirements/*.in"), ("pip", "layers/*/*.in")]
)
def test_every_folder_with_a_lock_file_gets_updates(ecosystem: str, locks: str) -> None:
    updates = read(ROOT / ".github/dependabot.yml")["updates"]
    (updated,) = [update["directories"] for update in updates if update["package-ecosystem"] == ecosystem]
    folders = {f"/{path.parent.relative_to(ROOT)}" for path in ROOT.glob(locks)}
    assert folders
    assert folders <= {*updated}


def test_the_actions_get_updates() -> None:
    updates = read(ROOT / ".github/dependabot.yml")["updates"]
    assert [update["directory"] for update in updates if update["package-ecosystem"] == "github-actions"] == ["/"]
