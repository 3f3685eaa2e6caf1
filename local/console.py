"""The console of `make run`: one line for each request."""

import time
from typing import TextIO

from local.journal import Exchange


class Console:
    """Writes to `out`, which is usually a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, exchange: Exchange) -> None:
        """Calls of the stand-ins are on the page only."""
        if not exchange.vendor:
            self._out.write(f"{line(exchange)}\n")
            self._out.flush()


def line(exchange: Exchange) -> str:
    """Time, caller, route, status, code and duration, and why it failed."""
    when = time.strftime("%H:%M:%S", time.localtime(exchange.at))
    answer = f"{exchange.status or '-':<4}{exchange.code or '-':<20} {exchange.ms:6.0f} ms"
    columns = f"{when}  {exchange.caller or '-':<12}  {exchange.route:<44}  {answer}  {exchange.reason}"
    return "".join(
        sign if sign.isprintable() else "?" for sign in columns
    ).rstrip()  # a path may hold a terminal's commands
