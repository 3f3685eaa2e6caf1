"""A deployed stack, as its operator and its callers see it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import requests
from botocore.exceptions import ClientError

from local import parameters
from tests.deploy.alarms import Alarm, Datum, embedded, filtered
from tests.deploy.machine import REGION
from tests.vendors import FUNCTIONS, MINTS, ROOT

if TYPE_CHECKING:
    import subprocess

    from tests.deploy.aws import Emulator
    from tests.deploy.machine import Machine
    from tests.deploy.stand_ins import StandIns

type Json = dict[str, Any]


class Answer(NamedTuple):
    """What a caller gets. headers: in any case. body: {} where there is no JSON object."""

    status: int
    headers: Mapping[str, str]
    body: Json


class Stack:
    """template: as written. name: the one in samconfig.toml, unless another stage is meant."""

    def __init__(
        self, machine: "Machine", emulator: "Emulator", stand_ins: "StandIns", template: Json, name: str = "avatar-mint"
    ) -> None:
        self.machine, self.emulator, self.stand_ins, self.name = machine, emulator, stand_ins, name
        self._template = template
        defaults = {name: str(each["Default"]) for name, each in template["Parameters"].items() if "Default" in each}
        self.urls = stand_ins.url_parameters(template)
        self.everything = defaults | parameters.parameters(template, stand_ins.issuer.url) | self.urls

    def stage(self, name: str) -> Self:
        """A stack of the same template and account by another name."""
        return type(self)(self.machine, self.emulator, self.stand_ins, self._template, name)

    # What the operator does

    def deploy(self, **given: str) -> "subprocess.CompletedProcess[str]":
        """`sam deploy` as a pipeline runs it; parameters that are not given keep their values."""
        stage = ["--stack-name", self.name, "--s3-prefix", self.name]
        quoted = [f'{name}="{value}"' for name, value in given.items()]
        overrides = ["--parameter-overrides", *quoted] if given else []
        return self.machine.run("sam", "deploy", *stage, "--no-confirm-changeset", *overrides)

    def ensure(self, **changed: str) -> None:
        """Deploys every vendor with a key, unless that is so already.

        The settings are those of `make run`, and `changed` over them.
        """
        if self.differs(**changed):
            done = self.deploy(**self.everything | changed)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            self._set_missing_keys()

    def differs(self, **changed: str) -> bool:
        """Whether `ensure` would deploy."""
        return not self.exists() or self.parameters() != self.everything | changed

    def build_and_deploy(self) -> None:
        """After a change of the sources."""
        self.machine.must("sam", "build")
        assert self.deploy().returncode == 0

    def delete(self) -> None:
        self.machine.must("sam", "delete", "--no-prompts", "--stack-name", self.name, "--region", REGION)

    def set_key(self, vendor: str, value: Any) -> None:
        secrets = self.emulator.client("secretsmanager")
        secrets.put_secret_value(SecretId=self.secrets()[vendor], SecretString=json.dumps(value))

    def _set_missing_keys(self) -> None:
        secrets = self.emulator.client("secretsmanager")
        for vendor, secret in self.secrets().items():
            if not secrets.describe_secret(SecretId=secret).get("VersionIdsToStages"):
                self.set_key(vendor, parameters.secret(vendor))

    # What the operator sees

    def exists(self) -> bool:
        try:
            return bool(self.describe())
        except ClientError as error:
            if "does not exist" in str(error):
                return False
            raise

    def describe(self) -> Json:
        stack: Json = self.emulator.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        return stack

    def outputs(self) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self.describe().get("Outputs", [])}

    def parameters(self) -> dict[str, str]:
        return {given["ParameterKey"]: given["ParameterValue"] for given in self.describe()["Parameters"]}

    def resources(self, kind: str = "") -> dict[str, str]:
        """Logical id -> physical id of what is there, of one type or of all."""
        paginator = self.emulator.client("cloudformation").get_paginator("list_stack_resources")
        found = [each for page in paginator.paginate(StackName=self.name) for each in page["StackResourceSummaries"]]
        there = [each for each in found if not each["ResourceStatus"].startswith("DELETE")]
        wanted = [each for each in there if kind in {"", each["ResourceType"]}]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in wanted}

    def secrets(self) -> dict[str, str]:
        """Vendor -> its secret's ARN, `arn:aws:secretsmanager:...:secret:STACK/VENDOR-6RANDM`."""
        arns = self.resources("AWS::SecretsManager::Secret").values()
        return {arn.rpartition("/")[2][:-7]: arn for arn in arns}

    # What is deployed

    @property
    def api(self) -> str:
        return self.resources("AWS::ApiGatewayV2::Api")["Api"]

    def routes(self) -> list[Json]:
        routes: list[Json] = self.emulator.client("apigatewayv2").get_routes(ApiId=self.api)["Items"]
        return routes

    def routes_by_function(self) -> dict[str, list[str]]:
        """ARN of what API Gateway calls -> the routes such as `POST /v1/convai/tokens` for which it does."""
        integrations = self.emulator.client("apigatewayv2").get_integrations(ApiId=self.api)["Items"]
        called = {each["IntegrationId"]: _function_arn(each["IntegrationUri"]) for each in integrations}
        routes: dict[str, list[str]] = {arn: [] for arn in called.values()}
        for route in self.routes():
            routes[called[route["Target"].removeprefix("integrations/")]].append(route["RouteKey"])
        return routes

    def permissions(self, function: str) -> list[Json]:
        """The statements of what others may do with a function."""
        policy = self.emulator.client("lambda").get_policy(FunctionName=function)["Policy"]
        statements: list[Json] = json.loads(policy)["Statement"]
        return statements

    def function(self, name: str) -> Json:
        """The configuration of the function built from functions/<name>, as API Gateway calls it."""
        route = mint_route(name) if name in MINTS else "GET /v1/vendors"
        (arn,) = [arn for arn, routes in self.routes_by_function().items() if route in routes]
        configuration: Json = self.emulator.client("lambda").get_function_configuration(FunctionName=arn)
        return configuration

    def functions(self) -> dict[str, Json]:
        return {name: self.function(name) for name in FUNCTIONS}

    # What is written down

    def log_group(self) -> str:
        """Of all functions."""
        return self.resources("AWS::Logs::LogGroup")["FunctionLogGroup"]

    def messages(self, group: str = "") -> list[str]:
        """The lines of the functions' log."""
        paginator = self.emulator.client("logs").get_paginator("filter_log_events")
        pages = paginator.paginate(logGroupName=group or self.log_group())
        return [event["message"] for page in pages for event in page["events"]]

    def log(self, group: str = "") -> list[Json]:
        """The functions' records and metrics."""
        return [json.loads(line) for line in self.messages(group) if line.startswith("{")]

    def records(self, vendor: str, group: str = "") -> list[Json]:
        """One for each request, in the stack's log group or in one that it has left behind."""
        return [line for line in self.log(group) if line.get("vendor") == vendor and "outcome" in line]

    def data(self) -> list[Datum]:
        """What the functions and the log's metric filters have written so far."""
        messages, group = self.messages(), self.log_group()
        filters = self.emulator.client("logs").describe_metric_filters(logGroupName=group)["metricFilters"]
        lines = [json.loads(message) for message in messages if message.startswith("{")]
        written = [datum for line in lines if "_aws" in line for datum in embedded(line)]
        return written + [datum for each in filters for datum in filtered(each, messages)]

    def alarms(self) -> dict[str, Alarm]:
        """Logical id -> alarm."""
        names = {name: logical for logical, name in self.resources("AWS::CloudWatch::Alarm").items()}
        found = self.emulator.client("cloudwatch").describe_alarms(AlarmNames=list(names))["MetricAlarms"]
        return {names[alarm["AlarmName"]]: Alarm(alarm) for alarm in found}

    def dashboard(self) -> Json:
        (name,) = self.resources("AWS::CloudWatch::Dashboard").values()
        body: str = self.emulator.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
        dashboard: Json = json.loads(body)
        return dashboard

    # What callers see

    def token(self, sub: str, **claims: Any) -> str:
        return self.stand_ins.issuer.token(sub, **claims)

    def call(self, route: str, token: str | None, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """A request to the stack's ApiUrl; `route` is `METHOD /path`."""
        method, path = route.split()
        signed = {"Authorization": f"Bearer {token}"} if token else {}
        sent = {"Host": self.outputs()["ApiUrl"].partition("://")[2], **signed, **(headers or {})}
        answer = requests.request(method, self.emulator.url + path, headers=sent, json=body, timeout=40)
        return Answer(answer.status_code, answer.headers, _json(answer.content))

    def mint(self, vendor: str, sub: str) -> Answer:
        """Sends the vendor's sample event, as this caller."""
        return self.mint_with(vendor, self.token(sub))

    def mint_with(self, vendor: str, token: str | None) -> Answer:
        event = mint_event(vendor)
        body = json.loads(event["body"]) if event.get("body") else None
        return self.call(event["routeKey"], token, body)

    def offered(self) -> list[str]:
        """The vendors that GET /v1/vendors names."""
        answer = self.call("GET /v1/vendors", self.token("alice"))
        assert answer.status == 200, answer
        return sorted(vendor["vendor"] for vendor in answer.body["vendors"])


def mint_event(vendor: str) -> Json:
    event: Json = json.loads((ROOT / f"events/{MINTS[vendor]}.json").read_text())
    return event


def mint_route(vendor: str) -> str:
    route: str = mint_event(vendor)["routeKey"]
    return route


def _function_arn(uri: str) -> str:
    """`arn:aws:apigateway:...:path/2015-03-31/functions/ARN/invocations` -> `ARN`."""
    return uri.partition("/functions/")[2].removesuffix("/invocations")


def _json(content: bytes) -> Json:
    try:
        decoded = json.loads(content)
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}
