"""The size of each function's settings. Lambda refuses more than 4 KB, and then a deploy rolls back.

Source: Lambda developer guide, "Lambda quotas", environment variables.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.template import Template

MAX_BYTES = 4096


def errors(document: dict[str, Any], answers: Mapping[str, str], stack: str, region: str) -> Iterator[str]:
    """One line for each function that would get too much."""
    template = Template(document, {**answers, "AWS::StackName": stack, "AWS::Region": region})
    template.attributes = {name: {"Ref": _id(name, stack, region)} for name in document["Resources"]}
    shared = template.globals("Function").get("Environment", {}).get("Variables", {})
    for function in template.resources("AWS::Serverless::Function"):
        own = template.properties(function).get("Environment", {}).get("Variables", {})
        size = len(_measured(template.resolve(shared | own)))
        if size > MAX_BYTES:
            yield f"the settings of {function} have {size:,} bytes, and Lambda takes {MAX_BYTES:,}: shorten a list"


def _id(resource: str, stack: str, region: str) -> str:
    """A physical id of about the length that CloudFormation will give: of a secret its ARN, which is the longest."""
    if resource.endswith("Secret"):
        vendor = resource.removesuffix("Secret").lower()
        return f"arn:aws:secretsmanager:{region}:123456789012:secret:{stack}/{vendor}-AbCdEf"
    return f"{stack}-{resource}-{'X' * 13}"


def _measured(variables: Mapping[str, Any]) -> bytes:
    """Lambda measures the variables as JSON: its refusal shows 'String measured: {...}'."""
    return json.dumps(variables, ensure_ascii=False, separators=(",", ":")).encode()
