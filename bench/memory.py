"""The memory of `make run` while 500 callers mint 10,000 times.

Usage: python -m bench.memory [CALLERS]
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import requests

EVENTS = ("spatius-mint", "convai-mint", "trulience-mint", "livekit-mint", "agora-mint")
"""Vendors whose default limits allow 2,000 mints a day."""

ROUNDS = 4


def main() -> None:
    callers = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with running() as (url, process):
        print(f"started: {megabytes(process, 'VmRSS')} MB")
        with ThreadPoolExecutor(8) as pool:
            tokens = list(pool.map(lambda number: sign_in(url, f"caller-{number}"), range(callers)))
            asked = product(range(ROUNDS), EVENTS, tokens)
            statuses = list(pool.map(lambda one: mint(url, one[1], one[2]), asked))
        print(f"{statuses.count(201)} of {len(statuses)} mints: peak {megabytes(process, 'VmHWM')} MB")


@contextmanager
def running() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`make run`, and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local"], env=os.environ | {"PORT": "0"}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        ready = next(line for line in process.stdout if line.startswith("ready "))
        drain = ThreadPoolExecutor(1).submit(process.stdout.read)
        yield ready.split()[1], process
    finally:
        process.terminate()
        drain.result()


def sign_in(url: str, sub: str) -> str:
    token: str = requests.post(f"{url}/_local/token", json={"sub": sub}, timeout=30).json()["token"]
    return token


def mint(url: str, event: str, token: str) -> int:
    sample: dict[str, Any] = json.loads(Path(f"events/{event}.json").read_text())
    method, path = sample["routeKey"].split()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return requests.request(method, url + path, headers=headers, data=sample.get("body"), timeout=60).status_code


def megabytes(process: subprocess.Popen[str], member: str) -> int:
    """A member of Linux' /proc/PID/status."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{member}:")).split()[1]) // 1024


if __name__ == "__main__":
    main()
