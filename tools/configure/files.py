"""The two files of a stage: stages/STAGE.yaml with its parameters, and its section in samconfig.toml.

The SAM CLI joins a YAML list with commas, and takes every other value as a text.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tools.configure.rules import AnswerError, Rules
from tools.configure.terminal import paragraph
from tools.stages import FILE

SECTION = """
[{stage}.global.parameters]
stack_name = "{stack}"
region = "{region}"

[{stage}.deploy.parameters]
resolve_s3 = true
s3_prefix = "{stack}"
capabilities = "CAPABILITY_IAM"
confirm_changeset = true
fail_on_empty_changeset = false
parameter_overrides = "{overrides}"
"""


def read(path: Path) -> dict[str, str]:
    """The answers in a file of YAML, each as a text. Raises AnswerError for a file that cannot be read."""
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader) or {}  # noqa: S506 - makes texts only
    except (OSError, UnicodeDecodeError) as error:
        raise AnswerError(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise AnswerError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise AnswerError(f"{path} must have a line `Name: value` for each parameter")
    return {str(name): _text(str(name), value) for name, value in found.items()}


def _text(name: str, value: Any) -> str:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
        raise AnswerError(f"{name} must be one value or a list of values")
    return ",".join(items)


class Stage:
    """The files of a stage in a copy of the project. Raises AnswerError if samconfig.toml cannot be read."""

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.stack = name, f"avatar-mint-{name}"
        self.relative = f"stages/{name}.yaml"
        self.path, self._config = root / self.relative, root / "samconfig.toml"
        try:
            self._settings: dict[str, Any] = tomllib.loads(self._config.read_text(encoding="utf-8")).get(name, {})
        except (OSError, ValueError) as error:
            raise AnswerError(f"samconfig.toml cannot be read: {error}") from None

    @property
    def region(self) -> str:
        """The one in samconfig.toml. Empty if it has no section for the stage, or if that names none."""
        found = [
            self._settings.get(command, {}).get("parameters", {}).get("region") for command in ("deploy", "global")
        ]
        return str(next(filter(None, found), ""))

    @property
    def has_section(self) -> bool:
        return bool(self._settings)

    def check(self) -> None:
        """Raises AnswerError if samconfig.toml deploys the stage with other parameters than its file's."""
        deploy = self._settings.get("deploy", {}).get("parameters", {})
        if self._settings and deploy.get("parameter_overrides") != self._overrides:
            raise AnswerError(
                f"samconfig.toml has a stage {self.name!r} that does not read {self.relative}. Put this line into "
                f'[{self.name}.deploy.parameters]: parameter_overrides = "{self._overrides}"'
            )

    def answers(self) -> dict[str, str]:
        """Those of an earlier run. Raises AnswerError."""
        return read(self.path) if self.path.exists() else {}

    def write(self, answers: Mapping[str, str], region: str, rules: Rules) -> None:
        """Both files. A section that samconfig.toml has already stays as it is."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(f"{self._head()}{''.join(_blocks(answers, rules))}", encoding="utf-8")
        if not self.has_section:
            before = self._config.read_text(encoding="utf-8")
            section = SECTION.format(stage=self.name, stack=self.stack, region=region, overrides=self._overrides)
            newline = "" if before.endswith("\n") else "\n"
            self._config.write_text(f"{before}{newline}{section}", encoding="utf-8")

    @property
    def _overrides(self) -> str:
        return f"{FILE}{self.relative}"

    def _head(self) -> str:
        return (
            f"# The parameters of the stage {self.name}. `sam deploy --config-env {self.name}` uses them.\n"
            f"# `make configure STAGE={self.name}` writes this file anew. It holds no secret: keep it in git.\n"
        )


def _blocks(answers: Mapping[str, str], rules: Rules) -> Iterator[str]:
    """One for each answer, in the template's order: its reason as a comment, and its line."""
    for name in rules.names:
        if name in answers:
            default = rules.default(name)
            reason = f"{rules.reason(name)}. Default: {default}" if default else rules.reason(name)
            yield f"\n{paragraph(reason, '# ')}\n"
            yield f"{name}:{_yaml(answers[name])}\n"


def _yaml(value: str) -> str:
    """A list has a line for each value, if the SAM CLI makes the same text of it."""
    values = value.split(",")
    if len(values) > 1 and all(one and one == one.strip() for one in values):
        return "".join(f"\n  - {_quoted(one)}" for one in values)
    return f" {_quoted(value)}"


def _quoted(text: str) -> str:
    """In quotes, so that no reader of YAML takes it for a number or a boolean."""
    return str(yaml.dump(text, default_style='"', allow_unicode=True, width=10_000)).rstrip("\n")
