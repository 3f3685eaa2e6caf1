"""The template's own rules for its parameters: what it accepts, and which parameters belong to a vendor.

Source: CloudFormation user guide, "Parameters" and "Rules".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from local.template import Template

SWITCH = "Deploy"
"""What the names of the parameters begin with that deploy a vendor."""

WORKS_WHEN_EMPTY = "Empty means"
"""Is in the description of a parameter whose empty default stands for a value that works."""

type Answers = Mapping[str, str]


class AnswerError(Exception):
    """A value that the template refuses. The text says why in one line."""


class Group(NamedTuple):
    """The parameters of one vendor, or of another theme.

    switch: the parameter that deploys the vendor, or "". names: the others.
    """

    title: str
    switch: str
    names: list[str]

    @property
    def vendor(self) -> str:
        """As its folder in functions/ and its secret are named."""
        return self.switch.removeprefix(SWITCH).lower()


class Rules:
    """The rules of a template as written."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.names: list[str] = list(document["Parameters"])
        self.groups = list(self._groups())
        self.vendors = {group.vendor: group for group in self.groups if group.switch}

    def deployed(self, answers: Answers) -> list[str]:
        """The vendors that the answers deploy."""
        return [vendor for vendor, group in self.vendors.items() if answers.get(group.switch) == "true"]

    def default(self, name: str) -> str:
        """Empty if there is none."""
        return str(self._document["Parameters"][name].get("Default", ""))

    def reason(self, name: str) -> str:
        """What the parameter is for, and what it accepts if that is a choice."""
        declared = self._document["Parameters"][name]
        allowed = ", ".join(map(str, declared.get("AllowedValues", [])))
        return f"{declared['Description']}{f' ({allowed})' if allowed else ''}"

    def only_the_team_knows(self, name: str) -> bool:
        """Whether the parameter has no default that works."""
        return not self.default(name) and WORKS_WHEN_EMPTY not in self.reason(name)

    def check(self, name: str, value: str) -> None:
        """Raises AnswerError for a value that CloudFormation would refuse."""
        if name not in self._document["Parameters"]:
            raise AnswerError(f"the template has no parameter {name}")
        if not _is_utf8(value):
            raise AnswerError(f"{name} is not in UTF-8")
        declared = self._document["Parameters"][name]
        if not _accepts(declared, value):
            raise AnswerError(f"{name} {_constraint(declared)}, not {value!r}")

    def check_together(self, answers: Answers, name: str = "") -> None:
        """Raises AnswerError for the first of the template's Rules that does not hold. `name`: only those about it."""
        for error in self._broken(answers, name):
            raise AnswerError(error)

    def errors(self, answers: Answers) -> Iterator[str]:
        """Everything that CloudFormation would refuse."""
        defaults = {name: self.default(name) for name in self.names}
        for name, value in {**defaults, **answers}.items():
            try:
                self.check(name, value)
            except AnswerError as error:
                yield str(error)
        yield from self._broken(answers)

    def _broken(self, answers: Answers, name: str = "") -> Iterator[str]:
        template = Template(self._document, answers)
        for rule in self._document.get("Rules", {}).values():
            if "RuleCondition" in rule and not template.resolve(rule["RuleCondition"]):
                continue
            for assertion in rule["Assertions"]:
                about = not name or name in _references(assertion["Assert"])
                if about and not template.resolve(assertion["Assert"]):
                    yield assertion["AssertDescription"]

    def _groups(self) -> Iterator[Group]:
        for group in self._document["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
            switches = [name for name in group["Parameters"] if name.startswith(SWITCH)]
            others = [name for name in group["Parameters"] if name not in switches]
            yield Group(group["Label"]["default"], "".join(switches), others)


def _is_utf8(text: str) -> bool:
    """Python keeps other bytes of a command line as surrogates."""
    return not re.search(r"[\ud800-\udfff]", text)


def _accepts(declared: Mapping[str, Any], value: str) -> bool:
    if "AllowedValues" in declared:
        return value in map(str, declared["AllowedValues"])
    if declared["Type"] == "Number":
        return _in_range(declared, value)
    pattern = declared.get("AllowedPattern", r"(?s:.*)")
    return len(value) <= declared.get("MaxLength", len(value)) and re.fullmatch(pattern, value) is not None


def _in_range(declared: Mapping[str, Any], value: str) -> bool:
    """Every number of the template is a whole one."""
    if not re.fullmatch(r"-?[0-9]{1,15}", value):
        return False
    least, most = declared.get("MinValue", value), declared.get("MaxValue", value)
    return int(least) <= int(value) <= int(most)


def _constraint(declared: Mapping[str, Any]) -> str:
    """What a value must be: continues a sentence about the parameter."""
    if "ConstraintDescription" in declared:
        return str(declared["ConstraintDescription"])
    if "AllowedValues" in declared:
        return f"must be one of {', '.join(map(str, declared['AllowedValues']))}"
    if declared["Type"] == "Number":
        bounds = [("at least", declared.get("MinValue")), ("at most", declared.get("MaxValue"))]
        told = " and ".join(f"{words} {bound}" for words, bound in bounds if bound is not None)
        return f"must be a whole number of {told or 'any size'}"
    return "has a form that the template does not accept"


def _references(node: Any) -> set[str]:
    """The parameters that an expression of the template names."""
    if isinstance(node, dict):
        return {node["Ref"]} if "Ref" in node else set().union(*map(_references, node.values()))
    return set().union(*map(_references, node)) if isinstance(node, list) else set()
