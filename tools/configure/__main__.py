"""Asks what a stage needs, and writes it where `sam deploy --config-env STAGE` reads it. README.md shows its use.

Usage: make configure STAGE=prod. With SET="Name=value" it changes one thing without questions. With FROM=answers.yaml it
takes all answers from a file: the parameters by their names, and Region. OFFLINE=1 does not ask the issuer for its keys.
Ends with 2 if an answer is wrong, and then has written nothing.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3

from local import discovery
from local.template import read
from tools import stages
from tools.configure import files, sizes
from tools.configure.questions import Questions, ask_region
from tools.configure.regions import require_region
from tools.configure.rules import AnswerError, Rules
from tools.configure.terminal import EMPTY, say

REGION = "Region"
"""The one answer that is no parameter of the template."""

RESERVED = {stages.DEFAULT, "version"}
"""Names that samconfig.toml uses for other things."""


class WrongAnswersError(Exception):
    """`args` are lines, one for each wrong answer."""


def main(arguments: Sequence[str], root: Path = stages.ROOT) -> None:
    told = parsed(arguments)
    try:
        configure(told, root)
    except WrongAnswersError as error:
        print("\n".join(f"configure: {line}" for line in error.args), file=sys.stderr)
        print("configure: nothing was written", file=sys.stderr)
        sys.exit(2)
    except EOFError:
        sys.exit("\nconfigure: the input ended, so nothing was written. Without a terminal, use FROM=answers.yaml")
    except KeyboardInterrupt:
        sys.exit("\nconfigure: stopped, and nothing was written")
    except UnicodeError:
        sys.exit("\nconfigure: the input is not in UTF-8, so nothing was written")
    except OSError as error:
        sys.exit(f"configure: {error}")


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line. Ends the program for one that it does not know."""
    parser = argparse.ArgumentParser(prog="tools.configure", description=__doc__)
    parser.add_argument("--stage", required=True, type=_stage_name, help="its name: the stack is avatar-mint-STAGE")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="answers, as YAML")
    parser.add_argument("--offline", action="store_true", help="do not ask the issuer for its keys")
    return parser.parse_args(arguments)


def _stage_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,63}", name) or name in RESERVED:
        raise argparse.ArgumentTypeError(
            "name the stage, such as STAGE=prod: small letters, digits and hyphens, and not 'default'"
        )
    return name


def configure(told: argparse.Namespace, root: Path) -> None:
    """Raises WrongAnswersError, and EOFError at the end of the input."""
    document = read(root / "template.yaml")
    rules = Rules(document)
    try:
        stage = files.Stage(told.stage, root)
        before = _still_known(stage.answers(), rules)
        answers = before.copy()
        given = _given(told)
        region = _region(stage, given.pop(REGION, ""))
        if not given:
            region = _ask(stage, answers, rules, region)
    except (AnswerError, stages.StageError) as error:
        raise WrongAnswersError(str(error)) from None
    answers |= given
    answers |= {group.switch: "false" for group in rules.vendors.values() if group.switch not in answers}
    asks_issuer = "JwtIssuer" in given and not told.offline
    if errors := [*_errors(document, answers, stage, region), *(_issuer_errors(answers) if asks_issuer else [])]:
        raise WrongAnswersError(*errors)
    stage.write(answers, region, rules)
    had = rules.deployed(before)
    print(_next_steps(stage, [vendor for vendor in rules.deployed(answers) if vendor not in had]))


def _still_known(answers: dict[str, str], rules: Rules) -> dict[str, str]:
    """Without the parameters that the template had in an earlier version."""
    for name in answers.keys() - set(rules.names):
        print(f"The template has no {name} any more: it is left out.")
    return {name: value for name, value in answers.items() if name in rules.names}


def _given(told: argparse.Namespace) -> dict[str, str]:
    """What the command line and the file answer. Raises AnswerError, StageError."""
    return {**(files.read(told.source) if told.source else {}), **dict(stages.words(told.changes))}


def _region(stage: files.Stage, given: str) -> str:
    """The stage's, or the given one, or that of this machine's AWS settings. Raises AnswerError for two of them."""
    if stage.has_section and given not in {"", stage.region}:
        raise AnswerError(f"the Region of {stage.name} is in samconfig.toml: change it there. It makes another stack")
    return given or stage.region or boto3.Session().region_name or ""


def _ask(stage: files.Stage, answers: dict[str, str], rules: Rules, region: str) -> str:
    """Asks everything, and returns the Region, which a stage keeps."""
    stage.check()
    say(f"Enter keeps the value in brackets, {EMPTY} empties it, and Ctrl-C ends without writing anything.")
    chosen = region if stage.has_section else ask_region(region)
    Questions(rules, answers).ask_all()
    return chosen


def _errors(document: dict[str, Any], answers: dict[str, str], stage: files.Stage, region: str) -> Iterator[str]:
    """Everything that the SAM CLI, CloudFormation and Lambda would refuse."""
    try:
        stage.check()
        require_region(region)
    except AnswerError as error:
        yield str(error)
    wrong = list(Rules(document).errors(answers))
    yield from wrong or sizes.errors(document, answers, stage.stack, region)


def _issuer_errors(answers: dict[str, str]) -> Iterator[str]:
    try:
        discovery.keys(answers.get("JwtIssuer", ""))
    except discovery.IssuerError as error:
        yield f"{error} (OFFLINE=1 leaves out this check)"


def _next_steps(stage: files.Stage, new_vendors: list[str]) -> str:
    """Only a new vendor needs a key."""
    return "\n".join(
        [
            f"Wrote {stage.relative}, which samconfig.toml names. Next:",
            "  sam build",
            f"  sam deploy --config-env {stage.name}",
            *(f"  make set-key VENDOR={vendor} STAGE={stage.name}" for vendor in new_vendors),
            f"  make smoke STAGE={stage.name}",
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1:])
