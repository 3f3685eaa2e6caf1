"""A server at the level of sockets, for what no HTTP server does: it breaks TLS, drips a head, has a bad certificate."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Self

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"target": "it"}'

type Serve = Callable[[socket.socket], object]


class RawServer:
    """Gives each connection to `serve`. `requests` holds what clients sent, one entry for each connection that sent anything."""

    def __init__(self, serve: Serve, tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.connections = 0
        self.requests: list[bytes] = []
        self.ended = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the test is over
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._converse, args=[connection], daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with closing(connection), suppress(OSError):  # a client that hangs up, or refuses our certificate
            self._serve(connection)

    def shake_hands(self, connection: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(connection, server_side=True) if self._tls else connection

    def take(self, connection: socket.socket) -> None:
        """Reads one request, whose body is the empty JSON object."""
        request = b""
        while not request.endswith(b"\r\n\r\n{}") and (part := connection.recv(65_536)):
            request += part
        if request:
            self.requests.append(request)


def answering(tls: ssl.SSLContext | None = None) -> RawServer:
    """A server that answers one request on each connection."""

    def serve(connection: socket.socket) -> None:
        with server.shake_hands(connection) as secured:
            server.take(secured)
            secured.sendall(ANSWER)

    server = RawServer(serve, tls)
    return server
