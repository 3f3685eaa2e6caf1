"""The HTTP server of everything that runs here: the gateway, the issuer, AWS and the vendors' twins."""

import socket
import sys
import threading
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

from werkzeug import wrappers
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, RequestEntityTooLarge
from werkzeug.serving import DechunkedInput, ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

BACKLOG = 2048
"""Connections that may wait to be accepted, so that a thousand clients can connect at once."""


class Response(wrappers.Response):
    """A response that gets no content type by itself."""

    default_mimetype = None


class Connection(WSGIRequestHandler):
    """One client's connection, which stays open between requests. werkzeug's own handler closes it after each."""

    server: "Server"
    _headers_buffer: list[bytes]  # http.server's own
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise the body waits 40 ms for the client to acknowledge the headers
    error_content_type = "application/json"
    error_message_format = '{"message": "%(message)s"}'

    def run_wsgi(self) -> None:
        try:
            self.environ = self.make_environ()
            self.environ["wsgi.input"] = BytesIO(self._body(self.environ))
        except HTTPException as refusal:
            self.close_connection = True  # the next bytes are the rest of this body, not a request
            self.server.refused(self.command, self.path.partition("?")[0], refusal.code or 400, refusal.name)
            self.send_error(refusal.code or 400, refusal.name)
            return
        self.transmit(Response.from_app(self.server.app, self.environ, buffered=True))

    def make_environ(self) -> "WSGIEnvironment":
        self.path = self.requestline.split()[1]  # http.server makes one slash of several at the start
        try:
            return super().make_environ()
        except ValueError as unreadable:  # such as `//[`, which begins like an IPv6 address
            raise BadRequest from unreadable

    def _body(self, environ: "WSGIEnvironment") -> bytes:
        """The whole body. Read before the app runs, so that a slow client holds no lock of the app."""
        if "wsgi.input_terminated" in environ:
            return _Chunks(self.rfile, self.server.max_body).readall()
        length = environ.get("CONTENT_LENGTH", "0")
        if not (length.isascii() and length.isdecimal()):
            raise BadRequest
        if int(length) > self.server.max_body:
            raise RequestEntityTooLarge
        return self._read(int(length))

    def _read(self, length: int) -> bytes:
        body: bytes = self.rfile.read(length)
        if len(body) < length:
            raise BadRequest
        return body

    def transmit(self, response: wrappers.Response) -> None:
        if response.status_code == 101:
            self.close_connection = True  # the client speaks another protocol from now on
        self.send_head(response, response.get_data())

    def send_head(self, response: wrappers.Response, body: bytes = b"") -> None:
        """With `body` in one packet, because each packet wakes the client."""
        self.send_response(response.status_code)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self._headers_buffer += [b"\r\n", body]
        self.flush_headers()

    def version_string(self) -> str:
        return "local"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Logs nothing, because a request line may hold a token."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Logs nothing, for the same reason."""


class _Chunks(DechunkedInput):
    """A chunked body. Raises RequestEntityTooLarge as soon as the client announces more than `limit` bytes."""

    def __init__(self, rfile: Any, limit: int) -> None:
        super().__init__(rfile)
        self._left = limit

    def read_chunk_len(self) -> int:
        length = super().read_chunk_len()
        self._left -= length
        if self._left < 0:
            raise RequestEntityTooLarge
        return length

    def readinto(self, buf: bytearray) -> int:  # type: ignore[override]
        """Raises BadRequest for a malformed chunk."""
        try:
            return super().readinto(buf)
        except OSError as malformed:
            raise BadRequest from malformed


def _ignore(_method: str, _path: str, _status: int, _why: str) -> None:
    """The twins and the issuer tell nobody."""


class Server(ThreadedWSGIServer):
    """Takes its port when it is made (0: any free one). Serves from `start` to `stop`, with one thread for each connection.

    max_body: the most bytes of a request's body. refused: called with the method, the path, the status and the reason of a
    request that the app never sees. Raises OSError if the port is taken.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        connection: type[Connection] = Connection,
        max_body: int = sys.maxsize,
        refused: "Callable[[str, str, int, str], None]" = _ignore,
    ) -> None:
        self.refused = refused
        self.max_body = max_body
        self.closing, self._stopped = threading.Event(), threading.Event()
        self._open: set[socket.socket] = set()
        # werkzeug ends the whole process if it cannot bind, so it gets a socket that is bound already.
        with socket.create_server((host, port), backlog=BACKLOG) as listener:
            super().__init__(host, port, NotFound(), connection, fd=listener.fileno())

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self, app: "WSGIApplication") -> None:
        self.app = app
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        """Sleeps until a client connects. A dozen servers that look up every 20 ms take a hundredth of a processor."""
        while not self.closing.is_set():
            self.handle_request()
        self.server_close()
        self._stopped.set()

    def stop(self) -> None:
        """Also closes the connections that clients keep open: a stopped server answers nobody."""
        self.closing.set()
        with suppress(OSError):  # a client has just connected, so it has ended already
            socket.create_connection((self.host, self.port)).close()  # ends the sleep
        self._stopped.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """Closes the connections that clients keep open."""
        for connection in list(self._open):
            with suppress(OSError):  # the client has closed it already
                connection.shutdown(socket.SHUT_RDWR)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)
