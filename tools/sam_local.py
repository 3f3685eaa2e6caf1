"""Sends every sample event through `sam local invoke`, as the README does, while the bundle runs.

Usage: python -m tools.sam_local. It needs `make build` and a Docker engine, which `make sam-local` starts.
Prints the status of each response. Ends with 1 if a status is not the expected one.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.functions import ROOT
from local.sam import TEMPLATE
from local.template import read

AWS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    # `sam local` asks STS for its identity. An address that refuses at once saves 12 s each time.
    "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
    "AWS_MAX_ATTEMPTS": "1",
}

CONTINUING = {"extend", "revoke", "part-urls", "complete", "cancel", "cancel-post", "watch", "end", "release"}
"""Operations that continue with what another operation has made."""


def main() -> int:
    with running():
        as_expected = [invoke(event) for event in sorted((ROOT / "events").glob("*.json"))]
    return 0 if all(as_expected) else 1


def expected(event: Path) -> set[int]:
    """The statuses that are right for a sample event.

    A success, or a refusal if the event names something that nobody has made.
    """
    return {204, 403, 404, 409} if event.stem.partition("-")[2] in CONTINUING else {200, 201}


@contextmanager
def running() -> Iterator[None]:
    """Starts the bundle of `make run` on a free port. Raises ChildProcessError if it does not get ready."""
    command = [sys.executable, "-m", "local"]
    with subprocess.Popen(command, env=os.environ | {"PORT": "0"}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        if not any(line.startswith("ready ") for line in process.stdout):
            raise ChildProcessError("make run ended before it was ready")
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def invoke(event: Path) -> bool:
    """Sends an event to its function, and prints the status, or everything if the status is not an expected one."""
    sam: list[str | Path] = [ROOT / ".venv-sam/bin/sam", "local", "invoke", function(event)]
    command = [*sam, "-t", TEMPLATE, "-e", event, "--skip-pull-image"]
    run = subprocess.run(command, env=os.environ | AWS, capture_output=True, text=True, check=False)
    status = _status(run.stdout)
    right = status in expected(event)
    sys.stdout.write(f"{event.stem:20} {status}\n" if right else f"{event.stem}: {run.stdout}\n{run.stderr}\n")
    sys.stdout.flush()
    return right


def function(event: Path) -> str:
    """The logical id of the function that serves an event's route."""
    route = json.loads(event.read_bytes())["routeKey"]
    resources = read(ROOT / "template.yaml")["Resources"].items()
    return str(next(name for name, resource in resources if route in _routes(resource)))


def _routes(resource: dict[str, Any]) -> set[str]:
    events = resource.get("Properties", {}).get("Events", {}).values()
    return {"{Method} {Path}".format(**event["Properties"]) for event in events if event["Type"] == "HttpApi"}


def _status(printed: str) -> int:
    """The status in a function's response, 0 if there is none."""
    try:
        return int(json.loads(printed)["statusCode"])
    except (ValueError, KeyError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
