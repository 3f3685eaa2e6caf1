"""Execution environments of LiveKit's function, as many as callers, each busy with one caller's mints.

LiveKit's function signs its tokens itself, so nothing but the limits costs time. The module runs with any
version of the sources: it needs only their functions/livekit/ and layers/minting/.
Usage: python bench/environments.py SOURCES ENDPOINT NUMBER SECONDS VARIABLE=VALUE...
"""

import contextlib
import importlib
import io
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import urllib3

sent = Counter[str]()
"""Requests to AWS by the first part of the path, which names the environment."""


class Context:
    """As much of Lambda's context as a function reads."""

    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench"
    aws_request_id = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 25_000


class Environment:
    """One copy of the function, whose requests to AWS have a path of its own."""

    def __init__(self, sources: Path, endpoint: str, number: int) -> None:
        self.path = f"/{os.getpid()}-{number}/"
        os.environ["AWS_ENDPOINT_URL"] = endpoint + self.path
        package = ModuleType(f"copy_{number}")
        package.__path__ = [str(sources / "functions/livekit")]
        sys.modules[package.__name__] = package
        self._handler = importlib.import_module(f"{package.__name__}.app").handler
        self._event = json.loads((sources / "events/livekit-mint.json").read_text()) | {"body": "{}"}
        self.mints: list[dict[str, Any]] = []

    def work(self, caller: str, ends: float) -> None:
        """Mints for one caller, one after the other."""
        self._event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = caller
        while time.monotonic() < ends:
            began, before = time.monotonic(), sent[self.path]
            reply = self._handler(self._event, Context())
            said = json.loads(reply["body"])
            taken, tries = time.monotonic() - began, sent[self.path] - before
            code = "" if reply["statusCode"] == 201 else said.get("limit") or said["code"]
            self.mints.append({"code": code, "seconds": taken, "tries": tries})


def count_requests() -> None:
    """Counts what urllib3 sends. botocore uses it, and so may the layer."""
    send = urllib3.HTTPConnectionPool.urlopen

    def counted(pool: Any, method: str, url: str, *rest: Any, **named: Any) -> Any:
        sent[url] += 1
        return send(pool, method, url, *rest, **named)

    urllib3.HTTPConnectionPool.urlopen = counted  # type: ignore[method-assign, assignment]


def main(sources: str, endpoint: str, number: str, seconds: str, *variables: str) -> None:
    for variable in variables:
        name, _, value = variable.partition("=")
        os.environ[name] = value
    sys.path[:0] = [str(Path(sources) / "layers/minting")]
    count_requests()
    environments = [Environment(Path(sources), endpoint, each) for each in range(int(number))]
    print("ready", flush=True)
    input()
    ends = time.monotonic() + float(seconds)
    threads = [threading.Thread(target=each.work, args=(f"caller{each.path}", ends)) for each in environments]
    with contextlib.redirect_stdout(io.StringIO()):  # the records
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(json.dumps([mint for each in environments for mint in each.mints]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
