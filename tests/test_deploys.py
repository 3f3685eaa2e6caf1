"""What is deployed is what runs, fits, and is kept apart: held against what two deploys make of template.yaml."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from local.template import Template
from tests.stack import (
    CHANGED,
    EVERYTHING,
    FUNCTION,
    NAMED,
    ROOT,
    SOURCE,
    SWITCHES,
    Deploys,
    Json,
    Stack,
    of_type,
    references,
    routes,
    variables,
)
from tests.stack import deploys as both
from tests.vendors import FUNCTIONS


@pytest.fixture(scope="module")
def deploys() -> Deploys:
    return both()


@pytest.fixture(scope="module")
def deployed(deploys: Deploys) -> Json:
    """The template after SAM's transform, every condition still open."""
    return deploys.first.document


# What is deployed is what runs


PARTS = ("MemorySize", "Architectures", "ReservedConcurrentExecutions", "Environment")
"""Of a function, what parameters decide."""


def told(given: Mapping[str, str]) -> dict[str, Json]:
    """What the template as written says that the function of each route is, under these parameters."""
    stack = Stack(SOURCE, given)
    shared = stack.template.globals("Function")
    return {
        route: stack.template.resolve(
            {part: shared[part] for part in PARTS}
            | {"Environment": {"Variables": variables(shared) | variables(block["Properties"])}}
        )
        for block in of_type(SOURCE, FUNCTION).values()
        for route in routes(block)
    }


OF_FUNCTIONS = sorted(
    {*references([SOURCE["Globals"], *of_type(SOURCE, FUNCTION).values()]), "FunctionConcurrency"}
    & CHANGED.keys() - {*SWITCHES}
)
"""The parameters that functions are told or made with, but for the switches: both deploys have every vendor."""


@pytest.mark.parametrize("name", OF_FUNCTIONS)
def test_a_changed_parameter_is_in_force_when_the_deploy_ends(deploys: Deploys, name: str) -> None:
    before, after = told(EVERYTHING), told(EVERYTHING | {name: CHANGED[name]})
    concerned = [route for route in before if before[route] != after[route]]
    assert concerned
    called, wanted = deploys.second.called(), told(CHANGED)
    for route in concerned:
        assert {part: called[route].get(part) for part in PARTS} == wanted[route]


def test_changed_code_and_a_changed_layer_run_when_the_deploy_ends(deploys: Deploys) -> None:
    living = deploys.second.living()
    for properties in deploys.second.called().values():
        layers = [living[layer]["Content"] for layer in properties["Layers"]]
        assert [properties["Code"], *layers] == [{"S3Bucket": "uploaded", "S3Key": "second"}] * 2


def test_api_gateway_may_call_each_function_for_its_own_routes(deploys: Deploys) -> None:
    grants = {
        (grant["FunctionName"], grant["SourceArn"].partition("/*/")[2])
        for name, grant in deploys.first.living().items()
        if name.endswith("Permission") and grant["Principal"] == "apigateway.amazonaws.com"
    }
    wanted = {
        (name, re.sub(r"\{\w+\}", "*", "".join(route.split(" ", 1))))
        for name, block in of_type(SOURCE, FUNCTION).items()
        for route in routes(block)
    }
    assert grants == wanted


def test_an_issuer_that_cannot_be_reached_fails_the_deploy_and_leaves_the_routes(deploys: Deploys) -> None:
    """Without it API Gateway leaves out the authorizer and every route that asks for it, and the deploy succeeds."""
    assert deploys.first.living()["Api"]["FailOnWarnings"] is True


def test_a_deploy_without_changes_is_no_failure() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert config["default"]["deploy"]["parameters"]["fail_on_empty_changeset"] is False


# Two stacks


NAMES = {"Name", "LogGroupName", "LayerName", "FunctionName", "TableName", "RoleName", "AlarmName", "ManagedPolicyName"}
ABOUT_ANOTHER = {"AWS::Lambda::Permission", "AWS::Logs::MetricFilter"}
"""Kinds that name what they are for, and have no name."""


def names(stack: Stack) -> set[tuple[str, str]]:
    """The names that a stack gives to what it makes, by kind."""
    kinds = {name: resource["Type"] for name, resource in stack.document["Resources"].items()}
    return {
        (kinds[name], properties[member])
        for name, properties in stack.living().items()
        if kinds[name] not in ABOUT_ANOTHER
        for member in NAMES & properties.keys()
    }


def metrics(stack: Stack) -> set[str]:
    """The namespaces that a stack's functions, filters and alarms write and watch."""
    living = stack.living()
    told = [properties["Environment"]["Variables"]["METRICS_NAMESPACE"] for properties in stack.called().values()]
    named = [properties["Namespace"] for properties in living.values() if "Namespace" in properties]
    asked = [each["Metrics"][0]["Expression"] for each in living.values() if "Metrics" in each]
    watched = {name for name in (*named, *(query.split('"')[1] for query in asked)) if not name.startswith("AWS/")}
    filters = [made for properties in living.values() for made in properties.get("MetricTransformations", [])]
    assert told
    assert watched
    return {*told, *watched, *(made["MetricNamespace"] for made in filters)}


def test_two_stacks_share_no_name_and_no_metric(deployed: Json) -> None:
    ours, theirs = (Stack(deployed, EVERYTHING, name) for name in ("prod", "dev"))
    assert names(ours)
    assert not names(ours) & names(theirs)
    assert (metrics(ours), metrics(theirs)) == ({"AvatarMint/prod"}, {"AvatarMint/dev"})


# What is left behind


def test_every_log_is_kept_for_the_days_asked_for(deploys: Deploys) -> None:
    groups = of_type(deploys.second.document, "AWS::Logs::LogGroup")
    living = deploys.second.living()
    assert {living[group]["RetentionInDays"] for group in groups} == {CHANGED["LogRetentionDays"]}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_vendor_that_is_switched_off_leaves_its_records(deployed: Json, switch: str) -> None:
    vendor = switch.removeprefix("Deploy")
    group = deployed["Resources"][f"{vendor}Function"]["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
    after = Stack(deployed, EVERYTHING | {switch: "false"}).living()
    assert f"{vendor}Function" not in after
    assert group in after


def test_the_functions_records_outlive_the_stack_and_are_not_in_the_way_of_the_next_one(deployed: Json) -> None:
    retained = {
        name
        for name, resource in deployed["Resources"].items()
        if "Retain" in {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")}
    }
    layers = set(of_type(deployed, "AWS::Lambda::LayerVersion"))
    assert retained - layers == {"FunctionLogGroup"}
    group = deployed["Resources"]["FunctionLogGroup"]
    assert (group["DeletionPolicy"], group["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert "LogGroupName" not in group["Properties"]


# What a function is told fits


STACK_NAME = "s" * 128
ARN = f"arn:aws-us-gov:secretsmanager:ap-northeast-1:123456789012:secret:{STACK_NAME}/{max(FUNCTIONS, key=len)}-AbCdEf"
LONGEST = {
    "LimitsTable": {"Ref": f"{STACK_NAME}-LimitsTable-{'X' * 13}"},
    **{name: {"Ref": ARN} for name in of_type(SOURCE, "AWS::SecretsManager::Secret")},
}
"""The longest names that CloudFormation gives."""

DIGITS = 20
"""Of a number, which CloudFormation passes on as it is written."""

WIDE = ("x", '"', "\\", "\x01", "\U0001f600")
"""Characters that take one, two, two, six and four bytes of JSON."""


def longest(name: str) -> str:
    """The value that takes the most bytes of all that the parameter lets through. Fails for one without a bound."""
    rules = SOURCE["Parameters"][name]
    if "AllowedValues" in rules:
        return max(map(str, rules["AllowedValues"]), key=len)
    if rules["Type"] == "Number":
        return "9" * DIGITS
    repeated: list[str] = [value for character in WIDE if (value := filled(rules, character))]
    assert repeated or plain(rules["AllowedPattern"]), f"{name} lets characters of several bytes through"
    return max([*repeated, "x" * int(rules["MaxLength"])], key=lambda value: len(measured(value)))


def filled(rules: Json, character: str) -> str:
    """The character as often as the parameter takes it, if it takes it at all."""
    values = (character * length for length in range(rules["MaxLength"], 1, -1))
    return next((value for value in values if re.fullmatch(rules["AllowedPattern"], value)), "")


def plain(pattern: str) -> bool:
    """Whether a pattern names each character that it lets through, and no quote, backslash or other than ASCII."""
    listed = re.sub(r"\[(?:[^]\\]|\\.)*\]", lambda found: found[0] if found[0].startswith("[^") else "", pattern)
    return pattern.isascii() and not re.search(r"\[\^|\\[DSWs.]|\.", listed) and '"' not in pattern


def measured(value: Any) -> bytes:
    """Lambda measures the variables as JSON: its refusal shows 'String measured: {...}'."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_environment_that_the_parameters_let_through_is_over_lambdas_4_kb(function: str) -> None:
    block = SOURCE["Resources"][f"{NAMED[function]}Function"]
    told = variables(SOURCE["Globals"]["Function"]) | variables(block["Properties"])
    values = {name: longest(name) for name in {*references(told)} & CHANGED.keys() - {*SWITCHES}}
    template = Template(SOURCE, EVERYTHING | values | {"AWS::StackName": STACK_NAME})
    template.attributes = LONGEST
    size = len(measured(template.resolve(told)))
    assert size <= 4096, f"{function} may get {size} bytes: lower the MaxLength of a list in template.yaml"


LONG = {name: rules for name, rules in SOURCE["Parameters"].items() if rules.get("MaxLength", 0) >= 400}


@pytest.mark.parametrize("name", LONG)
def test_a_list_that_is_too_long_is_refused_with_its_bound_which_operating_tells_too(name: str) -> None:
    bound = LONG[name]["MaxLength"]
    assert f"at most {bound} characters" in LONG[name]["ConstraintDescription"]
    assert re.search(rf"^\|.*`{name}`.*\| {bound}\b", (ROOT / "docs/operating.md").read_text(), re.MULTILINE)
