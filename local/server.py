"""HTTP/1.1 with keep-alive on a socket of this machine, one thread per connection, quiet."""

import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Bytes; API Gateway's quota "Payload size" for HTTP APIs."""


class Request(NamedTuple):
    """`path` and `query` are as sent, still percent-encoded; `headers` keep their order and repetitions."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    source_ip: str = "127.0.0.1"

    def header(self, name: str) -> str | None:
        """All values of a header (`name` in lower case), joined with commas; None when it was not sent."""
        values = [value for key, value in self.headers if key.lower() == name]
        return ",".join(values) if values else None


class Response(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


type Answer = Callable[[Request], Response]


class BodyError(Exception):
    """A body that cannot be read, so the connection is of no further use. `args` are the status and its message."""


class Server:
    """Takes its port when it is made (0: any free one), answers from `start` to `stop`. Raises OSError if the port is taken."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._listener = _Listener((host, port), _Connection)
        self.port: int = self._listener.server_address[1]
        self.url = f"http://{host}:{self.port}"

    def start(self, answer: Answer) -> None:
        self._listener.answer = answer
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Also right for a server that never started."""
        if self._listener.answer:
            self._listener.shutdown()
        self._listener.server_close()


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 2048  # a thousand clients may connect at once
    answer: Answer | None = None

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that went away is no news
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a kept-alive client waits 40 ms for the body behind its headers
    wbufsize = -1  # headers and body leave in one piece
    error_content_type = "application/json"
    error_message_format = '{"message": "%(message)s"}'

    def _answer(self) -> None:
        try:
            body = self._body()
        except BodyError as error:
            self.close_connection = True
            self.send_error(*error.args)
            return
        self._send(self._ask(body))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def _ask(self, body: bytes) -> Response:
        assert self.server.answer  # noqa: S101 - nothing is accepted before start()
        # Not self.path: there the base class makes one slash of several at its start.
        path, _, query = self.requestline.split()[1].partition("?")
        return self.server.answer(
            Request(self.command, path, query, self.headers.items(), body, self.client_address[0])
        )

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self._read(_size(self.headers.get("content-length", "0"), base=10))

    def _chunks(self) -> list[bytes]:
        chunks: list[bytes] = []
        room = MAX_BODY_BYTES
        while size := _size(self.rfile.readline(80).decode("latin-1").partition(";")[0].strip(), base=16):
            chunks.append(self._read(size, room))
            room -= size
            self.rfile.readline(80)
        self.rfile.readline(80)
        return chunks

    def _read(self, size: int, room: int = MAX_BODY_BYTES) -> bytes:
        if size > room:
            raise BodyError(413, "Request Entity Too Large")
        return self.rfile.read(size)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def version_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by the base class
        """Nothing: the functions' own log lines are what there is to read."""


def _size(digits: str, base: int) -> int:
    with suppress(ValueError):
        if (size := int(digits, base)) >= 0:
            return size
    raise BodyError(400, "Bad Request")
