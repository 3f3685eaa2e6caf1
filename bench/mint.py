"""Cold start and warm CPU of our Trulience function against a bare boto3 + requests handler, in turn, in one run.

Prints a line for each, with the ratio pair by pair: the machine's speed drifts, the ratio much less.
Needs `make build`. Usage: python -m bench.mint [PAIRS]
"""

import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib.metadata import distribution
from pathlib import Path

import boto3

from bench.runtime import Timing, run
from local import aws
from local.twins import TWINS

BUILT = Path(".aws-sam/build").resolve()
AWS = ["boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"]
RUNTIME = ["awslambdaric", "simplejson", "snapshot-restore-py", *AWS]
BARE = ["requests", "certifi", "idna", "charset-normalizer", "urllib3"]
WARM = 200


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        bare, ours = _paths(Path(folder))
        environment = _stand_ins()
        event = json.loads(Path("events/trulience-mint.json").read_text())
        run(bare, event, environment, 1)
        run(ours, event, environment, 1)
        timings = [(run(bare, event, environment, WARM), run(ours, event, environment, WARM)) for _ in range(pairs)]
    _report(timings)


def _report(timings: list[tuple[Timing, Timing]]) -> None:
    bare, ours = zip(*timings, strict=True)
    ratios = [our.cold / its.cold for its, our in timings]
    extra = [(our.warm_cpu - its.warm_cpu) * 1000 for its, our in timings]
    print(f"pairs                 {len(timings)}")
    print(f"cold start, bare      {_spread([t.cold * 1000 for t in bare])} ms")
    print(f"cold start, ours      {_spread([t.cold * 1000 for t in ours])} ms")
    print(f"cold start, ratio     {_spread(ratios, 2)}")
    print(f"warm CPU, bare        {_spread([t.warm_cpu * 1000 for t in bare], 2)} ms a mint")
    print(f"warm CPU, ours        {_spread([t.warm_cpu * 1000 for t in ours], 2)} ms a mint")
    print(f"warm CPU, difference  {_spread(extra, 2)} ms a mint")


def _spread(values: list[float], digits: int = 0) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:.{digits}f} / {middle:.{digits}f} / {high:.{digits}f} (min / median / max)"


def _paths(folder: Path) -> tuple[list[Path], list[Path]]:
    """The import paths of both, in Lambda's order: function, layer, runtime. All with bytecode; the yardstick has it too."""
    runtime, site = folder / "runtime", folder / "site"
    _copy(RUNTIME, runtime)
    _copy(BARE, site)
    shutil.copy("bench/bare/app.py", site)
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", folder], check=True
    )
    return [site, runtime], [BUILT / "TrulienceFunction", BUILT / "MintingLayer" / "python", runtime]


def _copy(names: list[str], target: Path) -> None:
    for name in names:
        for file in distribution(name).files or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target / file)


def _stand_ins() -> dict[str, str]:
    """Starts AWS's and the vendor's stand-in in this process, and tells where they are."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    twin = TWINS["trulience"]()
    twin.start()
    environment = {
        "AWS_ENDPOINT_URL": aws.start(ExitStack()),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "API_KEY_SECRET": "bench",
        "LIMITS_TABLE": "bench",
        "CALLER_PER_HOUR": "1000000",
        "VENDOR_PER_DAY": "1000000",
        "TRULIENCE_AVATAR_IDS": "*",
        "TRULIENCE_API_URL": twin.url,
    }
    os.environ |= environment
    boto3.client("secretsmanager").create_secret(Name="bench", SecretString='{"api_key": "tru_live_local_key"}')
    boto3.client("dynamodb").create_table(
        TableName="bench",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return environment


if __name__ == "__main__":
    main()
