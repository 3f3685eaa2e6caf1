"""Connections that send nothing and read nothing for a request that has ended.

Its caller waits until the deadline (workers.py); the thread that works for it may be slower. What such a thread would still send,
nobody hears of, and the vendor bills it. What it would still read holds up the thread.
"""

import http.client
import io
import socket
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from minting.deadline import Deadline, timed_out


class Exchange(threading.local):
    """What this thread does now: for which deadline, and whether any of the request has been sent."""

    deadline: Deadline
    sent: bool

    def begin(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.sent = False


exchange = Exchange()


class Adapter(HTTPAdapter):
    """requests' adapter, over connections that keep to the deadline of their thread's `exchange`."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = _CONNECTIONS[pool.scheme]
        return pool


class _Reader(io.RawIOBase):
    """Reads from a socket until the deadline: each read gets the time that is left."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._socket = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(exchange.deadline.seconds_or_raise())
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            raise timed_out() from None

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _Response

    def endheaders(self, *args: Any, **options: Any) -> None:
        """The moment before the first byte is sent: http.client would connect only now, which may take its time."""
        if self.sock is None:
            self.connect()
        exchange.deadline.seconds_or_raise()
        exchange.sent = True
        super().endheaders(*args, **options)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


_CONNECTIONS = {"http": _Connection, "https": _TLSConnection}
