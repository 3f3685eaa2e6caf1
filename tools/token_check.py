"""Says in one line why a deployment would refuse a JWT, or who its caller is. docs/sign-in.md says what to do about it.

Usage: make token-check STAGE=prod. It reads the token from a hidden prompt or from a pipe, never from the command line.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, NamedTuple

from local.authorizer import Authorizer, ForbiddenError, UnauthorizedError
from local.event import texts
from minting.callers import Caller, caller_of, require_claims
from minting.problems import Problem
from minting.settings import RequiredClaims
from tools import hidden, stages

LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class RefusedError(Exception):
    """The deployment would refuse the token. The text says the status and why, in one line."""


class Accepted(NamedTuple):
    """A token that the deployment would accept. ends: Unix time."""

    caller: Caller
    ends: float

    def __str__(self) -> str:
        ends = datetime.fromtimestamp(min(self.ends, LAST_SECOND), UTC)
        minutes = int(self.ends - time()) // 60
        kind = " It is a backend, which may send Mint-On-Behalf-Of." if self.caller.backend else ""
        return (
            f"The caller is sub {self.caller.sub!r} of {self.caller.iss}.{kind} "
            f"The token ends at {ends:%Y-%m-%d %H:%M:%S} UTC, in {minutes:,} minutes."
        )


def check(token: str, parameters: Mapping[str, str]) -> Accepted:
    """What a deployment with these parameters makes of the token. Raises RefusedError."""
    scopes = [parameters["RequiredScope"]] if parameters.get("RequiredScope") else []
    try:
        claims = Authorizer(parameters["JwtIssuer"], parameters["JwtAudience"].split(","), scopes).claims(token)
    except UnauthorizedError as error:
        raise RefusedError(f"401: {error}") from None
    except ForbiddenError as error:
        raise RefusedError(f"403: {error} (RequiredScope)") from None
    return Accepted(_caller(texts(claims), parameters), float(claims["exp"]))


def _caller(claims: dict[str, str], parameters: Mapping[str, str]) -> Caller:
    """What the function makes of verified claims."""
    event: dict[str, Any] = {"requestContext": {"authorizer": {"jwt": {"claims": claims}}}}
    try:
        caller = caller_of(event, parameters.get("BackendScope", ""))
    except Problem:
        wrong = "is not 1 to 255 printable ASCII characters" if "sub" in claims else "is missing"
        raise RefusedError(f"401: the token's sub {wrong}, so the function does not know the caller") from None
    try:
        require_claims(event, caller, RequiredClaims(parameters.get("RequiredClaims", "")))
    except Problem as problem:
        broken = [f"{error.message.partition(' (')[0]}, not {_said(claims, error.field)}" for error in problem.errors]
        raise RefusedError(f"403: {'; '.join(broken)} (RequiredClaims)") from None
    return caller


def _said(claims: Mapping[str, str], name: str) -> str:
    return repr(claims[name]) if name in claims else "a token without it"


def sign_in(stage: str, root: Path) -> Mapping[str, str]:
    """The parameters of a stage. Raises StageError for one that does not say who may sign in."""
    parameters = stages.read(stage, root).parameters
    if missing := {"JwtIssuer", "JwtAudience"} - parameters.keys():
        wanted = " or ".join(sorted(missing))
        raise stages.StageError(f"the stage {stage!r} names no {wanted}. Make one: make configure STAGE=prod")
    return parameters


def main(arguments: Sequence[str], root: Path = stages.ROOT) -> None:
    parser = argparse.ArgumentParser(prog="tools.token_check", description=__doc__)
    parser.add_argument("--stage", default=stages.DEFAULT, help="as for sam deploy --config-env")
    told = parser.parse_args(arguments)
    try:
        parameters = sign_in(told.stage, root)
        print(check(hidden.line("The token (not shown): "), parameters))
    except RefusedError as error:
        sys.exit(f"refused, {error}")
    except EOFError:
        sys.exit("token-check: no token was given")
    except KeyboardInterrupt:
        sys.exit("token-check: stopped")
    except stages.StageError as error:
        print(f"token-check: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
