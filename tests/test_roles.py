"""What a deployed function may do: IAM's decision, from its role and the boundary that all functions share."""

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.stack import LOGS, NAMED, SECRETS, TABLES, Json, deploys, variables
from tests.vendors import FUNCTIONS, VENDORS


@pytest.fixture(scope="module")
def living() -> dict[str, Json]:
    """The properties of everything that a deploy makes."""
    return deploys().first.living()


BASIC_EXECUTION = {
    "Effect": "Allow",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "*",
}
"""AWSLambdaBasicExecutionRole, as AWS' managed policy reference has it."""


class Right(NamedTuple):
    """What a function's role may do, and to what."""

    action: str
    resource: str


def rights(living: dict[str, Json], function: str) -> tuple[list[Json], list[Json]]:
    """The statements of a function's role, and those of its boundary."""
    role = living[living[f"{function}Function"]["Role"]]
    assert [Path(arn).name for arn in role["ManagedPolicyArns"]] == ["AWSLambdaBasicExecutionRole"]
    own = [one for policy in role.get("Policies", []) for one in policy["PolicyDocument"]["Statement"]]
    return [BASIC_EXECUTION, *own], living[role["PermissionsBoundary"]]["PolicyDocument"]["Statement"]


def may(living: dict[str, Json], function: str, right: Right) -> bool:
    """As IAM decides: both the role and its boundary must allow it, and nothing here denies."""
    return all(allows(statements, right) for statements in rights(living, function))


def allows(statements: Iterable[Json], right: Right) -> bool:
    assert all(statement["Effect"] == "Allow" for statement in statements)
    return any(
        any(fnmatchcase(right.action, action) for action in texts(statement["Action"]))
        and any(fnmatchcase(right.resource, resource) for resource in texts(statement["Resource"]))
        for statement in statements
    )


def told(living: dict[str, Json], function: str) -> dict[str, str]:
    """A function's environment."""
    return variables(living[f"{function}Function"])


def texts(one_or_more: str | list[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_writes_into_its_stacks_own_log_group_and_no_other(living: dict[str, Json], function: str) -> None:
    name = NAMED[function]
    assert living[f"{name}Function"]["LoggingConfig"] == {"LogGroup": "mint-logs"}
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        assert may(living, name, Right(action, f"{LOGS}:mint-logs:log-stream:any"))
        for other in ("mint-logs-2", "/aws/lambda/payroll", "dev-logs", "/aws/vendedlogs/apis/mint"):
            assert not may(living, name, Right(action, f"{LOGS}:{other}:log-stream:any"))
    assert not may(living, name, Right("logs:CreateLogGroup", f"{LOGS}:mint-logs"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_can_read_its_own_secret_and_no_other(living: dict[str, Json], function: str) -> None:
    own = f"{SECRETS}:mint/{function}-AbCdEf"
    assert told(living, NAMED[function]).get("API_KEY_SECRET", own) == own
    others = [f"{SECRETS}:{name}-AbCdEf" for name in ("payroll", "dev/convai", f"dev/{function}")]
    secrets = [*(f"{SECRETS}:mint/{vendor}-AbCdEf" for vendor in VENDORS), *others]
    rights = [
        Right(f"secretsmanager:{action}Secret{of}", secret)
        for action, of in (("Get", "Value"), ("Put", "Value"), ("Describe", ""), ("Delete", ""))
        for secret in secrets
    ]
    allowed = [right for right in rights if may(living, NAMED[function], right)]
    assert allowed == ([Right("secretsmanager:GetSecretValue", own)] if function in VENDORS else [])


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_function_reaches_its_own_items_in_the_table_and_no_others(living: dict[str, Json], vendor: str) -> None:
    arn = f"{TABLES}/{told(living, NAMED[vendor])['LIMITS_TABLE']}"
    actions = ("ConditionCheckItem", "GetItem", "UpdateItem", "PutItem", "DeleteItem", "Scan", "Query", "DeleteTable")
    allowed = [action for action in actions if may(living, NAMED[vendor], Right(f"dynamodb:{action}", arn))]
    assert allowed == ["GetItem", "UpdateItem"]
    own, _ = rights(living, NAMED[vendor])
    (grant,) = [statement for statement in own if "dynamodb" in json.dumps(statement)]
    # True where the key is absent, so an action without one, such as a scan, must not be granted beside these.
    assert grant["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{vendor}#*"]}}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_that_a_function_is_granted_is_beyond_its_boundary(living: dict[str, Json], function: str) -> None:
    (_, *own), boundary = rights(living, NAMED[function])
    granted = [Right(action, one["Resource"]) for one in own for action in texts(one["Action"])]
    assert [right for right in granted if not allows(boundary, right)] == []


@pytest.mark.parametrize("function", sorted({*FUNCTIONS} - {*VENDORS}))
def test_a_function_that_is_no_vendors_is_granted_nothing_but_its_records(
    living: dict[str, Json], function: str
) -> None:
    own, _ = rights(living, NAMED[function])
    assert own == [BASIC_EXECUTION]
    assert (
        not {"API_KEY_SECRET", "CALLER_PER_HOUR", "VENDOR_PER_DAY", "LIMITS_TABLE"}
        & told(living, NAMED[function]).keys()
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_policy_of_ours_has_a_wildcard_but_for_the_streams_of_a_log_and_the_stacks_own_secrets(
    living: dict[str, Json], function: str
) -> None:
    (_, *own), boundary = rights(living, NAMED[function])
    for statement in [*own, *boundary]:
        assert statement.keys() <= {"Effect", "Action", "Resource", "Condition"}
        assert "*" not in json.dumps(statement["Action"])
    wild = {statement["Resource"] for statement in [*own, *boundary] if "*" in statement["Resource"]}
    assert wild == {f"{LOGS}:mint-logs:*", f"{SECRETS}:mint/*"}
