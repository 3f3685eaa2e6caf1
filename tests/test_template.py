"""The house rules of deployment, held against template.yaml as written and against what a deploy makes of it."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from minting.budgets import Rates
from tests.stack import (
    EVERYTHING,
    FUNCTION,
    NAMED,
    ROOT,
    SOURCE,
    SWITCHES,
    Json,
    Stack,
    deploys,
    of_type,
    references,
    routes,
    takes,
    variables,
)
from tests.vendors import FUNCTIONS, VENDORS

if TYPE_CHECKING:
    from tests.conftest import Function

LAMBDAS_OWN = {"AWS_LAMBDA_INITIALIZATION_TYPE"}
"""Variables that settings read and Lambda itself sets."""

LOGGED = {
    *("requestId", "requestTime", "routeKey", "status", "responseLength", "responseLatency", "identity.sourceIp"),
    *("integrationLatency", "integrationStatus", "integrationErrorMessage", "error.responseType", "authorizer.error"),
}
"""Members of API Gateway's $context that hold nothing of a header, a claim, a query string or a body."""


@pytest.fixture(scope="module")
def template() -> Json:
    return SOURCE


@pytest.fixture(scope="module")
def functions(template: Json) -> dict[str, Json]:
    """Each function's block by the folder that it is built from."""
    blocks = of_type(template, FUNCTION).values()
    return {block["Properties"]["Handler"].partition(".")[0]: block for block in blocks}


@pytest.fixture(scope="module")
def vendors(functions: dict[str, Json]) -> dict[str, Json]:
    """The same of the vendors alone."""
    return {vendor: functions[vendor] for vendor in VENDORS}


@pytest.fixture(scope="module")
def deployed() -> Json:
    """The template after SAM's transform, every condition still open."""
    return deploys().first.document


@pytest.fixture(scope="module")
def living() -> dict[str, Json]:
    """The properties of everything that a deploy makes."""
    return deploys().first.living()


@pytest.fixture(scope="module")
def api(living: dict[str, Json]) -> Json:
    """The OpenAPI document that API Gateway imports."""
    body: Json = living["Api"]["Body"]
    return body


def decided(node: Any, conditions: dict[str, bool]) -> Any:
    """`node` with each Fn::If replaced by its chosen branch and AWS::NoValue left out."""
    while isinstance(node, dict) and "Fn::If" in node:
        condition, chosen, other = node["Fn::If"]
        node = chosen if conditions[condition] else other
    if isinstance(node, dict):
        members = ((name, decided(member, conditions)) for name, member in node.items())
        return {name: member for name, member in members if member != {"Ref": "AWS::NoValue"}}
    return [decided(item, conditions) for item in node] if isinstance(node, list) else node


def kept(section: Json, conditions: dict[str, bool]) -> Json:
    """What of Resources or Outputs is created."""
    return {name: part for name, part in section.items() if "Condition" not in part or conditions[part["Condition"]]}


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


def test_one_output_tells_how_to_set_a_vendors_key(deployed: Json) -> None:
    command = deploys().first.template.resolve(deployed["Outputs"]["SetKey"]["Value"])
    assert command == "make set-key VENDOR=VENDOR STAGE=STAGE"


def test_each_secret_has_the_name_that_the_commands_give_it(living: dict[str, Json]) -> None:
    names = {secret["Name"] for name, secret in living.items() if name.endswith("Secret")}
    assert names == {f"mint/{vendor}" for vendor in VENDORS}


def test_no_output_is_called_as_a_parameter_is(template: Json) -> None:
    """The SAM CLI crashes on one."""
    assert not template["Outputs"].keys() & template["Parameters"].keys()


# Who may call


def test_every_route_asks_for_a_token(api: Json, functions: dict[str, Json]) -> None:
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    }
    assert sorted(operations) == sorted(route for block in functions.values() for route in routes(block))
    assert all(operation["security"] == [{"Caller": []}] for operation in operations.values())


def test_every_route_asks_for_the_scope_that_the_operator_requires(deployed: Json) -> None:
    body = Stack(deployed, EVERYTHING | {"RequiredScope": "avatars"}).living()["Api"]["Body"]
    asked = [operation["security"] for methods in body["paths"].values() for operation in methods.values()]
    assert asked == [[{"Caller": ["avatars"]}]] * len(asked)


def test_tokens_are_verified_against_the_operators_issuer_and_audience(api: Json) -> None:
    assert api["components"]["securitySchemes"] == {
        "Caller": {
            "type": "oauth2",
            "x-amazon-apigateway-authorizer": {
                "type": "jwt",
                "identitySource": "$request.header.Authorization",
                "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["an-app"]},
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
    assert cors["allowOrigins"] == ["https://app.example"]
    assert cors["allowHeaders"] == ["Authorization", "Content-Type", "Idempotency-Key"]
    assert cors["allowMethods"] == ["GET", "POST", "DELETE"]
    assert cors["maxAge"] > 0


def test_no_origin_is_allowed_by_default(template: Json, deployed: Json) -> None:
    assert template["Parameters"]["AllowedOrigins"]["Default"] == ""
    closed = Stack(deployed, EVERYTHING | {"AllowedOrigins": ""}).living()
    assert "x-amazon-apigateway-cors" not in closed["Api"]["Body"]


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
        ("SpatiusFurtherRegions", "", True),
        ("SpatiusFurtherRegions", "us-west,ap-northeast,cn-beijing", True),
        ("SpatiusFurtherRegions", "us-west, ap-northeast", False),
        ("SpatiusFurtherRegions", "us-east", False),
        ("SpatiusFurtherRegions", "*", False),
        ("SpatiusAvatarIds", "5c1f0f3e-7f3b-4f0e-9d53-8f2a,another", True),
        ("SpatiusAvatarIds", "a, b", True),
        ("SpatiusAvatarIds", 'a"b', False),
        ("SpatialGenFolders", "My Folder,Größe", True),
        ("SpatialGenFolders", "My Folder," * 100, True),
        ("SpatialGenFolders", "Größe," * 50, False),
        ("SpatialGenFolders", "My\\Folder", False),
        ("ConvaiApiUrl", "", True),
        ("ConvaiApiUrl", "api.convai.com", False),
        ("LiveKitUrl", "wss://my-project.livekit.cloud", True),
        ("LiveKitUrl", "wss://my-project.livekit.cloud/?a=b", False),
        ("LiveKitUrl", "https://my-project.livekit.cloud", False),
        ("LiveKitUrl", "ws://my-project.livekit.cloud", False),
        ("LiveKitRooms", "{caller},lobby", True),
        ("LiveKitPublish", "", True),
        ("LiveKitPublish", "camera,screen_share_audio,data", True),
        ("LiveKitPublish", "video", False),
        ("LiveKitClientFields", "spatius_app_id=app,spatius_avatar_id=a-1", True),
        ("LiveKitClientFields", "url=https://a.example/?b;c", True),
        ("LiveKitClientFields", "spatius_app_id", False),
        ("LiveKitClientFields", "a=b=c", False),
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
    assert takes(template["Parameters"][parameter], value) is fits


def test_every_route_is_throttled(deployed: Json) -> None:
    (stage,) = of_type(deployed, "AWS::ApiGatewayV2::Stage").values()
    assert stage["Properties"]["StageName"] == "$default"
    settings = stage["Properties"]["DefaultRouteSettings"]
    assert settings == {
        "ThrottlingRateLimit": {"Ref": "ThrottleRate"},
        "ThrottlingBurstLimit": {"Ref": "ThrottleBurst"},
    }


# What is written down


def test_secrets_are_created_empty_and_nothing_resolves_them(template: Json) -> None:
    for secret in of_type(template, "AWS::SecretsManager::Secret").values():
        assert not {"SecretString", "GenerateSecretString"} & secret["Properties"].keys()
    assert "{{resolve:" not in json.dumps(template)
    assert not [name for name in template["Parameters"] if re.search("key|secret|token|password", name, re.IGNORECASE)]


def is_reference(value: Json) -> bool:
    """To parameters or a resource; several with commas between."""
    match value:
        case {"Ref": str()}:
            return True
        case {"Fn::Sub": str(text)}:
            return re.fullmatch(r"\$\{\w+\}(,\$\{\w+\})*", text) is not None
    return False


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_environment_holds_what_the_settings_read_and_no_value_of_its_own(
    template: Json, functions: dict[str, Json], function: Callable[..., "Function"], vendor: str
) -> None:
    own, shared = variables(functions[vendor]["Properties"]), variables(template["Globals"]["Function"])
    settings = function(vendor).module.vendor.settings
    read = {field.name.upper() for field in msgspec.structs.fields(settings)}
    assert own.keys() | shared.keys() == read - LAMBDAS_OWN
    assert all(is_reference(value) for value in own.values())


def test_every_saved_query_searches_the_functions_log(living: dict[str, Json], deployed: Json) -> None:
    queries = of_type(deployed, "AWS::Logs::QueryDefinition")
    assert queries
    assert all(living[query]["LogGroupNames"] == ["mint-logs"] for query in queries)


def test_access_logs_hold_no_header_claim_or_query(template: Json) -> None:
    line = template["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"]
    assert all(value.startswith("$context.") for value in json.loads(line).values())
    assert set(re.findall(r"\$context\.([\w.]+)", line)) <= LOGGED


# What wakes somebody


WATCHED = re.compile(r'SELECT \w+\((\w+)\) FROM SCHEMA\("([^"]+)", service\) GROUP BY service ORDER BY \w+\(\) DESC')


def queries(living: dict[str, Json]) -> dict[str, tuple[str, str]]:
    """Alarm -> the metric and the namespace of its query. tests/deploy/test_alarms.py rings each of them."""
    asked = {name: each["Metrics"][0]["Expression"] for name, each in living.items() if "Metrics" in each}
    found = {name: WATCHED.fullmatch(query) for name, query in asked.items()}
    assert all(found.values()), asked
    return {name: (match[1], match[2]) for name, match in found.items() if match}


def test_the_alarms_on_all_vendors_watch_the_stacks_own_metrics(living: dict[str, Json]) -> None:
    told = living["ConvaiFunction"]["Environment"]["Variables"]["METRICS_NAMESPACE"]
    assert {namespace for _, namespace in queries(living).values()} == {told}
    assert {metric for metric, _ in queries(living).values()} == {
        *("vendor_key_rejected", "operator_fault", "limits_unavailable", "vendor_fault", "budget_used", "caller_used")
    }


def test_every_alarm_names_its_paragraph_of_the_runbook(deployed: Json) -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for alarm in of_type(deployed, "AWS::CloudWatch::Alarm").values():
        named = re.search(r"\(docs/runbook\.md#(.+)\)$", alarm["Properties"]["AlarmDescription"])
        assert named, alarm
        assert named[1] in anchors


def test_slow_requests_set_off_an_alarm_before_callers_meet_the_deadline(living: dict[str, Json]) -> None:
    watched = living["SlowAlarm"]
    deadline = float(living["ConvaiFunction"]["Environment"]["Variables"]["DEADLINE_SECONDS"])
    assert (watched["ExtendedStatistic"], watched["Dimensions"][0]["Name"]) == ("p99", "ApiId")
    assert watched["Threshold"] / 1000 <= deadline / 2


def test_a_temporary_key_sets_off_an_alarm_a_day_before_it_ends(living: dict[str, Json]) -> None:
    watched = living["SpatialGenKeyExpiresAlarm"]
    told = living["SpatialGenFunction"]["Environment"]["Variables"]["METRICS_NAMESPACE"]
    assert (watched["Namespace"], watched["MetricName"]) == (told, "key_expires_in")
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


def test_alarms_tell_the_operators_topic_or_else_the_stacks_own(deployed: Json) -> None:
    for topic, told in ((EVERYTHING["AlarmTopicArn"], EVERYTHING["AlarmTopicArn"]), ("", "AlarmTopic")):
        stack = Stack(deployed, EVERYTHING | {"AlarmTopicArn": topic})
        living = stack.living()
        alarms = [living[name] for name in of_type(deployed, "AWS::CloudWatch::Alarm")]
        assert {tuple(alarm[actions]) for alarm in alarms for actions in ("AlarmActions", "OKActions")} == {(told,)}


def test_an_address_gets_the_alarms_of_either_topic(deployed: Json) -> None:
    for topic in (EVERYTHING["AlarmTopicArn"], ""):
        given = EVERYTHING | {"AlarmTopicArn": topic, "AlarmEmail": "on-call@example.com"}
        subscribed = Stack(deployed, given).living()["AlarmSubscription"]
        assert (subscribed["Protocol"], subscribed["Endpoint"]) == ("email", "on-call@example.com")
        assert subscribed["TopicArn"] == (topic or "AlarmTopic")
    assert "AlarmSubscription" not in Stack(deployed, EVERYTHING | {"AlarmEmail": ""}).living()


# What the catalogue is told


def test_the_catalogue_is_told_which_vendors_are_deployed(deployed: Json) -> None:
    for vendors in (VENDORS, VENDORS[:1], VENDORS[1:]):
        given = EVERYTHING | {f"Deploy{NAMED[vendor]}": str(vendor in vendors).lower() for vendor in VENDORS}
        told = variables(Stack(deployed, given).living()["CatalogueFunction"])
        assert {vendor for vendor in VENDORS if told[f"DEPLOY_{vendor.upper()}"] == "true"} == set(vendors)


def test_the_catalogue_has_every_setting_that_is_declared_as_the_vendors_own_function_has_it(
    functions: dict[str, Json], vendors: dict[str, Json]
) -> None:
    told = variables(functions["catalogue"]["Properties"])
    declared = json.loads((ROOT / "functions/catalogue/declared.json").read_text())
    assert declared.keys() == vendors.keys()
    wanted = {
        name: vendors[vendor]["Properties"]["Environment"]["Variables"][name]
        for vendor, facts in declared.items()
        for name in {*facts["choices"].values(), *facts["public"].values(), facts["ttl_setting"]} - {None}
    }
    switches = {f"DEPLOY_{vendor.upper()}": {"Ref": f"Deploy{NAMED[vendor]}"} for vendor in vendors}
    assert told == wanted | switches | {"LIMITS_TABLE": {"Ref": "AWS::NoValue"}}


# What all functions share


def test_functions_differ_in_nothing_but_code_secret_settings_limits_and_routes(
    functions: dict[str, Json], vendors: dict[str, Json]
) -> None:
    every = {"Description", "Handler", "Events"}
    for block in functions.values():
        assert block["Metadata"] == {"BuildMethod": "makefile"}
        assert block["Properties"].keys() - {"Environment", "Policies"} == every
    for block in vendors.values():
        assert block["Properties"].keys() > {"Environment", "Policies"}


def test_no_default_lets_one_caller_take_more_than_a_quarter_of_a_day(deployed: Json) -> None:
    """A caller who signs in once cannot shut the others out."""
    shares = {}
    for properties in Stack(deployed, EVERYTHING).called().values():
        settings = properties["Environment"]["Variables"]
        for setting in [name for name in settings if name.endswith("_PER_DAY") and "CALLER" not in name]:
            day, own = int(settings[setting]), int(settings["CALLER_PER_DAY"]) if setting == "VENDOR_PER_DAY" else 0
            shares[properties["Handler"], setting] = Rates(1, own, day).caller_share / day
    assert len(shares) > len(VENDORS)
    assert max(shares.values()) <= 0.25


def test_what_functions_share(template: Json) -> None:
    shared = template["Globals"]["Function"]
    assert shared["Runtime"] == "python3.13"
    assert shared["CodeUri"] == "functions/"
    assert shared["Layers"] == [{"Ref": "MintingLayer"}]
    assert shared["Architectures"] == [{"Ref": "Architecture"}]
    assert template["Parameters"]["Architecture"]["Default"] == "arm64"
    assert "Tracing" not in shared  # a tracer records what handlers answer


def test_concurrency_is_reserved_for_each_function_where_it_is_asked_for(deployed: Json) -> None:
    for asked, reserved in (("-1", None), ("7", "7")):
        called = Stack(deployed, EVERYTHING | {"FunctionConcurrency": asked}).called().values()
        assert {properties.get("ReservedConcurrentExecutions") for properties in called} == {reserved}


def test_our_deadline_comes_before_lambdas_and_lambdas_before_api_gateways(template: Json) -> None:
    shared = template["Globals"]["Function"]
    assert float(shared["Environment"]["Variables"]["DEADLINE_SECONDS"]) < shared["Timeout"] < 30


# Deploying


def test_vendors_are_deployed_when_asked_for_and_one_at_least(template: Json, vendors: dict[str, Json]) -> None:
    switches = {block["Condition"] for block in vendors.values()}
    assert set(SWITCHES) == switches
    assert all(template["Parameters"][name]["Default"] == "false" for name in switches)
    (assertion,) = template["Rules"]["Vendors"]["Assertions"]
    assert set(references(assertion["Assert"])) == switches


IN_RULES = {"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Ref"}
"""What AWS documents for rules, but for functions on lists: those take parameters of AWS' own list types alone."""


def called_functions(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from called_functions(item)
    elif isinstance(node, dict):
        for name, argument in node.items():
            yield name
            yield from called_functions(argument)


def test_rules_and_parameters_use_documented_forms_alone(template: Json) -> None:
    for rule in template["Rules"].values():
        conditions = [rule.get("RuleCondition"), *(assertion["Assert"] for assertion in rule["Assertions"])]
        assert set(called_functions(conditions)) <= IN_RULES
    assert {rules["Type"] for rules in template["Parameters"].values()} == {"String", "Number"}


def test_every_parameter_is_described_and_grouped(template: Json) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert set(grouped) == template["Parameters"].keys()
    assert len(grouped) == len(set(grouped))
    for parameter in template["Parameters"].values():
        assert parameter["Description"]
        assert ("AllowedPattern" in parameter) == ("ConstraintDescription" in parameter)


SUBSETS = [[switch] for switch in SWITCHES] + [[*{*SWITCHES} - {switch}] for switch in SWITCHES] + [SWITCHES]


@pytest.mark.parametrize("wanted", SUBSETS, ids=lambda wanted: ",".join(sorted(wanted)))
def test_each_vendor_alone_all_but_each_and_all_are_whole_stacks(deployed: Json, wanted: list[str]) -> None:
    for other in (True, False):
        conditions = dict.fromkeys(deployed["Conditions"], other) | {switch: switch in wanted for switch in SWITCHES}
        resources, outputs = (kept(deployed[section], conditions) for section in ("Resources", "Outputs"))
        known = resources.keys() | deployed["Parameters"].keys()
        asked = {name for name in references(decided([resources, outputs], conditions)) if not name.startswith("AWS::")}
        assert asked <= known
