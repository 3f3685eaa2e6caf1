"""What this process did: every request that the gateway answered, with the record that its function wrote.

It holds no body, no header, no query and no token, because the console and the page show it.
"""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

KEPT = 500
"""Exchanges that a page which opens later still sees."""

MAX_PATH = 120
"""Characters of a path. Nobody knows what is in the path of an unknown route."""


@dataclass
class Exchange:
    """One request and its answer.

    id: the request id of the function, which is also the mint id. at: Unix seconds. route: `METHOD /path/{id}`, or the path as
    sent if there is no such route. code: the outcome in the function's record, or the gateway's own message. ms: how long it
    took. reason: why it failed, also where AWS does not say. number: its place in the journal, from 1. vendor: the vendor whose
    stand-in answered. "": the gateway did. calls: those of the vendor's stand-in that its function made, in order.
    """

    route: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    at: float = field(default_factory=time.time)
    caller: str = ""
    status: int = 0
    code: str = ""
    ms: float = 0.0
    reason: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    vendor: str = ""
    calls: list["Exchange"] = field(default_factory=list)

    def because(self, *reasons: str) -> None:
        """Adds the reasons that are not empty and not yet there."""
        self.reason = "; ".join(dict.fromkeys(filter(None, (self.reason, *reasons))))


class Journal:
    """`listeners` are called with each finished exchange, one at a time. run: names this journal. Another one counts anew."""

    def __init__(self) -> None:
        self.run = str(uuid.uuid4())
        self.listeners: list[Callable[[Exchange], None]] = []
        self._changed = threading.Condition()
        self._open: dict[str, Exchange] = {}
        self._kept: deque[Exchange] = deque(maxlen=KEPT)
        self._last = 0

    @contextmanager
    def exchange(self, method: str, path: str) -> Iterator[Exchange]:
        """An exchange, which the block fills in. It is finished when the block ends."""
        exchange = Exchange(f"{method} {path}"[:MAX_PATH])
        self._open[exchange.id] = exchange
        started = time.monotonic()
        try:
            yield exchange
        finally:
            exchange.ms = round((time.monotonic() - started) * 1000, 1)
            del self._open[exchange.id]
            self._finish(exchange)

    def record(self, record: dict[str, Any]) -> None:
        """Adds a function's record to its exchange. A record that is too late for that is an exchange of its own."""
        exchange = self._open.get(record["mint_id"])
        if exchange:
            exchange.record = record
        else:
            self._finish(_late(record))

    def called(self, call: Exchange, *, by_function: bool) -> None:
        """Adds a call of a vendor's stand-in to the request whose function made it.

        Nothing in the call names that request. So while the vendor's function answers several, the call is by itself.
        """
        asking = [found for found in list(self._open.values()) if found.route.split("/")[1:3] == ["v1", call.vendor]]
        if by_function and len(asking) == 1:
            asking[0].calls.append(call)
        else:
            self._finish(call)

    def since(self, number: int, patience: float) -> list[Exchange]:
        """The exchanges after `number`. Waits up to `patience` seconds for the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._last > number, patience)
            return [exchange for exchange in self._kept if exchange.number > number]

    def _finish(self, exchange: Exchange) -> None:
        with self._changed:
            self._last = exchange.number = self._last + 1
            self._kept.append(exchange)
            for listener in self.listeners:
                listener(exchange)
            self._changed.notify_all()


def _late(record: dict[str, Any]) -> Exchange:
    """The exchange of a record that no open request has: nobody waited for it, or a schedule asked for it."""
    caller = record.get("caller") or {}
    return Exchange(
        record["route"],
        record["mint_id"],
        caller=caller.get("user") or caller.get("sub", ""),
        status=record["status"],
        code=record["outcome"],
        ms=record["duration_ms"],
        reason="nobody waited for this answer",
        record=record,
    )
