"""A team configures a stage from a file and deploys it, with the README's commands."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from local.parameters import AUDIENCE
from tests.deploy.machine import REGION, blocks

if TYPE_CHECKING:
    from tests.deploy.stack import Stack
    from tests.deploy.tls import Fronts

FOLDERS = "Mes vidéos,My Folder"


@pytest.fixture(scope="module")
def readme() -> list[str]:
    """The commands that configure, build and deploy. The others set keys and try the stack."""
    commands = blocks("README.md", "Deploy it")[0].splitlines()
    assert [command.split("#")[0].strip() for command in commands[:3]] == [
        "make configure STAGE=prod",
        "sam build",
        "sam deploy --config-env prod",
    ]
    return [command.split("#")[0].strip() for command in commands[:3]]


@pytest.fixture(scope="module")
def prod(any_stack: "Stack", fronts: "Fronts", readme: list[str]) -> "Stack":
    """Configured from a file, built and deployed."""
    prod = any_stack.stage("avatar-mint-prod")
    answers = {
        "Region": REGION,
        "JwtIssuer": prod.stand_ins.issuer.url,
        "JwtAudience": [AUDIENCE, "another-app"],
        "DeployConvai": True,
        "DeploySpatialGen": True,
        "SpatialGenFolders": FOLDERS.split(","),
        "SpatialGenUploadFolders": "",
        "ConvaiPerDay": 500,
        "TrulienceAvatarIds": [],
        **{name: url for name, url in prod.urls.items() if name.startswith(("Convai", "SpatialGen"))},
    }
    Path(prod.machine.sources / "answers.yaml").write_text(yaml.safe_dump(answers))
    configure, build, deploy = readme
    prod.machine.shell(f"{configure} FROM=answers.yaml", REQUESTS_CA_BUNDLE=str(fronts.certificate))
    prod.machine.shell(f"{build}\n{deploy}", stdin="y\n")
    return prod


def test_the_readmes_commands_deploy_the_stage(prod: "Stack") -> None:
    assert prod.describe()["StackStatus"] == "CREATE_COMPLETE"
    assert prod.offered() == ["convai", "spatialgen"]


def test_spaces_commas_and_empty_lists_arrive(prod: "Stack") -> None:
    deployed = prod.parameters()
    assert (deployed["SpatialGenFolders"], deployed["JwtAudience"]) == (FOLDERS, f"{AUDIENCE},another-app")
    assert (deployed["SpatialGenUploadFolders"], deployed["TrulienceAvatarIds"]) == ("", "")
    variables = prod.function("spatialgen")["Environment"]["Variables"]
    assert variables["SPATIALGEN_FOLDERS"] == FOLDERS


def test_one_change_reaches_the_stack_and_an_emptied_list_too(prod: "Stack", readme: list[str]) -> None:
    configure, _, deploy = readme
    for change in ("SpatialGenFolders=", "ConvaiPerDay=7"):
        prod.machine.shell(f"{configure} SET='{change}'")
    before = prod.parameters()
    prod.machine.shell(deploy, stdin="y\n")
    assert prod.parameters() == before | {"SpatialGenFolders": "", "ConvaiPerDay": "7"}


def test_token_check_agrees_with_the_deployed_stage(prod: "Stack", fronts: "Fronts") -> None:
    good, stranger = prod.token("alice", aud="another-app"), prod.token("alice", aud="elsewhere")
    trusting = {"REQUESTS_CA_BUNDLE": str(fronts.certificate)}
    told = [
        prod.machine.run("make", "token-check", "STAGE=prod", stdin=token, **trusting) for token in (good, stranger)
    ]
    assert "The caller is sub 'alice'" in told[0].stdout
    assert f"refused, 401: the token's aud is not another-app or {AUDIENCE}, but 'elsewhere'" in told[1].stderr
    assert [prod.mint_with("convai", token).status for token in (good, stranger)] == [503, 401]
