"""The bundle runs the resources of a template. This template is small, and its function returns what it got."""

import json
import os
import socket
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from local.bundle import Bundle
from local.template import Template
from local.twins.twin import Twin
from tests.vendors import MINTS, VENDORS

TEMPLATE = """
Parameters:
  JwtIssuer: {Type: String}
  JwtAudience: {Type: String}
  AllowedOrigins: {Type: CommaDelimitedList}
  DeployConvai: {Type: String, Default: "false"}
Conditions:
  Convai: !Equals [!Ref DeployConvai, "true"]
  Never: !Equals [a, b]
Globals:
  Function:
    Timeout: 7
    MemorySize: 256
    Environment: {Variables: {LOG_LEVEL: INFO, DEADLINE_SECONDS: 20}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Caller
        Authorizers: {Caller: {JwtConfiguration: {issuer: !Ref JwtIssuer, audience: [!Ref JwtAudience]}}}
      CorsConfiguration: {AllowOrigins: !Ref AllowedOrigins}
  ConvaiSecret:
    Type: AWS::SecretsManager::Secret
    Condition: Convai
    Properties: {Name: !Sub "${AWS::StackName}/convai"}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}
      SSESpecification: {SSEEnabled: true}
  ConvaiFunction:
    Type: AWS::Serverless::Function
    Condition: Convai
    Properties:
      Handler: convai.app.handler
      Environment: {Variables: {API_KEY_SECRET: !Ref ConvaiSecret, TABLE: !Ref Table, CONVAI_API_URL: "", LOG_LEVEL: WARNING}}
      Events:
        Mint: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: post, Path: /v1/convai/tokens}}
        Open: {Type: HttpApi, Properties: {Method: GET, Path: /open, Auth: {Authorizer: NONE}}}
  SpatiusFunction:
    Type: AWS::Serverless::Function
    Condition: Never
    Properties: {Handler: spatius.app.handler}
"""
APP = """
import os
SEEN = dict(os.environ)
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    return {"seen": SEEN, "left": left, "name": context.function_name, "memory": context.memory_limit_in_mb}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "functions" / "convai").mkdir(parents=True)
    (tmp_path / "functions" / "convai" / "app.py").write_text(APP)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path


def ask(bundle: Bundle) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {bundle.token('alice')}"}
    answer: dict[str, Any] = requests.post(f"{bundle.url}/v1/convai/tokens", headers=headers, timeout=10).json()
    return answer


def secrets(bundle: Bundle) -> Any:
    aws: dict[str, Any] = bundle.aws
    return boto3.client("secretsmanager", **aws)


def test_a_function_finds_its_environment_at_import_and_its_limits_in_the_context(root: Path) -> None:
    with Bundle(root) as bundle:
        answer = ask(bundle)
        assert answer["seen"].items() >= bundle.environment("convai").items()
        assert answer["seen"]["CONVAI_API_URL"] == bundle.twins["convai"].base_url
        assert answer["seen"]["AWS_ENDPOINT_URL"] == bundle.aws["endpoint_url"]
    assert (answer["seen"]["LOG_LEVEL"], answer["seen"]["DEADLINE_SECONDS"]) == ("WARNING", "20")
    assert (answer["name"], answer["memory"]) == ("ConvaiFunction", 256)
    assert 6000 < answer["left"] <= 7000
    assert "API_KEY_SECRET" not in os.environ


def test_only_deployed_functions_and_their_twins_run(root: Path) -> None:
    with Bundle(root) as bundle:
        assert list(bundle.functions) == list(bundle.twins) == ["convai"]
        assert requests.get(f"{bundle.url}/open", timeout=5).json()["name"] == "ConvaiFunction"
        assert requests.post(f"{bundle.url}/v1/spatius/session-tokens", timeout=5).status_code == 404


def test_a_page_learns_where_the_stand_ins_are(bundle: Bundle) -> None:
    told = requests.get(f"{bundle.url}/_local/stand-ins", headers={"Origin": "http://localhost:8080"}, timeout=5)
    assert told.json() == {vendor: twin.url for vendor, twin in bundle.twins.items()}
    assert told.headers["Access-Control-Allow-Origin"] == "http://localhost:8080"


def test_an_empty_secret_gets_the_local_key(root: Path) -> None:
    with Bundle(root) as bundle:
        arn = bundle.environment("convai")["API_KEY_SECRET"]
        assert arn.startswith("arn:aws:secretsmanager:us-east-1:")
        value = secrets(bundle).get_secret_value(SecretId=arn)["SecretString"]
    assert json.loads(value) == {"api_key": "convai-local-key"}


@pytest.mark.parametrize(("before", "after"), [("mine", "mine"), (None, '{"api_key": "convai-local-key"}')])
def test_a_secret_that_exists_keeps_its_value(before: str | None, after: str, root: Path) -> None:
    stack = f"local-{uuid.uuid4().hex}"
    with Bundle(root) as first:
        value = {} if before is None else {"SecretString": before}
        arn = secrets(first).create_secret(Name=f"{stack}/convai", **value)["ARN"]
        with Bundle(root, given={"AWS_ENDPOINT_URL": first.aws["endpoint_url"]}, stack=stack) as second:
            assert second.environment("convai")["API_KEY_SECRET"] == arn
            assert secrets(second).get_secret_value(SecretId=arn)["SecretString"] == after


def test_a_table_is_created_once_with_the_templates_properties(root: Path) -> None:
    stack = f"local-{uuid.uuid4().hex}"
    with Bundle(root, stack=stack) as bundle:
        aws: dict[str, Any] = bundle.aws
        client = boto3.client("dynamodb", **aws)
        name = bundle.environment("convai")["TABLE"]
        client.put_item(TableName=name, Item={"pk": {"S": "kept"}})
        with Bundle(root, given={"AWS_ENDPOINT_URL": aws["endpoint_url"]}, stack=stack):
            table = client.describe_table(TableName=name)["Table"]
            expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
            assert client.scan(TableName=name)["Count"] == 1
    assert (table["TableName"], table["KeySchema"]) == (f"{stack}-Table", [{"AttributeName": "pk", "KeyType": "HASH"}])
    assert expiry.get("AttributeName") == "expires"


def test_a_given_vendor_url_replaces_the_twin(root: Path) -> None:
    with Bundle(root, given={"CONVAI_API_URL": "http://127.0.0.1:1", "API_KEY_SECRET": "x", "HOME": "/"}) as bundle:
        assert bundle.twins == {}
        assert bundle.replaced == {"convai": "CONVAI_API_URL"}
        assert bundle.environment("convai")["CONVAI_API_URL"] == "http://127.0.0.1:1"
        assert bundle.environment("convai")["API_KEY_SECRET"] != "x"
        assert "HOME" not in bundle.environment("convai")


def test_a_given_key_calls_the_real_vendor(root: Path) -> None:
    with Bundle(root, given={"CONVAI_API_KEY": "from-the-dashboard", "SPATIALGEN_API_KEY": "ignored"}) as bundle:
        environment = bundle.environment("convai")
        value = secrets(bundle).get_secret_value(SecretId=environment["API_KEY_SECRET"])["SecretString"]
        assert bundle.twins == {}
        assert bundle.replaced == {"convai": "CONVAI_API_KEY"}
    assert json.loads(value) == {"api_key": "from-the-dashboard"}
    assert environment["CONVAI_API_URL"] == ""
    assert "CONVAI_API_KEY" not in environment


def test_a_vendor_without_a_twin_moves_no_other_twin_to_another_port(monkeypatch: pytest.MonkeyPatch) -> None:
    ports: dict[str, list[int]] = {}

    def start(bundle: Bundle, twin: Twin, port: int) -> None:
        ports.setdefault(twin.vendor, []).append(port - bundle._port)
        twin.start("127.0.0.1")

    monkeypatch.setattr(Bundle, "_start_twin", start)
    for given in ({}, {"CONVAI_API_KEY": "a-real-one"}):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with Bundle(port=port, given=given):
            pass
    assert len(ports.pop("convai")) == 1
    assert len(ports) > 1
    assert all(first == second for first, second in ports.values())


def test_a_twin_has_its_port_again_unless_that_is_taken(root: Path) -> None:
    with Bundle(root) as bundle:
        twin = bundle.twins["convai"]
        twin.stop()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            bundle._start_twin(twin, port)
            assert not twin.url.endswith(f":{port}")
        twin.stop()
        bundle._start_twin(twin, port)
        assert twin.url == f"http://127.0.0.1:{port}"


def test_functions_do_not_see_the_environment_of_the_process(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVAI_API_URL", "https://api.example.com")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://aws.example.com")
    with Bundle(root) as bundle:
        assert bundle.environment("convai")["CONVAI_API_URL"] == bundle.twins["convai"].base_url
        assert bundle.aws["endpoint_url"].startswith("http://127.0.0.1:")


def test_a_bundle_that_cannot_start_leaves_nothing_running(root: Path) -> None:
    (root / "functions" / "convai" / "app.py").write_text("raise LookupError('no')")
    with pytest.raises(LookupError), Bundle(root) as bundle:
        pytest.fail(f"{bundle} must not start")
    with Bundle(port=0, root=_repaired(root)) as bundle:
        assert ask(bundle)["name"] == "ConvaiFunction"


def _repaired(root: Path) -> Path:
    (root / "functions" / "convai" / "app.py").write_text(APP)
    return root


def test_a_taken_port_is_an_os_error(root: Path) -> None:
    with Bundle(root) as bundle, pytest.raises(OSError, match="in use"), Bundle(root, port=int(bundle.url[-5:])):
        pytest.fail("two bundles cannot have one port")


def test_a_sample_event_takes_another_body_and_caller(bundle: Bundle) -> None:
    event = bundle.event("convai-mint", body={"a": 1}, sub="bob")
    assert (event["body"], event["isBase64Encoded"]) == ('{"a": 1}', False)
    assert event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] == "bob"
    assert bundle.event("convai-mint", body="{")["body"] == "{"
    assert bundle.event("convai-mint")["body"] == "{}"


def test_every_deployable_vendor_mints(bundle: Bundle) -> None:
    assert isinstance(bundle.template, Template)
    headers = {"Authorization": f"Bearer {bundle.token('alice')}", "Content-Type": "application/json"}
    answers = {}
    for vendor, name in MINTS.items():
        event = bundle.event(name)
        answers[vendor] = requests.post(bundle.url + event["rawPath"], event["body"], headers=headers, timeout=10)
    assert {vendor: (answer.status_code, answer.json()["mint"]["vendor"]) for vendor, answer in answers.items()} == {
        vendor: (201, vendor) for vendor in VENDORS
    }


def test_cloudformation_describes_the_bundles_stack(bundle: Bundle) -> None:
    stacks = boto3.client("cloudformation", **bundle.aws)  # type: ignore[call-overload]
    name = bundle.template.resolve({"Ref": "AWS::StackName"})
    (described,) = stacks.describe_stacks(StackName=name)["Stacks"]
    assert {"OutputKey": "ApiUrl", "OutputValue": bundle.url} in described["Outputs"]
    listed = stacks.list_stack_resources(StackName=name)["StackResourceSummaries"]
    held = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed}
    assert held["LimitsTable"] == bundle.environment("convai")["LIMITS_TABLE"]
