"""Connections that send nothing and read nothing for a request that has ended.

A caller waits until the deadline (workers.py), but the thread that works for it may be slower.
If such a thread still sent something, the vendor would bill it and nobody would hear of it. If it
still read something, it would be missing for other requests.
"""

import http.client
import io
import socket
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from minting.deadline import Deadline, timed_out


class Call:
    """One call to a vendor: its deadline, and whether anything of it was sent yet."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.sent = False

    def seconds_or_raise(self) -> float:
        """Seconds left. Raises `vendor_timeout`, which is ambiguous if anything was sent."""
        seconds = self.deadline.seconds_left()
        if seconds <= 0:
            raise timed_out(sent=self.sent)
        return seconds

    def begin_to_send(self) -> None:
        """Raises `vendor_timeout` if it is too late.

        A caller who gives up at this moment must take the call for sent.
        """
        before, self.sent = self.sent, True
        if self.deadline.seconds_left() <= 0:
            self.sent = before
            raise timed_out(sent=before)


class Exchange(threading.local):
    """The call that this thread works for now."""

    call: Call


exchange = Exchange()


class Adapter(HTTPAdapter):
    """requests' adapter, over connections that keep to the deadline of their thread."""

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
        self._socket.settimeout(exchange.call.seconds_or_raise())
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            raise timed_out(sent=True) from None

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
        """Sends the head. Without TLS, http.client connects only here, and that may take long."""
        if self.sock is None:
            self.connect()
        exchange.call.begin_to_send()
        super().endheaders(*args, **options)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


_CONNECTIONS = {"http": _Connection, "https": _TLSConnection}
