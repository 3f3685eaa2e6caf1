"""How a twin's answers travel, and the faults that damage them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from werkzeug.wrappers import Response

from local.server import Connection
from local.twins.websocket import ENDED, hold

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FAULTS = "twin.faults"
"""In a request's environ: a list to which the twin appends the fault of the request."""

BEGAN = "twin.began"
"""In a request's environ: when it came, in Unix seconds."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the requests whose path starts with `path`. If several faults fit, the oldest is used.

    times: how many requests it affects. None: all requests until the reset.
    status, body: answered in place of the vendor, whose state does not change. A string is sent as it is, anything else as JSON.
    `{key}` in it becomes the API key of the request. Without both, the vendor does its work, and its answer is late,
    damaged or lost.
    delay: seconds before the answer.
    mode: "answer" sends all of it. "cut" promises the whole body, sends half of it and closes. "drip" sends one byte every
    `pause` seconds. "drop" closes without an answer.
    """

    path: str = ""
    times: int | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | Sequence[Any] | str | None = None
    delay: float = 0.0
    mode: Literal["answer", "cut", "drip", "drop"] = "answer"
    pause: float = 0.05


NO_FAULT = Fault()


class TwinConnection(Connection):
    """A connection whose answers can be damaged."""

    def make_environ(self) -> "WSGIEnvironment":
        return super().make_environ() | {FAULTS: [], ENDED: [], BEGAN: time.time()}

    def transmit(self, response: Response) -> None:
        fault: Fault = next(iter(self.environ[FAULTS]), NO_FAULT)
        self.server.closing.wait(fault.delay)
        self.close_connection |= fault.mode in {"cut", "drop"}
        match fault.mode:
            case "answer":
                super().transmit(response)
                self._hold()
            case "cut":
                self.send_head(response)
                self.wfile.write(response.get_data()[: len(response.get_data()) // 2])
            case "drip":
                self._drip(response, fault.pause)

    def _hold(self) -> None:
        for ended in self.environ[ENDED]:
            ended(hold(self.rfile, self.wfile))

    def _drip(self, response: Response, pause: float) -> None:
        self.send_head(response)
        body = response.get_data()
        for place in range(len(body)):
            self.wfile.write(body[place : place + 1])
            self.server.closing.wait(pause)
