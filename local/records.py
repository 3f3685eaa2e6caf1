"""The standard output of the functions, which at AWS is their log."""

import io
import json
import threading
from typing import Any, TextIO

from local.journal import Journal


class Records(io.TextIOBase):
    """Takes the place of sys.stdout. Gives the functions' records to the journal, and other text to `out`.

    verbose: `out` gets the raw records and metrics too.
    """

    def __init__(self, journal: Journal, out: TextIO, *, verbose: bool = False) -> None:
        self._journal, self._out, self._verbose = journal, out, verbose
        self._begun = threading.local()

    def write(self, text: str) -> int:
        """Several functions write at once, so each thread has a line of its own."""
        *lines, self._begun.line = (getattr(self._begun, "line", "") + text).split("\n")
        for line in lines:
            self._take(line)
        return len(text)

    def _take(self, line: str) -> None:
        found = _object(line)
        if found is None or self._verbose:
            self._out.write(f"{line}\n")
            self._out.flush()
        if found and "mint_id" in found and "_aws" not in found:
            self._journal.record(found)


def _object(line: str) -> dict[str, Any] | None:
    """The JSON object in the line. None if it is other text."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
