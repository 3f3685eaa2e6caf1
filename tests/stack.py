"""template.yaml as a deploy makes it: transformed by SAM, its conditions decided, its intrinsic functions resolved."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from local.template import Template, read

type Json = dict[str, Any]

ROOT = Path(__file__).parents[1]
FUNCTION = "AWS::Serverless::Function"
SOURCE: Json = read(ROOT / "template.yaml")
SWITCHES = [name for name in SOURCE["Parameters"] if name.startswith("Deploy")]
EVERYTHING = dict.fromkeys(SWITCHES, "true") | {
    "JwtIssuer": "https://issuer.example",
    "JwtAudience": "an-app",
    "AllowedOrigins": "https://app.example",
    "AlarmEmail": "on-call@example.com",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:on-call",
    "LiveKitUrl": "wss://livekit.example",
}

LOGS = "arn:aws:logs:us-east-1:123456789012:log-group"
SECRETS = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
TABLES = "arn:aws:dynamodb:us-east-1:123456789012:table"


def of_type(document: Json, kind: str) -> dict[str, Json]:
    return {name: resource for name, resource in document["Resources"].items() if resource["Type"] == kind}


NAMED = {
    block["Properties"]["Handler"].partition(".")[0]: name.removesuffix("Function")
    for name, block in of_type(SOURCE, FUNCTION).items()
}
"""Each function's name in the template by the folder that it is built from: `Convai`."""


class Stack:
    """One that is deployed. Resources go by their logical ids, but those that policies name: they have names and ARNs."""

    def __init__(self, document: Json, given: Mapping[str, str], name: str = "mint") -> None:
        self.document = document
        self.template = Template(document, {**given, "AWS::StackName": name})
        self.template.attributes = {
            "FunctionLogGroup": {"Ref": f"{name}-logs", "Arn": f"{LOGS}:{name}-logs:*"},
            "LimitsTable": {"Ref": f"{name}-table", "Arn": f"{TABLES}/{name}-table"},
            **{
                secret: {"Ref": f"{SECRETS}:{name}/{secret.removesuffix('Secret').lower()}-AbCdEf"}
                for secret in of_type(document, "AWS::SecretsManager::Secret")
            },
        }

    def living(self) -> dict[str, Json]:
        """The properties of every resource that there is."""
        kinds = {resource["Type"] for resource in self.document["Resources"].values()}
        return {
            name: self.template.resolve(self.template.properties(name))
            for kind in kinds
            for name in self.template.resources(kind)
        }

    def called(self) -> dict[str, Json]:
        """The properties of the function that API Gateway calls for each route. It must not be a version of one."""
        living = self.living()
        return {route: living[self._function(uri)] for route, uri in _integrations(living["Api"]["Body"])}

    def _function(self, uri: str) -> str:
        name = uri.removesuffix("/invocations").rpartition("/")[2]
        kind = self.document["Resources"][name]["Type"]
        assert kind == "AWS::Lambda::Function", (
            f"API Gateway calls {name}, a {kind}, which keeps what it was told before"
        )
        return name


def _integrations(body: Json) -> Iterator[tuple[str, str]]:
    """Each route and what it calls, in the OpenAPI document that API Gateway imports."""
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation["x-amazon-apigateway-integration"]["uri"]


def another(name: str) -> str:
    """A value that the parameter takes, other than its default and what EVERYTHING says."""
    rules = SOURCE["Parameters"][name]
    usual = {str(rules.get("Default")), EVERYTHING.get(name)}
    texts = (
        "changed",
        "a@changed.example",
        "https://changed.example",
        "wss://changed.example",
        "a=changed",
        "cn-beijing",
        "camera",
    )
    least = int(rules.get("MinValue", 1))
    numbers = map(str, range(least + 2, least + 5))
    tried = [*map(str, rules.get("AllowedValues", [])), *texts, "publisher", "arn:changed", *numbers]
    return next(value for value in tried if value not in usual and takes(rules, value))


def takes(rules: Json, value: str) -> bool:
    """Whether CloudFormation takes the value for a parameter with these rules."""
    if "AllowedValues" in rules:
        return value in map(str, rules["AllowedValues"])
    if rules["Type"] == "Number":
        return value.isdecimal()
    return bool(re.fullmatch(rules.get("AllowedPattern", ".*"), value)) and len(value) <= rules.get("MaxLength", 4096)


CHANGED = EVERYTHING | {name: another(name) for name in SOURCE["Parameters"] if name not in SWITCHES}


class Deploys(NamedTuple):
    """A first deploy, of everything that there is; and a second one, of other code and with every parameter changed."""

    first: Stack
    second: Stack


@cache
def deploys() -> Deploys:
    wanted = [{"code": "first", "parameters": EVERYTHING}, {"code": "second", "parameters": CHANGED}]
    command = [ROOT / ".venv-sam/bin/python", ROOT / "tests/sam_transform.py", ROOT / "template.yaml"]
    environment = os.environ | {"AWS_DEFAULT_REGION": "us-east-1"}
    transformed = subprocess.run(  # noqa: S603 - our own script
        command, input=json.dumps(wanted), env=environment, capture_output=True, text=True, check=False
    )
    assert transformed.returncode == 0, transformed.stderr
    first, second = json.loads(transformed.stdout)
    return Deploys(Stack(first, EVERYTHING), Stack(second, CHANGED))


def routes(block: Json) -> list[str]:
    """A function's, as API Gateway names them."""
    events = [event["Properties"] for event in block["Properties"]["Events"].values() if event["Type"] == "HttpApi"]
    return [f"{event['Method']} {event['Path']}" for event in events]


def variables(properties: Json) -> Json:
    """A function's own environment, or that of all."""
    found: Json = properties.get("Environment", {}).get("Variables", {})
    return found


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
