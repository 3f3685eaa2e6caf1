"""Reads template.yaml as CloudFormation does: with parameters, conditions and intrinsic functions."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

PSEUDO = {
    "AWS::AccountId": "123456789012",  # moto's
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "avatar-mint",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()


def read(path: Path) -> dict[str, Any]:
    """The template, unresolved. As in CloudFormation, `!Sub x` is {"Fn::Sub": "x"}."""
    document: dict[str, Any] = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader
    return document


class Template:
    """`given`: parameters and pseudo parameters by name. The others have the template's defaults.

    `attributes`: the attributes of created resources, as {logical id: {"Ref": ..., "Arn": ...}}. An attribute that is not
    there resolves to the logical id.
    """

    def __init__(self, document: dict[str, Any], given: Mapping[str, str]) -> None:
        self._document = document
        self._parameters: dict[str, Any] = {**PSEUDO, **given, **self._declared(given)}
        self.attributes: dict[str, dict[str, str]] = {}
        self._intrinsics: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": self._condition,
            "Fn::GetAtt": lambda argument: self._attribute(*argument),
            "Fn::Sub": self._sub,
            "Fn::If": lambda argument: self.resolve(argument[1 if self._condition(argument[0]) else 2]),
            "Fn::Equals": lambda argument: self.resolve(argument[0]) == self.resolve(argument[1]),
            "Fn::Not": lambda argument: not self.resolve(argument[0]),
            "Fn::And": lambda argument: all(self.resolve(argument)),
            "Fn::Or": lambda argument: any(self.resolve(argument)),
            "Fn::Join": lambda argument: argument[0].join(self.resolve(argument[1])),
            "Fn::Select": lambda argument: self.resolve(argument[1])[int(argument[0])],
            "Fn::Split": lambda argument: self.resolve(argument[1]).split(argument[0]),
        }

    def resources(self, kind: str) -> list[str]:
        """The logical ids of the resources of a type whose condition holds, in the template's order."""
        resources = self._document["Resources"].items()
        return [name for name, resource in resources if resource["Type"] == kind and self._deployed(resource)]

    def properties(self, name: str) -> dict[str, Any]:
        """A resource's own properties, unresolved."""
        properties: dict[str, Any] = self._document["Resources"][name].get("Properties", {})
        return properties

    def globals(self, kind: str) -> dict[str, Any]:
        """SAM's Globals for `Function` or `HttpApi`, unresolved."""
        section: dict[str, Any] = self._document.get("Globals", {}).get(kind, {})
        return section

    def resolve(self, value: Any) -> Any:
        """Raises ValueError for an intrinsic function that this class does not have."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        name, argument = next(iter(value.items()), ("", None))
        if len(value) == 1 and (name.startswith("Fn::") or name in self._intrinsics):
            return self._call(name, argument)
        members = ((key, self.resolve(member)) for key, member in value.items())
        return {key: member for key, member in members if member is not NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:
        if name not in self._intrinsics:
            raise ValueError(f"{name} is not supported here")
        return self._intrinsics[name](argument)

    def _declared(self, given: Mapping[str, str]) -> dict[str, Any]:
        return {
            name: _typed(declared["Type"], given.get(name, declared.get("Default")))
            for name, declared in self._document.get("Parameters", {}).items()
        }

    def _deployed(self, resource: dict[str, Any]) -> bool:
        return "Condition" not in resource or self._condition(resource["Condition"])

    def _condition(self, name: str) -> bool:
        return bool(self.resolve(self._document["Conditions"][name]))

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return self._parameters[name] if name in self._parameters else self._attribute(name, "Ref")

    def _attribute(self, name: str, attribute: str) -> str:
        return self.attributes.get(name, {}).get(attribute, name)

    def _sub(self, argument: Any) -> str:
        text, variables = argument if isinstance(argument, list) else (argument, {})
        return re.sub(r"\$\{([^}]+)\}", lambda match: self._variable(match[1], variables), text)

    def _variable(self, name: str, variables: dict[str, Any]) -> str:
        if name.startswith("!"):
            return f"${{{name[1:]}}}"
        if name in variables:
            return str(self.resolve(variables[name]))
        return self._attribute(*name.split(".", 1)) if "." in name else str(self._ref(name))


def _typed(kind: str, value: Any) -> Any:
    if kind == "CommaDelimitedList":
        return [item.strip() for item in value.split(",")]
    return None if value is None else str(value)


def _tagged(loader: "_Loader", tag: str, node: yaml.Node) -> dict[str, Any]:
    value = _plain(loader, node)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


def _plain(loader: "_Loader", node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 - there is no fourth kind
    return loader.construct_mapping(node, deep=True)


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short tags."""

    yaml_multi_constructors: ClassVar = yaml.CSafeLoader.yaml_multi_constructors | {"!": _tagged}
