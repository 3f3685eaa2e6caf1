"""What `make run` prints: one line for each request, with the reason that AWS would keep to itself."""

import io
import json
import threading
import time
from contextlib import suppress
from typing import Any, TextIO

WIDTH = 160
"""The most characters of one column."""


class Console(io.TextIOBase):
    """Takes the place of standard output. Makes a line of each function's record, and leaves its metrics out.

    With `verbose`, the records and the metrics follow as they are. All other text passes.
    """

    def __init__(self, out: TextIO, *, verbose: bool = False) -> None:
        self._out, self._verbose = out, verbose
        self._begun = threading.local()

    def write(self, text: str) -> int:
        """Writes whole lines, because functions in several threads write at once."""
        *lines, rest = (getattr(self._begun, "line", "") + text).split("\n")
        self._begun.line = rest
        for line in lines:
            self._write(line)
        return len(text)

    def flush(self) -> None:
        self._out.flush()

    def report(self, method: str, path: str, status: int, reason: str) -> None:
        """A line for a request that no function recorded."""
        self._print(_line(status, "-", f"{method} {path}", "-", None, reason))

    def _write(self, line: str) -> None:
        output = _output(line)
        if "mint_id" in output:
            self._print(_of_record(output))
        if self._verbose or not output.keys() & {"mint_id", "_aws"}:
            self._print(line)

    def _print(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


def _output(line: str) -> dict[str, Any]:
    """A function's record or its metrics. Empty for any other text."""
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}


def _of_record(record: dict[str, Any]) -> str:
    caller = record.get("caller") or {}
    name = f"{caller['sub']} for {caller['user']}" if caller.get("user") else caller.get("sub", "-")
    spent, reasons = record.get("duration_ms"), [record.get("detail"), *(record.get("notes") or [])]
    return _line(record["status"], record["outcome"], record["route"], name, spent, "; ".join(filter(None, reasons)))


def _line(status: int, code: str, route: str, caller: str, spent: float | None, reason: str) -> str:  # noqa: PLR0913, PLR0917
    """The columns of a line. `spent` is in milliseconds."""
    duration = "-" if spent is None else f"{spent:.0f} ms"
    columns = (
        f"{time.strftime('%H:%M:%S')}  {status}  {code:20}  {_shown(route):44}  {_shown(caller):16}  {duration:>8}"
    )
    return f"{columns}  {_shown(reason)}".rstrip()


def _shown(text: str) -> str:
    """A text from outside, which can neither break the line nor steer a terminal."""
    plain = "".join(each if each.isprintable() else "?" for each in text)
    return plain if len(plain) <= WIDTH else f"{plain[: WIDTH - 1]}…"
