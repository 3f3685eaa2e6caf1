"""A deployed stack, as CloudFormation describes it: its table, its log group, its secrets, its alarms and its settings."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from local.template import Template, read
from tools.stages import ROOT, Stage

PATIENCE = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
"""An operator waits, so a lost network is reported within seconds."""


class StackError(Exception):
    """The stack does not have what the command needs. The text says so in one line, and what to do."""


class Resource(NamedTuple):
    """kind: such as `AWS::DynamoDB::Table`. physical: the id with which its own service knows it."""

    kind: str
    physical: str


class Stack:
    """The stack of a stage, in the AWS account that the machine is signed in to."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage.name
        self.name = stage.stack
        self._session = boto3.Session(region_name=stage.region)

    def client(self, service: str) -> Any:
        """A client of this service in the stack's region."""
        return self._session.client(service, config=PATIENCE)  # type: ignore[call-overload]

    @property
    def table(self) -> Any:
        """The table of limits."""
        return self._session.resource("dynamodb", config=PATIENCE).Table(self._physical("LimitsTable"))

    @property
    def log_group(self) -> str:
        """The log group of all functions."""
        return self._physical("FunctionLogGroup")

    @property
    def alarms(self) -> list[str]:
        """The names of its alarms."""
        found = self._resources.values()
        return [resource.physical for resource in found if resource.kind == "AWS::CloudWatch::Alarm"]

    @property
    def api(self) -> str:
        """The base URL that clients call."""
        outputs = {each["OutputKey"]: str(each["OutputValue"]) for each in self._described.get("Outputs", [])}
        if "ApiUrl" not in outputs:
            raise StackError(f"{self.name} has no ApiUrl. Is it a stack of avatar-mint, and is its deploy complete?")
        return outputs["ApiUrl"]

    @cached_property
    def settings(self) -> Mapping[str, Mapping[str, str]]:
        """The environment variables of each function, by its folder, as template.yaml makes them of the parameters."""
        given = {each["ParameterKey"]: each["ParameterValue"] for each in self._described.get("Parameters", [])}
        template = Template(read(ROOT / "template.yaml"), given | {"AWS::StackName": self.name})
        shared = template.globals("Function")["Environment"]["Variables"]
        functions = [template.properties(name) for name in template.resources("AWS::Serverless::Function")]
        return {
            function["Handler"].partition(".")[0]: template.resolve(
                shared | function.get("Environment", {}).get("Variables", {})
            )
            for function in functions
        }

    @property
    def vendors(self) -> list[str]:
        """The deployed vendors: the functions that have a key."""
        return sorted(name for name, settings in self.settings.items() if "API_KEY_SECRET" in settings)

    def require(self, vendor: str) -> None:
        """Raises StackError if the vendor is not deployed."""
        if vendor not in self.vendors:
            deployed = ", ".join(self.vendors) or "none"
            raise StackError(f"{self.name} does not deploy {vendor} (it deploys: {deployed}). Deploy the vendor first.")

    def secret(self, vendor: str) -> str:
        """The name of the vendor's secret. Raises StackError if the vendor is not deployed."""
        self.require(vendor)
        return f"{self.name}/{vendor}"

    def _physical(self, logical: str) -> str:
        """Raises StackError if the stack lacks this resource."""
        if logical not in self._resources:
            raise StackError(f"{self.name} has no {logical}. Is it a stack of avatar-mint, and is its deploy complete?")
        return self._resources[logical].physical

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        described: Mapping[str, Any] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return described

    @cached_property
    def _resources(self) -> Mapping[str, Resource]:
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {
            each["LogicalResourceId"]: Resource(each["ResourceType"], each["PhysicalResourceId"])
            for page in pages
            for each in page["StackResourceSummaries"]
            if "PhysicalResourceId" in each
        }

    @cached_property
    def _cloudformation(self) -> Any:
        return self.client("cloudformation")
