"""docs/deploy-role.yaml lets one environment of GitHub deploy one stack, and knows every service that the stack uses."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.template import read
from tests.vendors import ROOT

ROLES: dict[str, dict[str, Any]] = read(ROOT / "docs/deploy-role.yaml")["Resources"]

SERVICES = {
    "AWS::CloudWatch": "cloudwatch",
    "AWS::DynamoDB": "dynamodb",
    "AWS::IAM": "iam",
    "AWS::Logs": "logs",
    "AWS::SNS": "sns",
    "AWS::SecretsManager": "secretsmanager",
}
"""The service of each kind of resource. SAM's own kinds need those below."""

OF_SAM = {"apigateway", "lambda", "events", "cloudformation", "s3"}


def statements(role: str) -> Iterator[dict[str, Any]]:
    for policy in ROLES[role]["Properties"]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def actions(statement: dict[str, Any]) -> list[str]:
    named = statement["Action"]
    return [named] if isinstance(named, str) else named


def allowed(role: str) -> set[str]:
    return {action for statement in statements(role) for action in actions(statement)}


def test_only_one_environment_of_one_repository_gets_the_deploy_role() -> None:
    (trust,) = ROLES["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    issuer = "token.actions.githubusercontent.com"
    assert trust["Condition"] == {
        "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": {"Ref": "Subject"}}
    }


def test_the_deploy_role_reads_no_secret_no_record_and_no_table() -> None:
    assert {action.partition(":")[0] for action in allowed("DeployRole")} == {"cloudformation", "s3", "iam"}


@pytest.mark.parametrize("action", ["secretsmanager:GetSecretValue", "secretsmanager:*", "dynamodb:*", "iam:*", "*"])
def test_the_stacks_role_lacks_what_no_deploy_needs(action: str) -> None:
    assert action not in allowed("StackRole")


@pytest.mark.parametrize("role", list(ROLES))
def test_a_role_is_passed_to_one_service_alone(role: str) -> None:
    passing = [each for each in statements(role) if "iam:PassRole" in actions(each)]
    assert passing
    assert all("iam:PassedToService" in each["Condition"]["StringEquals"] for each in passing)


def test_the_stacks_role_knows_every_service_of_the_template() -> None:
    kinds = {block["Type"].rpartition("::")[0] for block in read(ROOT / "template.yaml")["Resources"].values()}
    needed = OF_SAM | {SERVICES[kind] for kind in kinds - {"AWS::Serverless"}}
    assert {action.partition(":")[0] for action in allowed("StackRole")} == needed
