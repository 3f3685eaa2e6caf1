"""Loads and calls the bundle's functions as Lambda does, in this process."""

import importlib
import itertools
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]

COPY = "function_"
"""The start of the name of every fresh copy of a function's package."""

type Handler = Callable[[dict[str, Any], Any], Any]

_loading = threading.Lock()
_loads = itertools.count(1)


def load(vendor: str, environment: Mapping[str, str], root: Path = ROOT) -> Handler:
    """The handler of a fresh copy of functions/<vendor>/app.py, as in a new execution environment."""
    handler: Handler = load_module(vendor, environment, root).handler
    return handler


def load_module(vendor: str, environment: Mapping[str, str], root: Path = ROOT) -> ModuleType:
    """The module functions/<vendor>/app.py, freshly imported together with its siblings.

    `environment` is added to the environment of this process during the import only.
    """
    package = ModuleType(f"{COPY}{vendor}_{next(_loads)}")
    package.__path__ = [str(root / "functions" / vendor)]
    with _loading, patch.dict(os.environ, environment):
        sys.modules[package.__name__] = package
        return importlib.import_module(f"{package.__name__}.app")


class Context:
    """Lambda's context object. Times in seconds, memory in MB."""

    function_version = "$LATEST"
    client_context = None
    identity = None

    def __init__(
        self, function_name: str = "local", timeout: float = 25, memory: int = 512, request_id: str = ""
    ) -> None:
        self._ends = time.monotonic() + timeout
        self.aws_request_id = request_id or str(uuid.uuid4())
        self.function_name = function_name
        self.memory_limit_in_mb = memory
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function_name}"
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = "local"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._ends - time.monotonic()) * 1000))


class FunctionCrashError(Exception):
    """The handler raised an exception, which is `__cause__`."""


class TooSlowError(Exception):
    """There was no reply in time. The handler continues in its thread, as it may in Lambda."""


class Function:
    """A handler, its timeout in seconds and its memory in MB."""

    def __init__(self, name: str, handler: Handler, timeout: float = 25, memory: int = 512) -> None:
        self.name, self.handler, self.timeout, self.memory = name, handler, timeout, memory

    def invoke(self, event: dict[str, Any], patience: float, request_id: str = "") -> Any:
        """The handler's reply. `request_id`: the id that Lambda gives to this call. Raises FunctionCrashError.

        Raises TooSlowError after `patience` seconds, or after the function's timeout if that is shorter.
        """
        outcome: Future[Any] = Future()
        context = Context(self.name, self.timeout, self.memory, request_id)
        threading.Thread(target=self._run, args=(event, context, outcome), daemon=True).start()
        wait([outcome], min(patience, self.timeout))
        if not outcome.done():
            raise TooSlowError
        return outcome.result()

    def _run(self, event: dict[str, Any], context: Context, outcome: Future[Any]) -> None:
        try:
            outcome.set_result(self.handler(event, context))
        except BaseException as error:  # noqa: BLE001 - even SystemExit ends the function only, not this process
            crash = FunctionCrashError(self.name)
            crash.__cause__ = error
            outcome.set_exception(crash)
