"""`python -m local.sam.invoke HOST`: every sample event through `sam local invoke`, and whether each was answered as it should.

HOST is this machine's address as containers see it: there the stand-ins of AWS and of the vendors listen.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from moto.server import ThreadedMotoServer

from local.bundle import Bundle
from local.functions import ROOT
from local.template import read
from local.twins import TWINS

BUILD = ROOT / ".aws-sam/build"
ARCHITECTURE = platform.machine().replace("aarch64", "arm64")

AWS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    # `sam local` asks STS who it is; what refuses it at once spares 12 s each time.
    "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
    "AWS_MAX_ATTEMPTS": "1",
}

NAMING = {"extend", "revoke", "part-urls", "complete", "cancel", "cancel-post", "watch", "end"}
"""Operations that go on with what another has made."""


def main(host: str) -> int:
    with stand_ins(host) as bundle:
        template = write_template(bundle)
        answered = [invoke(template, event) for event in sorted((ROOT / "events").glob("*.json"))]
    return 0 if all(answered) else 1


def expected(event: Path) -> set[int]:
    """The statuses that answer a sample event: a success, or a refusal where the sample names a thing that was never made."""
    return {403, 404, 409} if event.stem.partition("-")[2] in NAMING else {200, 201}


@contextmanager
def stand_ins(host: str) -> Iterator[Bundle]:
    """The bundle with its vendors and its AWS listening on `host`."""
    with ExitStack() as exits:
        moto = ThreadedMotoServer(host, 0, verbose=False)
        moto.start()
        exits.callback(moto.stop)
        given = {"AWS_ENDPOINT_URL": "http://{}:{}".format(*moto.get_host_and_port())}
        for twin in [kind() for kind in TWINS.values()]:
            twin.start(host)
            exits.callback(twin.stop)
            given |= twin.environment()
        yield exits.enter_context(Bundle(given=given))


def write_template(bundle: Bundle) -> Path:
    """The built template with the stand-ins' addresses in it: `sam local` sets no variable that a template does not name."""
    document = read(BUILD / "template.yaml")
    document["Parameters"]["Architecture"]["Default"] = ARCHITECTURE
    for vendor, name in functions(document).items():
        document["Resources"][name]["Properties"]["Environment"]["Variables"] = bundle.environment(vendor)
    path = BUILD / "sam-local.json"
    path.write_text(json.dumps(document))
    return path


def functions(document: dict[str, Any]) -> dict[str, str]:
    """Each function's logical id by its vendor."""
    resources = document["Resources"].items()
    names = [name for name, resource in resources if resource["Type"] == "AWS::Serverless::Function"]
    return {name.removesuffix("Function").lower(): name for name in names}


def invoke(template: Path, event: Path) -> bool:
    """Whether the event's function answered as expected; prints the status, and all there is to see where it did not."""
    function = functions(read(template))[event.stem.partition("-")[0]]
    command: list[str | Path] = [ROOT / ".venv-sam/bin/sam", "local", "invoke", function, "-t", template, "-e", event]
    command.append("--skip-pull-image")
    run = subprocess.run(command, env=os.environ | AWS, capture_output=True, text=True, check=False)  # noqa: S603
    status = _status(run.stdout)
    right = status in expected(event)
    sys.stdout.write(f"{event.stem:20} {status}\n" if right else f"{event.stem}: {run.stdout}\n{run.stderr}\n")
    sys.stdout.flush()
    return right


def _status(printed: str) -> int:
    try:
        return int(json.loads(printed)["statusCode"])
    except (ValueError, KeyError):
        return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
