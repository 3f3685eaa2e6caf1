"""tools/stages.py reads what the SAM CLI reads."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.vendors import ROOT
from tools import stages

SAM = """
import json, sys, tomllib
from samcli.cli.types import CfnParameterOverridesType
settings = tomllib.load(open("samconfig.toml", "rb"))[sys.argv[1]]["deploy"]["parameters"]
print(json.dumps(CfnParameterOverridesType().convert(settings["parameter_overrides"], None, None)))
"""

CONFIG = """
version = 0.1
[default.global.parameters]
stack_name = "avatar-mint"
[default.deploy.parameters]
parameter_overrides = "DeployConvai=\\"true\\" SpatialGenFolders=\\"My Folder,Other\\""
[prod.global.parameters]
stack_name = "avatar-mint-prod"
region = "eu-west-1"
[prod.deploy.parameters]
parameter_overrides = "file://stages/prod.yaml"
[list.global.parameters]
stack_name = "other"
[list.deploy.parameters]
parameter_overrides = ["file://stages/prod.yaml", "ConvaiPerDay=7"]
[bare.deploy.parameters]
resolve_s3 = true
"""
FILE = """
DeployConvai: "true"
ConvaiPerDay: 500
SpatialGenFolders: [My Folder, Other]
TrulienceAvatarIds:
SpatialGenUploadMaxBytes: 200000000000
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "samconfig.toml").write_text(CONFIG)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/prod.yaml").write_text(FILE)
    return tmp_path


def test_a_stage_has_the_parameters_of_its_file(root: Path) -> None:
    assert stages.read("prod", root) == stages.Stage(
        name="prod",
        stack="avatar-mint-prod",
        region="eu-west-1",
        parameters={
            "DeployConvai": "true",
            "ConvaiPerDay": "500",
            "SpatialGenFolders": "My Folder,Other",
            "TrulienceAvatarIds": "",
            "SpatialGenUploadMaxBytes": "200000000000",
        },
    )


@pytest.mark.parametrize("stage", ["default", "prod", "list"])
def test_a_stage_has_the_parameters_that_the_sam_cli_deploys(root: Path, stage: str) -> None:
    command = [str(ROOT / ".venv-sam/bin/python"), "-c", SAM, stage]
    printed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout  # noqa: S603
    assert dict(stages.read(stage, root).parameters) == json.loads(printed)


def test_the_default_stage_is_that_of_a_plain_sam_deploy() -> None:
    assert stages.read() == stages.Stage("default", "avatar-mint", None, {})


def test_an_unknown_stage_is_named_with_the_known_ones(root: Path) -> None:
    with pytest.raises(stages.StageError, match=r"no stage 'test', only: default, prod.*make configure STAGE=test"):
        stages.read("test", root)


def test_a_stage_without_a_stack_is_refused(root: Path) -> None:
    with pytest.raises(stages.StageError, match="names no stack_name for the stage 'bare'"):
        stages.read("bare", root)


def test_a_missing_file_of_parameters_is_named(root: Path) -> None:
    (root / "stages/prod.yaml").unlink()
    with pytest.raises(stages.StageError, match=r"prod\.yaml cannot be read"):
        stages.read("prod", root)


def test_a_word_that_is_no_parameter_is_refused() -> None:
    with pytest.raises(stages.StageError, match="not Name=Value: ConvaiPerDay"):
        dict(stages.words(["ConvaiPerDay"]))
