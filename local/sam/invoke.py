"""`python -m local.sam.invoke`: every sample event through the README's line for `sam local invoke`, while the bundle runs.

Prints what each was answered. Ends with 1 if one was not answered as it should be.
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
from local.sam.environment import TEMPLATE
from local.template import read

AWS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    # `sam local` asks STS who it is; what refuses it at once spares 12 s each time.
    "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
    "AWS_MAX_ATTEMPTS": "1",
}

NAMING = {"extend", "revoke", "part-urls", "complete", "cancel", "cancel-post", "watch", "end", "release"}
"""Operations that go on with what another has made."""


def main() -> int:
    with running():
        answered = [invoke(event) for event in sorted((ROOT / "events").glob("*.json"))]
    return 0 if all(answered) else 1


def expected(event: Path) -> set[int]:
    """The statuses that answer a sample event: a success, or a refusal where the sample names a thing that was never made."""
    return {204, 403, 404, 409} if event.stem.partition("-")[2] in NAMING else {200, 201}


@contextmanager
def running() -> Iterator[None]:
    """What `make run` runs, on any free port."""
    command = [sys.executable, "-m", "local"]
    with subprocess.Popen(command, env=os.environ | {"PORT": "0"}, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout  # noqa: S101 - it is a pipe
        if not any(line.startswith("ready ") for line in process.stdout):
            raise ChildProcessError("make run ended before it was ready")
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def invoke(event: Path) -> bool:
    """Whether the event's function answered as expected; prints the status, and all there is to see where it did not."""
    command: list[str | Path] = [
        ROOT / ".venv-sam/bin/sam",
        "local",
        "invoke",
        function(event),
        "-t",
        TEMPLATE,
        "-e",
        event,
    ]
    command.append("--skip-pull-image")
    run = subprocess.run(command, env=os.environ | AWS, capture_output=True, text=True, check=False)  # noqa: S603
    status = _status(run.stdout)
    right = status in expected(event)
    sys.stdout.write(f"{event.stem:20} {status}\n" if right else f"{event.stem}: {run.stdout}\n{run.stderr}\n")
    sys.stdout.flush()
    return right


def function(event: Path) -> str:
    """The logical id of the function that an event is for."""
    route = json.loads(event.read_bytes())["routeKey"]
    resources = read(ROOT / "template.yaml")["Resources"].items()
    return str(next(name for name, resource in resources if route in _routes(resource)))


def _routes(resource: dict[str, Any]) -> set[str]:
    events = resource.get("Properties", {}).get("Events", {}).values()
    return {"{Method} {Path}".format(**event["Properties"]) for event in events if event["Type"] == "HttpApi"}


def _status(printed: str) -> int:
    try:
        return int(json.loads(printed)["statusCode"])
    except (ValueError, KeyError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
