"""A stack named avatar-mint in the stand-in for AWS, whose API and vendors are those of the running bundle."""

import io
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest

from local import parameters
from local.template import read
from tests.vendors import ROOT, VARIABLES, VENDORS
from tools.operate.__main__ import main
from tools.operate.stack import Stack
from tools.stages import Stage

if TYPE_CHECKING:
    from local.bundle import Bundle

NAME = "avatar-mint"
RESOURCES = {
    "LimitsTable": {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    },
    "FunctionLogGroup": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "the-log"}},
}
"""moto's CloudFormation makes no secrets and no alarms."""


class Done(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


type Operate = Callable[..., Done]


@pytest.fixture
def given(bundle: "Bundle") -> dict[str, str]:
    """The stack's parameters: every vendor, with the twins in the places of the vendors."""
    document = read(ROOT / "template.yaml")
    urls = {name: url for twin in bundle.twins.values() for name, url in twin.environment().items()}
    refs = {
        name: value["Ref"] for variables in VARIABLES.values() for name, value in variables.items() if "Ref" in value
    }
    of_twins = {refs[name]: url for name, url in urls.items()}
    return parameters.parameters(document, bundle.issuer.url) | of_twins


@pytest.fixture(autouse=True)
def stack(bundle: "Bundle", given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The deployed stack, each vendor with an empty secret."""
    for name, value in bundle.environment("convai").items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    document = {
        "Parameters": {name: {"Type": "String"} for name in given},
        "Resources": RESOURCES,
        "Outputs": {"ApiUrl": {"Value": bundle.url}},
    }
    stacks, secrets = boto3.client("cloudformation"), boto3.client("secretsmanager")
    chosen = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
    stacks.create_stack(StackName=NAME, TemplateBody=json.dumps(document), Parameters=chosen)
    for vendor in VENDORS:
        secrets.create_secret(Name=f"{NAME}/{vendor}")
    yield Stack(Stage("default", NAME, None, {}))
    for twin in bundle.twins.values():
        twin.reset()
    for vendor in VENDORS:
        secrets.delete_secret(SecretId=f"{NAME}/{vendor}", ForceDeleteWithoutRecovery=True)
    stacks.delete_stack(StackName=NAME)


@pytest.fixture
def operate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operate:
    """`operate("stop", "convai", stdin="...")`: runs a command without a terminal."""

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(str(ended.code))
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def table(stack: Stack) -> Any:
    """The table of limits."""
    return stack.table
