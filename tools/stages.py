"""The stages of a team. samconfig.toml says which stack `sam deploy --config-env STAGE` deploys, and with which parameters.

`make configure` writes the parameters of a stage to stages/STAGE.yaml, and samconfig.toml names that file.
"""

import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
DEFAULT = "default"
"""The stage of `sam deploy` without --config-env."""

FILE = "file://"
"""What the SAM CLI writes in front of the name of a file with parameters."""


class StageError(Exception):
    """A stage that does not exist, or a file of it that cannot be read. The text says so in one line."""


class Stage(NamedTuple):
    """name: as for --config-env. stack: its name in CloudFormation. region: None if the AWS settings of the machine decide.

    parameters: the template's that the team has chosen, as texts.
    """

    name: str
    stack: str
    region: str | None
    parameters: Mapping[str, str]


def read(name: str = DEFAULT, root: Path = ROOT) -> Stage:
    """The stage of this name. Raises StageError."""
    config = _toml(root / "samconfig.toml")
    if name not in config:
        known = ", ".join(stage for stage, value in config.items() if isinstance(value, dict))
        raise StageError(f"samconfig.toml has no stage {name!r}, only: {known}. Make it: make configure STAGE={name}")
    shared, own = _settings(config[name], "global"), _settings(config[name], "deploy")
    settings = shared | own
    if "stack_name" not in settings:
        raise StageError(
            f"samconfig.toml names no stack_name for the stage {name!r}. Add it to [{name}.global.parameters]"
        )
    overrides = settings.get("parameter_overrides", [])
    return Stage(name, settings["stack_name"], settings.get("region"), dict(_parameters(overrides, root)))


def _settings(stage: Mapping[str, Any], command: str) -> dict[str, Any]:
    settings: dict[str, Any] = stage.get(command, {}).get("parameters", {})
    return settings


def _parameters(given: Any, root: Path) -> Iterator[tuple[str, str]]:
    """What the SAM CLI makes of `parameter_overrides`: a text, a list, a mapping, or `file://` and a name."""
    if isinstance(given, Mapping):
        yield from ((str(name), _text(value)) for name, value in given.items())
    elif isinstance(given, list):
        for one in given:
            yield from _parameters(one, root)
    elif str(given).startswith(FILE):
        yield from _parameters(_yaml(root / str(given).removeprefix(FILE)), root)
    else:
        yield from words(shlex.split(str(given)))


def words(given: list[str]) -> Iterator[tuple[str, str]]:
    """Name and value of each Name=Value. Raises StageError for other words."""
    if wrong := [word for word in given if "=" not in word]:
        raise StageError(f"not Name=Value: {', '.join(wrong)}")
    for word in given:
        name, _, value = word.partition("=")
        yield name, value


def _text(value: Any) -> str:
    """A value of a stage's file as the SAM CLI passes it to CloudFormation."""
    if isinstance(value, list):
        return ",".join(str(one).strip() for one in value if one not in {None, ""})
    return "" if value is None else str(value)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StageError(f"{path.name} cannot be read: {error}") from None


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise StageError(f"{path} cannot be read: {error}") from None
