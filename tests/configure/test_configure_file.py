"""`make configure` from a file or for one change: without a terminal, and all or nothing."""

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.issuer import Issuer
from local.template import read
from tests.vendors import ROOT
from tools import stages
from tools.configure import sizes
from tools.configure.__main__ import main
from tools.configure.files import Stage
from tools.configure.rules import Rules

SAM = """
import json, pathlib, sys
from samcli.cli.types import CfnParameterOverridesType
print(json.dumps(CfnParameterOverridesType().convert(f"file://{sys.argv[1]}", None, None)))
"""
BASE = {"JwtIssuer": "https://issuer.example", "JwtAudience": "app", "DeployConvai": "true", "Region": "eu-west-1"}


@pytest.fixture
def configure(root: Path) -> Callable[..., int | str | None]:
    """Runs the command, and returns what it ends with: None if all is well."""

    def run(answers: Any = None, *arguments: str, stage: str = "prod") -> int | str | None:
        if answers is not None:
            (root / "answers.yaml").write_text(answers if isinstance(answers, str) else yaml.safe_dump(answers))
            arguments = ("--from", str(root / "answers.yaml"), *arguments)
        try:
            main(["--stage", stage, *arguments], root)
        except SystemExit as end:
            return end.code
        return None

    return run


type Configure = Callable[..., int | str | None]


def test_a_file_of_answers_makes_a_stage_that_sam_deploy_uses(configure: Configure, root: Path) -> None:
    answers = BASE | {"SpatialGenFolders": ["Été 1", "My Folder"], "DeploySpatialGen": True, "ConvaiPerDay": 50}
    assert configure(answers, "--offline") is None
    stage = stages.read("prod", root)
    assert (stage.stack, stage.region) == ("avatar-mint-prod", "eu-west-1")
    off = {name: "false" for name in read(ROOT / "template.yaml")["Parameters"] if name.startswith("Deploy")}
    chosen = {"SpatialGenFolders": "Été 1,My Folder", "DeploySpatialGen": "true", "ConvaiPerDay": "50"}
    assert stage.parameters == off | {name: BASE[name] for name in BASE if name != "Region"} | chosen


def test_only_a_new_vendor_needs_a_key(configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    assert configure(BASE, "--offline") is None
    capsys.readouterr()
    assert configure(None, "--set", "DeployTrulience=true") is None
    told = capsys.readouterr().out
    assert "make set-key VENDOR=trulience STAGE=prod" in told
    assert "VENDOR=convai" not in told


def test_samconfig_only_grows_by_the_stage_and_keeps_its_comments(configure: Configure, root: Path) -> None:
    before = (root / "samconfig.toml").read_text()
    assert configure(BASE, "--offline") is None
    assert configure(BASE | {"Region": "us-east-1"}, "--offline", stage="dev") is None
    after = (root / "samconfig.toml").read_text()
    assert after.startswith(before)
    config = tomllib.loads(after)
    shared = tomllib.loads(before)["default"]["deploy"]["parameters"]
    for name in ("prod", "dev"):
        own = {"s3_prefix": f"avatar-mint-{name}", "parameter_overrides": f"file://stages/{name}.yaml"}
        assert config[name]["deploy"]["parameters"] == shared | own
    assert configure(None, "--set", "ConvaiPerDay=7") is None
    assert (root / "samconfig.toml").read_text() == after


def test_one_change_asks_nothing_and_leaves_the_rest(configure: Configure, root: Path) -> None:
    configure(BASE, "--offline")
    before = stages.read("prod", root).parameters
    assert configure(None, "--set", "SpatialGenFolders=My Folder, Other = Ölfilm") is None
    after = stages.read("prod", root).parameters
    assert after == {**before, "SpatialGenFolders": "My Folder, Other = Ölfilm"}


def test_a_value_that_is_a_default_again_stays_in_the_file_because_the_stack_keeps_what_it_is_not_told(
    configure: Configure, root: Path
) -> None:
    configure(BASE | {"ConvaiPerDay": 50, "SpatiusAvatarIds": "a"}, "--offline")
    assert configure(None, "--set", "ConvaiPerDay=2000", "--set", "SpatiusAvatarIds=") is None
    after = stages.read("prod", root).parameters
    assert (after["ConvaiPerDay"], after["SpatiusAvatarIds"]) == ("2000", "")


def test_a_stages_file_is_a_file_of_answers_for_the_next_stage(configure: Configure, root: Path) -> None:
    configure(BASE, "--offline")
    prod = (root / "stages/prod.yaml").read_text()
    assert configure(prod, "--offline", "--set", "Region=eu-west-1", stage="dev") is None
    assert stages.read("dev", root).parameters == stages.read("prod", root).parameters


def test_every_parameter_in_the_file_has_its_reason_and_its_default(configure: Configure, root: Path) -> None:
    configure(BASE | {"ConvaiPerDay": 50}, "--offline")
    text = (root / "stages/prod.yaml").read_text()
    assert '\n# Convai mints for all callers in a day (UTC). Default: 2000\nConvaiPerDay: "50"\n' in text
    assert max(map(len, text.splitlines())) <= 100


ODD = [
    "true",
    "007",
    "1e3",
    "null",
    "~",
    "a: b # c",
    "{x}",
    "- y",
    "*",
    "é",
    "\U0001f600",
    "\u2028",
    "\x7f",
    "a,b",
    "a, b",
    ",",
    "",
]


def test_the_sam_cli_reads_every_value_as_it_was_given(root: Path) -> None:
    rules = Rules(read(ROOT / "template.yaml"))
    given = dict(zip(rules.names, ODD, strict=False))
    stage = Stage("odd", root)
    stage.write(given, "eu-west-1", rules)
    assert stage.answers() == given
    command = [str(ROOT / ".venv-sam/bin/python"), "-c", SAM, str(stage.path)]
    printed = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603
    assert json.loads(printed) == given


def test_all_wrong_answers_are_told_at_once_and_nothing_is_written(
    configure: Configure, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "JwtIssuer": "http://plain.example",
        "ConvaiPerDay": "lots",
        "OdysseyQueueSeconds": 16,
        "LiveKitIdentityPer": "room",
        "DeployLiveKit": "true",
        "AllowedOrigins": "https://*.example.com",
        "Nope": 1,
        "Region": "Ireland",
    }
    assert configure(wrong, "--offline") == 2
    told = capsys.readouterr().err.splitlines()
    declared = read(ROOT / "template.yaml")["Parameters"]
    assert told == [
        "configure: Region must be one such as eu-west-1, not 'Ireland'",
        f"configure: JwtIssuer {declared['JwtIssuer']['ConstraintDescription']}, not 'http://plain.example'",
        f"configure: JwtAudience {declared['JwtAudience']['ConstraintDescription']}, not ''",
        f"configure: AllowedOrigins {declared['AllowedOrigins']['ConstraintDescription']}, not 'https://*.example.com'",
        "configure: OdysseyQueueSeconds must be a whole number of at least 0 and at most 15, not '16'",
        "configure: ConvaiPerDay must be a whole number of at least 1, not 'lots'",
        "configure: LiveKitIdentityPer must be one of caller, session, not 'room'",
        "configure: the template has no parameter Nope",
        "configure: LiveKit needs LiveKitUrl",
        "configure: nothing was written",
    ]
    assert not (root / "stages").exists()
    assert (root / "samconfig.toml").read_text() == (ROOT / "samconfig.toml").read_text()


def test_a_stage_without_vendors_is_refused(configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    assert configure(BASE | {"DeployConvai": "false"}, "--offline") == 2
    assert "Deploy at least one vendor" in capsys.readouterr().err


def test_an_issuer_is_asked_for_its_keys(
    configure: Configure, issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert configure(BASE | {"JwtIssuer": issuer.url}) is None
    assert configure(BASE | {"JwtIssuer": f"{issuer.url}/"}) == 2
    assert f"names the issuer '{issuer.url}', not '{issuer.url}/' (OFFLINE=1 leaves" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("a: [", "answers.yaml is not YAML"),
        ("just text", "must have a line `Name: value` for each parameter"),
        ("JwtIssuer: {a: b}", "JwtIssuer must be one value or a list of values"),
        ("JwtAudience: [[a]]", "JwtAudience must be one value or a list of values"),
    ],
)
def test_a_file_that_is_no_answers_is_refused_in_one_line(
    configure: Configure, capsys: pytest.CaptureFixture[str], answers: str, told: str
) -> None:
    assert configure(answers) == 2
    assert told in capsys.readouterr().err.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--from", "no-such-file.yaml"), "no-such-file.yaml cannot be read"),
        (("--set", "ConvaiPerDay"), "not Name=Value: ConvaiPerDay"),
        (("--set", "SpatialGenFolders=\udcff"), "SpatialGenFolders is not in UTF-8"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_line(
    configure: Configure, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    configure(BASE, "--offline")
    assert configure(None, *arguments) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["", "default", "version", "Prod", "a b", "../x"])
def test_a_stage_has_a_name_that_suits_a_stack(
    configure: Configure, root: Path, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    assert configure(BASE, "--offline", stage=stage) == 2
    assert "name the stage, such as STAGE=prod" in capsys.readouterr().err
    assert not (root / "stages").exists()


def test_a_stage_with_settings_of_its_own_is_not_overruled(
    configure: Configure, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (root / "samconfig.toml").open("a") as config:
        config.write('\n[prod.deploy.parameters]\nregion = "eu-west-1"\nparameter_overrides = "ConvaiPerDay=1"\n')
    assert configure(BASE, "--offline") == 2
    assert 'parameter_overrides = "file://stages/prod.yaml"' in capsys.readouterr().err
    assert not (root / "stages").exists()


def test_the_region_of_a_stage_is_changed_in_samconfig_alone(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(BASE, "--offline")
    assert configure(None, "--set", "Region=us-east-1") == 2
    assert "the Region of prod is in samconfig.toml" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[", None])
def test_a_samconfig_that_cannot_be_read_is_named(
    configure: Configure, root: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    (root / "samconfig.toml").unlink()
    if text:
        (root / "samconfig.toml").write_text(text)
    assert configure(BASE, "--offline") == 2
    assert "samconfig.toml cannot be read" in capsys.readouterr().err


def test_a_parameter_of_an_older_template_is_left_out_with_a_word(
    configure: Configure, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(BASE, "--offline")
    with (root / "stages/prod.yaml").open("a") as file:
        file.write('ConvaiConcurrency: "3"\n')
    assert configure(None, "--set", "ConvaiPerDay=9") is None
    assert "The template has no ConvaiConcurrency any more" in capsys.readouterr().out
    assert "ConvaiConcurrency" not in stages.read("prod", root).parameters


def test_settings_over_lambdas_4_kb_are_refused_before_a_deploy(
    configure: Configure, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a team that has raised a bound of the template."""
    text = (root / "template.yaml").read_text()
    assert 'TrulienceAvatarIds: {Type: String, Default: "", MaxLength: 700' in text
    (root / "template.yaml").write_text(text.replace("MaxLength: 700", "MaxLength: 9000"))
    ids = ",".join(f"{number:036}" for number in range(100))
    assert configure(BASE | {"DeployTrulience": "true", "TrulienceAvatarIds": ids}, "--offline") == 2
    told = capsys.readouterr().err
    assert "the settings of CatalogueFunction have" in told
    assert "the settings of TrulienceFunction have" in told
    assert "the settings of ConvaiFunction" not in told


def test_the_size_is_that_of_the_settings_as_json() -> None:
    document = read(ROOT / "template.yaml")
    sized = {"SpatialGenFolders": "é" * 250, "DeploySpatialGen": "true"}
    assert list(sizes.errors(document, sized, "stack", "eu-west-1")) == []
