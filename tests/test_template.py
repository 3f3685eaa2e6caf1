"""The house rules of deployment, held against template.yaml as written and as SAM transforms it."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from local.template import read
from local.twins import TWINS
from tests.vendors import FUNCTIONS, VENDORS

if TYPE_CHECKING:
    from tests.conftest import Function

ROOT = Path(__file__).parents[1]
FUNCTION = "AWS::Serverless::Function"

LAMBDAS_OWN = {"AWS_LAMBDA_INITIALIZATION_TYPE"}
"""Variables that settings read and Lambda itself sets."""

LOGGED = {
    *("requestId", "requestTime", "routeKey", "status", "responseLength", "responseLatency", "identity.sourceIp"),
    *("integrationLatency", "integrationStatus", "error.responseType"),
}
"""Members of API Gateway's $context that hold nothing of a header, a claim, a query string or a body."""

type Json = dict[str, Any]


@pytest.fixture(scope="module")
def template() -> Json:
    return read(ROOT / "template.yaml")


@pytest.fixture(scope="module")
def functions(template: Json) -> dict[str, Json]:
    """Each function's block by the folder that it is built from."""
    blocks = of_type(template, FUNCTION).values()
    return {Path(block["Properties"]["CodeUri"]).name: block for block in blocks}


@pytest.fixture(scope="module")
def vendors(functions: dict[str, Json]) -> dict[str, Json]:
    """The same of the vendors alone."""
    return {vendor: functions[vendor] for vendor in VENDORS}


@pytest.fixture(scope="module")
def deployed() -> Json:
    """The template after SAM's transform, every condition still open."""
    python, script = ROOT / ".venv-sam/bin/python", ROOT / "tests/sam_transform.py"
    environment = os.environ | {"AWS_DEFAULT_REGION": "us-east-1"}
    transformed = subprocess.run(  # noqa: S603 - our own script
        [python, script, ROOT / "template.yaml"], env=environment, capture_output=True, text=True, check=False
    )
    assert transformed.returncode == 0, transformed.stderr
    document: Json = json.loads(transformed.stdout)
    return document


@pytest.fixture(scope="module")
def api(deployed: Json) -> Json:
    """The OpenAPI document that API Gateway imports, every vendor deployed and an origin allowed."""
    body: Json = decided(
        deployed["Resources"]["Api"]["Properties"]["Body"], dict.fromkeys(deployed["Conditions"], True)
    )
    return body


def of_type(document: Json, kind: str) -> dict[str, Json]:
    return {name: resource for name, resource in document["Resources"].items() if resource["Type"] == kind}


def statements(role: Json) -> list[Json]:
    """What a role may do beyond its managed policies."""
    policies = role["Properties"].get("Policies", [])
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def own_variables(block: Json) -> set[str]:
    return set(block["Properties"].get("Environment", {}).get("Variables", {}))


def log_group(block: Json) -> str:
    name: str = block["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
    return name


def routes(block: Json) -> list[str]:
    listed = block["Properties"]["Events"].values()
    events = [event["Properties"] for event in listed if event["Type"] == "HttpApi"]
    return [f"{event['Method']} {event['Path']}" for event in events]


def decided(node: Any, conditions: dict[str, bool]) -> Any:
    """`node` with each Fn::If replaced by its chosen branch and AWS::NoValue left out."""
    while isinstance(node, dict) and "Fn::If" in node:
        condition, chosen, other = node["Fn::If"]
        node = chosen if conditions[condition] else other
    if isinstance(node, dict):
        members = ((name, decided(member, conditions)) for name, member in node.items())
        return {name: member for name, member in members if member != {"Ref": "AWS::NoValue"}}
    return [decided(item, conditions) for item in node] if isinstance(node, list) else node


def living(section: Json, conditions: dict[str, bool]) -> Json:
    """What of Resources or Outputs is created."""
    return {name: part for name, part in section.items() if "Condition" not in part or conditions[part["Condition"]]}


def references(node: Any) -> Iterator[str]:
    """Every name that Ref, Fn::GetAtt, Fn::Sub and DependsOn ask for."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for name, argument in node.items():
            yield from _references(name, argument)


def _references(name: str, argument: Any) -> Iterator[str]:
    match name:
        case "Ref" | "DependsOn":
            yield from [argument] if isinstance(argument, str) else argument
        case "Fn::GetAtt":
            yield argument[0]
        case "Fn::Sub":
            text, given = argument if isinstance(argument, list) else (argument, {})
            yield from {
                variable.partition(".")[0] for variable in re.findall(r"\$\{(\w[\w:.]*)\}", text)
            } - given.keys()
            yield from references(given)
        case _:
            yield from references(argument)


# Every vendor has all of its parts


def test_every_function_folder_has_its_block(functions: dict[str, Json]) -> None:
    assert functions.keys() == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_its_test(function: str) -> None:
    assert (ROOT / f"tests/functions/test_{function}.py").is_file()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_route_has_its_event_and_no_event_is_left_over(functions: dict[str, Json], function: str) -> None:
    events = [json.loads(path.read_text()) for path in (ROOT / "events").glob(f"{function}-*.json")]
    assert sorted(event["routeKey"] for event in events) == sorted(routes(functions[function]))


@pytest.mark.parametrize("path", sorted((ROOT / "events").glob("*.json")), ids=lambda path: path.stem)
def test_an_event_is_what_api_gateway_sends_and_holds_no_token(path: Path) -> None:
    event = json.loads(path.read_text())
    context = event["requestContext"]
    claims = context["authorizer"]["jwt"]["claims"]
    assert (event["version"], context["stage"]) == ("2.0", "$default")
    assert event["routeKey"] == context["routeKey"]
    asked = event["routeKey"].format(**event.get("pathParameters", {}))
    assert asked == f"{context['http']['method']} {event['rawPath']}"
    assert context["http"]["path"] == event["rawPath"]
    assert {"iss", "sub", "aud", "exp"} <= claims.keys()
    assert all(isinstance(claim, str) for claim in claims.values())
    assert not {"authorization", "cookie"} & event["headers"].keys()


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_tells_how_to_set_its_key(template: Json, functions: dict[str, Json], vendor: str) -> None:
    name = functions[vendor]["Condition"].removeprefix("Deploy")
    output = template["Outputs"][f"{name}SetKey"]
    assert output["Condition"] == f"Deploy{name}"
    command = output["Value"]["Fn::Sub"]
    assert (
        f"aws secretsmanager put-secret-value --region ${{AWS::Region}} --secret-id ${{AWS::StackName}}/{vendor} "
        in command
    )
    assert template["Resources"][f"{name}Secret"]["Properties"]["Name"] == {"Fn::Sub": f"${{AWS::StackName}}/{vendor}"}
    assert command.endswith("--secret-string file:///dev/stdin")  # never on the command line, which shells remember


def test_function_makefiles_are_identical() -> None:
    assert len({(ROOT / f"functions/{function}/Makefile").read_text() for function in FUNCTIONS}) == 1


# Who may call


def test_every_route_asks_for_a_token(api: Json, functions: dict[str, Json]) -> None:
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    }
    assert sorted(operations) == sorted(route for block in functions.values() for route in routes(block))
    assert all(operation["security"] == [{"Caller": []}] for operation in operations.values())


def test_tokens_are_verified_against_the_operators_issuer_and_audience(api: Json) -> None:
    assert api["components"]["securitySchemes"] == {
        "Caller": {
            "type": "oauth2",
            "x-amazon-apigateway-authorizer": {
                "type": "jwt",
                "identitySource": "$request.header.Authorization",
                "jwtConfiguration": {
                    "issuer": {"Ref": "JwtIssuer"},
                    "audience": {"Fn::Split": [",", {"Ref": "JwtAudience"}]},
                },
            },
        }
    }


def test_there_is_no_open_mode(template: Json) -> None:
    for parameter in ("JwtIssuer", "JwtAudience"):
        assert "Default" not in template["Parameters"][parameter]
        assert not re.fullmatch(template["Parameters"][parameter]["AllowedPattern"], "")


def test_preflights_meet_no_authorizer_and_only_listed_origins_pass(api: Json) -> None:
    assert not {"$default", "/$default"} & api["paths"].keys()
    assert not any({"options", "x-amazon-apigateway-any-method"} & methods.keys() for methods in api["paths"].values())
    cors = api["x-amazon-apigateway-cors"]
    assert cors["allowOrigins"]["Fn::Split"][0] == ","
    assert cors["allowHeaders"] == ["Authorization", "Content-Type", "Idempotency-Key"]
    assert cors["allowMethods"] == ["GET", "POST", "DELETE"]
    assert cors["maxAge"] > 0


def test_no_origin_is_allowed_by_default(template: Json, deployed: Json) -> None:
    assert template["Parameters"]["AllowedOrigins"]["Default"] == ""
    body = deployed["Resources"]["Api"]["Properties"]["Body"]
    closed = dict.fromkeys(deployed["Conditions"], True) | {"HasOrigins": False}
    assert "x-amazon-apigateway-cors" not in decided(body, closed)


@pytest.mark.parametrize(
    ("parameter", "value", "fits"),
    [
        ("JwtIssuer", "https://example.eu.auth0.com/", True),
        ("JwtIssuer", "https://securetoken.google.com/my-project", True),
        ("JwtIssuer", "http://issuer.example.com", False),
        ("JwtIssuer", "https://a.example,https://b.example", False),
        ("JwtAudience", "my-app", True),
        ("JwtAudience", "ios-client,android-client", True),
        ("JwtAudience", "ios-client, android-client", False),
        ("AllowedOrigins", "https://app.example.com,http://localhost:5173", True),
        ("AllowedOrigins", "capacitor://localhost", True),
        ("AllowedOrigins", "*", False),
        ("AllowedOrigins", "https://*.example.com", False),
        ("AllowedOrigins", "https://app.example.com/", False),
        ("ConvaiApiUrl", "", True),
        ("ConvaiApiUrl", "api.convai.com", False),
        ("LiveKitUrl", "wss://my-project.livekit.cloud", True),
        ("LiveKitUrl", "https://my-project.livekit.cloud", False),
        ("LiveKitUrl", "ws://my-project.livekit.cloud", False),
        ("LiveKitPublish", "", True),
        ("LiveKitPublish", "camera,screen_share_audio,data", True),
        ("LiveKitPublish", "video", False),
        ("LiveKitClientFields", "spatius_app_id=app,spatius_avatar_id=a-1", True),
        ("LiveKitClientFields", "spatius_app_id", False),
        ("AgoraClientFields", "spatius_app_id=app,agentUid=1001", True),
        ("AgoraClientFields", "agentUid=1,001", False),
        ("AgoraBackendUids", "", True),
        ("AgoraBackendUids", "1001,999999999", True),
        *[("AgoraBackendUids", uids, False) for uids in ("0", "1001,", "1001, 1002", "1073741824", "-1", "*")],
        ("AgoraRoles", "subscriber", True),
        ("AgoraRoles", "admin", False),
        ("AlarmTopicArn", "", True),
        ("AlarmTopicArn", "arn:aws:sns:eu-west-1:123456789012:on-call", True),
        ("AlarmTopicArn", "on-call", False),
    ],
)
def test_parameters_take_what_works_and_nothing_else(template: Json, parameter: str, value: str, fits: bool) -> None:
    assert bool(re.fullmatch(template["Parameters"][parameter]["AllowedPattern"], value)) is fits


def test_every_route_is_throttled(deployed: Json) -> None:
    (stage,) = of_type(deployed, "AWS::ApiGatewayV2::Stage").values()
    assert stage["Properties"]["StageName"] == "$default"
    settings = stage["Properties"]["DefaultRouteSettings"]
    assert settings == {
        "ThrottlingRateLimit": {"Ref": "ThrottleRate"},
        "ThrottlingBurstLimit": {"Ref": "ThrottleBurst"},
    }


# What may be read, and what is written down


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_function_can_read_its_own_secret_and_no_other(
    functions: dict[str, Json], deployed: Json, vendor: str
) -> None:
    name = functions[vendor]["Condition"].removeprefix("Deploy")
    role = deployed["Resources"][f"{name}FunctionRole"]
    reads = [statement for statement in statements(role) if "secretsmanager" in json.dumps(statement)]
    assert [statement["Action"] for statement in reads] == [["secretsmanager:GetSecretValue"]]
    assert set(references(reads)) == {f"{name}Secret"}
    assert functions[vendor]["Properties"]["Environment"]["Variables"]["API_KEY_SECRET"] == {"Ref": f"{name}Secret"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_function_reaches_its_own_items_in_the_table_and_no_others(
    functions: dict[str, Json], deployed: Json, vendor: str
) -> None:
    name = functions[vendor]["Condition"].removeprefix("Deploy")
    role = deployed["Resources"][f"{name}FunctionRole"]
    (grant,) = [statement for statement in statements(role) if "dynamodb" in json.dumps(statement)]
    assert set(grant["Action"]) == {f"dynamodb:{action}Item" for action in ("ConditionCheck", "Get", "Update")}
    assert set(references([grant])) == {"LimitsTable"}
    # True where the key is absent, so an action without one, such as a scan, must not be granted beside these.
    assert grant["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{vendor}#*"]}}


def test_a_function_that_is_no_vendors_reads_no_secret_and_no_table(functions: dict[str, Json]) -> None:
    others = [block for name, block in functions.items() if name not in VENDORS]
    assert not any("Policies" in block["Properties"] for block in others)
    assert not any({"API_KEY_SECRET", "CALLER_PER_HOUR", "VENDOR_PER_DAY"} & own_variables(block) for block in others)


def test_no_policy_of_ours_has_a_wildcard(deployed: Json) -> None:
    for role in of_type(deployed, "AWS::IAM::Role").values():
        for statement in statements(role):
            assert statement.keys() <= {"Effect", "Action", "Resource", "Condition"}
            assert "*" not in json.dumps([statement["Action"], statement["Resource"]])
        assert [Path(arn).name for arn in role["Properties"]["ManagedPolicyArns"]] == ["AWSLambdaBasicExecutionRole"]


def test_secrets_are_created_empty_and_nothing_resolves_them(template: Json) -> None:
    for secret in of_type(template, "AWS::SecretsManager::Secret").values():
        assert not {"SecretString", "GenerateSecretString"} & secret["Properties"].keys()
    assert "{{resolve:" not in json.dumps(template)
    assert not [name for name in template["Parameters"] if re.search("key|secret|token|password", name, re.IGNORECASE)]


def is_reference(value: Json) -> bool:
    """To a parameter or a resource; a list's texts are joined."""
    match value:
        case {"Ref": str()} | {"Fn::Join": [",", {"Ref": str()}]}:
            return True
    return False


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_environment_holds_what_the_settings_read_and_no_value_of_its_own(
    template: Json, functions: dict[str, Json], function: Callable[..., "Function"], vendor: str
) -> None:
    own = functions[vendor]["Properties"]["Environment"]["Variables"]
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    settings = function(vendor).module.vendor.settings
    read = {field.name.upper() for field in msgspec.structs.fields(settings)}
    assert own.keys() | shared.keys() == read - LAMBDAS_OWN
    assert all(is_reference(value) for value in own.values())


def test_every_log_is_kept_for_the_days_asked_for(template: Json, functions: dict[str, Json]) -> None:
    groups = of_type(template, "AWS::Logs::LogGroup")
    assert all(group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())
    written = [log_group(block) for block in functions.values()]
    assert sorted([*written, "ApiLogGroup"]) == sorted(groups)


def test_every_saved_query_searches_every_vendors_log(deployed: Json, vendors: dict[str, Json]) -> None:
    queries = of_type(deployed, "AWS::Logs::QueryDefinition").values()
    assert queries
    for query in queries:
        branches = [name["Fn::If"] for name in query["Properties"]["LogGroupNames"]]
        assert {(condition, log["Ref"]) for condition, log, _ in branches} == {
            (block["Condition"], log_group(block)) for block in vendors.values()
        }


def test_access_logs_hold_no_header_claim_or_query(template: Json) -> None:
    line = template["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"]
    assert all(value.startswith("$context.") for value in json.loads(line).values())
    assert set(re.findall(r"\$context\.([\w.]+)", line)) <= LOGGED


# What wakes somebody


@pytest.mark.parametrize("vendor", sorted(TWINS))
def test_a_refused_key_sets_off_an_alarm(functions: dict[str, Json], deployed: Json, vendor: str) -> None:
    name = functions[vendor]["Condition"].removeprefix("Deploy")
    alarm = deployed["Resources"][f"{name}KeyRejectedAlarm"]
    assert alarm["Condition"] == f"Deploy{name}"
    watched = alarm["Properties"]
    assert (watched["Namespace"], watched["MetricName"]) == ("AvatarMint", "vendor_key_rejected")
    assert watched["Dimensions"] == [{"Name": "service", "Value": vendor}]
    assert (watched["Statistic"], watched["Period"], watched["Threshold"]) == ("Sum", 300, 1)
    assert watched["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_a_temporary_key_sets_off_an_alarm_a_day_before_it_ends(deployed: Json) -> None:
    watched = deployed["Resources"]["SpatialGenKeyExpiresAlarm"]["Properties"]
    assert (watched["Namespace"], watched["MetricName"]) == ("AvatarMint", "key_expires_in")
    assert watched["Dimensions"] == [{"Name": "service", "Value": "spatialgen"}]
    assert (watched["Statistic"], watched["Threshold"]) == ("Minimum", 24 * 3600)
    assert watched["ComparisonOperator"] == "LessThanThreshold"


def test_a_temporary_key_is_looked_at_often_enough_for_its_alarm_where_nobody_calls(deployed: Json) -> None:
    """Between two looks the alarm keeps its state, so that it neither ends nor begins for want of a number."""
    watched = deployed["Resources"]["SpatialGenKeyExpiresAlarm"]["Properties"]
    assert watched["TreatMissingData"] == "ignore"
    assert (watched["EvaluationPeriods"], watched["Period"]) == (1, 3600)
    (rule,) = of_type(deployed, "AWS::Events::Rule").values()
    assert rule["Condition"] == "DeploySpatialGen"
    assert rule["Properties"]["ScheduleExpression"] == "rate(12 hours)"  # at least once on the key's last day
    (target,) = rule["Properties"]["Targets"]
    assert "Input" not in target
    assert "SpatialGenFunction" in json.dumps(target["Arn"])


def test_alarms_tell_the_operators_topic_where_there_is_one(deployed: Json) -> None:
    told = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    alarms = of_type(deployed, "AWS::CloudWatch::Alarm").values()
    assert alarms
    assert all(alarm["Properties"][actions] == told for alarm in alarms for actions in ("AlarmActions", "OKActions"))


# What the catalogue is told


def test_the_catalogue_is_told_which_vendors_are_deployed(functions: dict[str, Json], vendors: dict[str, Json]) -> None:
    separator, listed = functions["catalogue"]["Properties"]["Environment"]["Variables"]["VENDORS"]["Fn::Join"]
    assert separator == ","
    assert {tuple(name["Fn::If"][:2]) for name in listed} == {
        (block["Condition"], vendor) for vendor, block in vendors.items()
    }
    assert all(name["Fn::If"][2] == {"Ref": "AWS::NoValue"} for name in listed)


def test_the_catalogue_has_every_setting_that_is_declared_as_the_vendors_own_function_has_it(
    functions: dict[str, Json], vendors: dict[str, Json]
) -> None:
    told = functions["catalogue"]["Properties"]["Environment"]["Variables"]
    declared = json.loads((ROOT / "functions/catalogue/declared.json").read_text())
    assert declared.keys() == vendors.keys()
    wanted = {
        name: vendors[vendor]["Properties"]["Environment"]["Variables"][name]
        for vendor, facts in declared.items()
        for name in {*facts["choices"].values(), *facts["public"].values(), facts["ttl_setting"]} - {None}
    }
    assert told == wanted | {"VENDORS": told["VENDORS"]}


# What all functions share


def test_functions_differ_in_nothing_but_code_secret_log_settings_limits_and_routes(
    functions: dict[str, Json], vendors: dict[str, Json]
) -> None:
    every = {"Description", "CodeUri", "AutoPublishAliasAllProperties", "LoggingConfig", "Events"}
    for block in functions.values():
        assert block["Metadata"] == {"BuildMethod": "makefile"}
        assert block["Properties"].keys() - {"ReservedConcurrentExecutions", "Environment", "Policies"} == every
    for block in vendors.values():
        assert block["Properties"].keys() > {"ReservedConcurrentExecutions", "Environment", "Policies"}


def test_what_functions_share(template: Json) -> None:
    shared = template["Globals"]["Function"]
    assert shared["Runtime"] == "python3.13"
    assert shared["Handler"] == "app.handler"
    assert shared["Layers"] == [{"Ref": "MintingLayer"}]
    assert shared["Architectures"] == [{"Ref": "Architecture"}]
    assert template["Parameters"]["Architecture"]["Default"] == "arm64"
    assert "Tracing" not in shared  # a tracer records what handlers answer


def test_a_new_layer_or_setting_is_published_too(deployed: Json, functions: dict[str, Json]) -> None:
    assert all(block["Properties"]["AutoPublishAliasAllProperties"] is True for block in functions.values())
    aliases = of_type(deployed, "AWS::Lambda::Alias").values()
    assert [alias["Properties"]["Name"] for alias in aliases] == ["live"] * len(FUNCTIONS)


def test_our_deadline_comes_before_lambdas_and_lambdas_before_api_gateways(template: Json) -> None:
    shared = template["Globals"]["Function"]
    assert float(shared["Environment"]["Variables"]["DEADLINE_SECONDS"]) < shared["Timeout"] < 30


# Deploying


def test_vendors_are_deployed_when_asked_for_and_one_at_least(template: Json, vendors: dict[str, Json]) -> None:
    switches = {block["Condition"] for block in vendors.values()}
    assert {name for name in template["Parameters"] if name.startswith("Deploy")} == switches
    assert all(template["Parameters"][name]["Default"] == "false" for name in switches)
    (assertion,) = template["Rules"]["Vendors"]["Assertions"]
    assert set(references(assertion["Assert"])) == switches


def test_a_home_region_that_is_not_listed_cannot_be_deployed(template: Json) -> None:
    """Else callers could have the API key sent out of a region that it was to stay in."""
    rule = template["Rules"]["SpatiusRegions"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "DeploySpatius"}, "true"]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [{"Ref": "SpatiusRegions"}, {"Ref": "SpatiusRegion"}]}
    regions = template["Parameters"]["SpatiusRegions"]
    assert regions["Type"] == "CommaDelimitedList"  # a text that contains the name would do otherwise
    assert regions["AllowedValues"] == template["Parameters"]["SpatiusRegion"]["AllowedValues"]


def test_every_parameter_is_described_and_grouped(template: Json) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert set(grouped) == template["Parameters"].keys()
    assert len(grouped) == len(set(grouped))
    for parameter in template["Parameters"].values():
        assert parameter["Description"]
        assert ("AllowedPattern" in parameter) == ("ConstraintDescription" in parameter)


@pytest.mark.parametrize("wanted", list(product([True, False], repeat=len(VENDORS)))[:-1], ids=str)
def test_any_subset_of_vendors_is_a_whole_stack(deployed: Json, wanted: tuple[bool, ...]) -> None:
    switches = sorted(name for name in deployed["Conditions"] if name.startswith("Deploy"))
    conditions = dict.fromkeys(deployed["Conditions"], False) | dict(zip(switches, wanted, strict=True))
    resources, outputs = (living(deployed[section], conditions) for section in ("Resources", "Outputs"))
    known = resources.keys() | deployed["Parameters"].keys()
    asked = {name for name in references(decided([resources, outputs], conditions)) if not name.startswith("AWS::")}
    assert asked <= known
