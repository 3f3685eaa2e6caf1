"""How a twin's answers travel: keep-alive HTTP/1.1 on a threaded werkzeug server, and faults that damage an answer."""

import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Literal

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request, Response

FAULTS = "twin.faults"  # in a request's environ: a list, to which the twin appends the fault that the request meets


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the requests whose path starts with `path`; of several that fit, the one set first.

    times: how many requests it meets; None = all until the reset.
    status, body: answered in the vendor's place, whose state stays untouched (body: str as it is, anything else as
    JSON; `{key}` in it becomes the API key that the request carried). With neither, the vendor does its work and its
    own answer is late, damaged or lost.
    delay: seconds before the answer.
    mode: "answer" whole; "cut" promises the whole body, sends half and closes; "drip" sends one byte every `pause`
    seconds; "drop" closes without an answer.
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


class Server(ThreadedWSGIServer):
    """Knows its open connections: stopping it must end the kept-alive ones too, or a "stopped" vendor still answers."""

    def __init__(self, host: str, port: int, app: Any) -> None:
        self.closing = threading.Event()
        self.open: set[socket.socket] = set()
        super().__init__(host, port, app, Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self.open):
            with suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self.shutdown()
        self.closing.set()
        self.hang_up()


class Connection(WSGIRequestHandler):
    """One client connection, kept open between answers as the vendors do; werkzeug's own handler closes it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a head and a body in two packets wait 40 ms for each other otherwise
    server: Server

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        try:
            # Read here, so that no route waits for a slow client while it holds the twin's lock.
            environ["wsgi.input"] = BytesIO(Request(environ, populate_request=False).get_data())
        except ClientDisconnected:
            self.close_connection = True
            return
        met: list[Fault] = []
        environ[FAULTS] = met
        response = Response.from_app(self.server.app, environ, buffered=True)
        self._transmit(response, met[0] if met else NO_FAULT)

    def _transmit(self, response: Response, fault: Fault) -> None:
        self.server.closing.wait(fault.delay)
        if fault.mode in {"cut", "drop"} or response.status_code == 101:  # after 101 no HTTP is spoken any more
            self.close_connection = True
        if fault.mode == "drop":
            return
        self._send_head(response)
        self._send_body(response.get_data(), fault)

    def _send_head(self, response: Response) -> None:
        self.send_response(response.status_code)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, body: bytes, fault: Fault) -> None:
        if fault.mode != "drip":
            self.wfile.write(body[: len(body) // 2] if fault.mode == "cut" else body)
            return
        for place in range(len(body)):
            self.wfile.write(body[place : place + 1])
            self.server.closing.wait(fault.pause)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name for it
        """Nothing: a request line may carry a token."""
