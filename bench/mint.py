"""Cold start and warm CPU of our Trulience function against a bare boto3 + requests handler, in turn, in one run.

`counted` is the bare handler with one conditional write to DynamoDB, the least that any limit needs.
Ratios and differences are taken round by round: the machine's speed drifts, they much less.
Needs `make build`. Usage: python -m bench.mint [ROUNDS]
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
from typing import NamedTuple

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
        counted = environment | {"COUNTED": "yes"}
        rounds = [
            Round(
                run(bare, event, environment, WARM),
                run(bare, event, counted, WARM),
                run(ours, event, environment, WARM),
            )
            for _ in range(pairs)
        ]
    _report(rounds)


class Round(NamedTuple):
    """All of them, one after the other."""

    bare: Timing
    counted: Timing
    ours: Timing


def _report(rounds: list[Round]) -> None:
    """Ratios of the cold start to the first answer; differences of the CPU time of later ones."""
    print(f"rounds                              {len(rounds)}")
    for name in Round._fields:
        print(f"cold start, {name:8}                {_spread([getattr(r, name).cold * 1000 for r in rounds])} ms")
    print(f"cold start, ours / bare             {_spread([r.ours.cold / r.bare.cold for r in rounds], 2)}")
    print(f"cold start, ours / counted          {_spread([r.ours.cold / r.counted.cold for r in rounds], 2)}")
    for name in Round._fields:
        print(
            f"CPU a mint, {name:8}                {_spread([getattr(r, name).warm_cpu * 1000 for r in rounds], 2)} ms"
        )
    print(
        f"CPU a mint, ours - bare             {_spread([(r.ours.warm_cpu - r.bare.warm_cpu) * 1000 for r in rounds], 2)} ms"
    )
    print(
        f"CPU a mint, ours - counted          {_spread([(r.ours.warm_cpu - r.counted.warm_cpu) * 1000 for r in rounds], 2)} ms"
    )


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
