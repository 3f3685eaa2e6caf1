"""The limits under load: this version and an older one, in front of DynamoDB's rules (bench/dynamodb.py), in one run.

Each of so many callers has an environment of its own and mints as fast as it is answered. Both versions
and the stand-in share this machine's processors: compare the columns, and do not take a rate for AWS's.
Usage: python -m bench.contention [SECONDS]
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from bench.dynamodb import TABLE, Server

ROOT = Path(__file__).parents[1]
OLD = "7283a43"
CALLERS = (1, 32, 128, 512)
PROCESSES = 4
"""Processes that share the environments. Each has one interpreter lock."""

KEY = '{"api_key": "bench", "api_secret": "a-secret-that-is-long-enough-for-hs256"}'
SETTINGS = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "API_KEY_SECRET": "bench",
    "LIMITS_TABLE": TABLE,
    "LIVEKIT_URL": "wss://bench.livekit.cloud",
    "LIVEKIT_ROOMS": "*",
    "CALLER_PER_HOUR": "1000000",
    "CALLER_PER_DAY": "1000000",
    "POWERTOOLS_METRICS_NAMESPACE": "bench",
}
AMPLE, CEILING = 10_000_000, 500


class Run(NamedTuple):
    """One version under one load. counted: what the stand-in counted."""

    mints: list[dict[str, Any]]
    counted: dict[str, int]
    seconds: float

    @property
    def granted(self) -> list[dict[str, Any]]:
        return [mint for mint in self.mints if not mint["code"]]


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    with tempfile.TemporaryDirectory() as folder:
        versions = {"now": ROOT, OLD: checkout(OLD, Path(folder))}
        print(HEAD)
        for callers in CALLERS:
            for name, sources in versions.items():
                print(row(name, callers, load(sources, callers, seconds, AMPLE)), flush=True)
        print(f"\nA vendor's day of {CEILING}, 32 callers:")
        for name, sources in versions.items():
            print(f"  {name}: {ceiling(load(sources, 32, seconds, CEILING))}", flush=True)


def checkout(revision: str, folder: Path) -> Path:
    """The sources of an older version."""
    command = ["git", "archive", revision]
    packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as sources:
        sources.extractall(folder, filter="data")
    return folder


def load(sources: Path, callers: int, seconds: float, per_day: int) -> Run:
    """Lets so many callers mint for so long."""
    with serving() as (server, endpoint):
        workers = [
            start(sources, endpoint, number, seconds, per_day) for number in shares(callers, PROCESSES) if number
        ]
        for worker in workers:
            assert worker.stdout
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin
            worker.stdin.write("\n")
            worker.stdin.flush()
        mints = [mint for worker in workers for mint in json.loads(worker.communicate()[0])]
        return Run(mints, dict(server.rules.count), seconds)


def shares(callers: int, processes: int) -> list[int]:
    return [callers // processes + (number < callers % processes) for number in range(processes)]


def start(sources: Path, endpoint: str, number: int, seconds: float, per_day: int) -> subprocess.Popen[str]:
    settings = SETTINGS | {"VENDOR_PER_DAY": str(per_day)}
    command = [sys.executable, str(ROOT / "bench/environments.py"), str(sources), endpoint, str(number), str(seconds)]
    variables = [f"{name}={value}" for name, value in settings.items()]
    return subprocess.Popen(
        [*command, *variables], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=sources
    )


@contextmanager
def serving() -> Iterator[tuple[Server, str]]:
    """The stand-in for AWS and its URL."""
    loop = asyncio.new_event_loop()
    server = Server(KEY, loop.time)
    listening = loop.run_until_complete(asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))


HEAD = (
    "callers  version  mints/s  p50 ms  p99 ms  refused  units/mint  trips/mint  trips p99  conflicts/mint\n"
    "-------  -------  -------  ------  ------  -------  ----------  ----------  ---------  --------------"
)


def row(name: str, callers: int, run: Run) -> str:
    done = max(1, len(run.granted))
    times = sorted(mint["seconds"] * 1000 for mint in run.mints)
    trips = sorted(mint["tries"] for mint in run.granted) or [0]
    refused = Counter(mint["code"] for mint in run.mints if mint["code"])
    return (
        f"{callers:7}  {name:7}  {done / run.seconds:7.0f}  {statistics.median(times):6.0f}  {p99(times):6.0f}"
        f"  {1 - len(run.granted) / max(1, len(run.mints)):7.1%}  {run.counted.get('units', 0) / done:10.2f}"
        f"  {statistics.mean(trips):10.2f}  {p99(trips):9.0f}  {run.counted.get('conflicts', 0) / done:14.3f}"
        f"  {dict(refused) or ''}"
    )


def p99(values: list[float]) -> float:
    return values[int(len(values) * 0.99)]


def ceiling(run: Run) -> str:
    passed = "passed" if len(run.granted) > CEILING else "not passed"
    return f"{len(run.granted)} mints, {passed}"


if __name__ == "__main__":
    main()
