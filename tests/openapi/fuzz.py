"""Sends the local gateway thousands of requests that docs/openapi.json allows, and others that it does not allow.

Usage: python -m tests.openapi.fuzz. It fails if a response is a 5xx or does not fit the file, for any warning, and for
fewer than LEAST requests.
"""

import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from local.bundle import Bundle

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
    command: list[str | Path] = [
        *(ROOT / ".venv-contract/bin/schemathesis", "--config-file", Path(__file__).with_name("schemathesis.toml")),
        *("run", ROOT / "docs/openapi.json", "--url", bundle.url, "--report", "json", "--report-json-path", report),
    ]
    environment = os.environ | {
        "CALLER_TOKEN": bundle.token("alice", scope=bundle.template.resolve({"Ref": "BackendScope"}))
    }
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
