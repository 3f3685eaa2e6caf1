"""Sends the local gateway thousands of requests that docs/openapi.json allows, and others that it does not allow.

Usage: python -m tests.openapi.fuzz. It fails if a response is a 5xx or does not fit the file, for any warning, and for
fewer than LEAST requests.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from local.bundle import Bundle
from tools.openapi.samples import FOLLOWS

type Json = dict[str, Any]

ROOT = Path(__file__).parents[2]

LEAST = 5000

PLENTY = dict.fromkeys(
    (
        *("CALLER_PER_HOUR", "VENDOR_PER_DAY", "READS_CALLER_PER_HOUR", "READS_PER_DAY"),
        *("BROADCASTS_CALLER_PER_HOUR", "BROADCASTS_PER_DAY", "ODYSSEY_SLOTS", "ODYSSEY_SLOTS_PER_CALLER"),
    ),
    "1000000",
)


def main() -> int:
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        with Path(folder, "records").open("w") as records, redirect_stdout(records), Bundle(given=PLENTY) as bundle:
            vars(bundle.twins["odyssey"])["max_sessions"] = 1_000_000
            failed = run(bundle, report)
        requests = json.loads(report.read_bytes())["test_cases"]["generated"]
    sys.stdout.write(f"{requests} requests; at least {LEAST} are needed\n")
    return failed or requests < LEAST


def run(bundle: Bundle, report: Path) -> int:
    """Runs Schemathesis in its own environment, as a backend that may name users. Returns its exit status."""
    contract = report.with_name("openapi.json")
    contract.write_text(json.dumps(linked(json.loads((ROOT / "docs/openapi.json").read_bytes()))))
    command: list[str | Path] = [
        *(ROOT / ".venv-contract/bin/schemathesis", "--config-file", Path(__file__).with_name("schemathesis.toml")),
        *("run", contract, "--url", bundle.url, "--report", "json", "--report-json-path", report),
    ]
    environment = os.environ | {
        "CALLER_TOKEN": bundle.token("alice", scope=bundle.template.resolve({"Ref": "BackendScope"}))
    }
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603


def linked(contract: Json) -> Json:
    """The contract with OpenAPI's links, so that Schemathesis continues with ids and tokens of responses.

    docs/openapi.json has none, because generators of clients refuse a link with a body.
    """
    operations = {each["operationId"]: each for methods in contract["paths"].values() for each in methods.values()}
    for follower, (first, fields) in FOLLOWS.items():
        success = next(answer for status, answer in operations[first]["responses"].items() if status.startswith("2"))
        success.setdefault("links", {})[follower] = {"operationId": follower, **link(fields)}
    return contract


def link(fields: Mapping[str, str]) -> Json:
    """The members of the response that the next request takes, by their place in it."""
    taken = {field: f"$response.body#{pointer}" for field, pointer in fields.items()}
    path = {field: value for field, value in taken.items() if field.startswith("path.")}
    return {"parameters": path} if path else {"requestBody": taken}


if __name__ == "__main__":
    sys.exit(main())
