"""Connections to vendors and to AWS. They send nothing and read nothing for a request that has ended.

A caller waits until the deadline (workers.py), but the thread that works for it may be slower.
If such a thread still sent something, the vendor would bill it and nobody would hear of it. If it
still read something, it would be missing for other requests.
"""

import http.client
import io
import socket
import ssl
import threading
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from minting.deadline import Deadline
from minting.workers import THREADS

IDLE_SECONDS = 50.0
"""An older connection is not used again.

Load balancers close idle connections after 60 s (AWS's default), and a NAT gateway forgets them
after 350 s. A request that meets such a connection may or may not have had an effect.
"""

HOSTS = 64
"""A function reaches fewer than ten. The local gateway runs all functions in one process."""

ROOTS = Path(__file__).with_name("roots")
"""In the layer: certifi's roots as its build left them, of which OpenSSL reads those that it needs."""


class DeadlinePassed(Exception):  # noqa: N818 - an outcome, not an error. urllib3 would retry after a TimeoutError
    """The deadline has passed, so nothing more is sent or read."""


class Call:
    """One request and its deadline, and whether anything of it was sent yet."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.sent = False

    def seconds_or_raise(self) -> float:
        """Seconds left. Raises DeadlinePassed."""
        seconds = self.deadline.seconds_left()
        if seconds <= 0:
            raise DeadlinePassed
        return seconds

    def begin_to_send(self) -> None:
        """Raises DeadlinePassed if it is too late.

        A caller who gives up at this moment must take the call for sent.
        """
        before, self.sent = self.sent, True
        if self.deadline.seconds_left() <= 0:
            self.sent = before
            raise DeadlinePassed


class Exchange(threading.local):
    """The call that this thread works for now."""

    call: Call


exchange = Exchange()


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
            raise DeadlinePassed from None

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _Response
    _used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether the pool may use this connection again."""
        return monotonic() - self._used_at < IDLE_SECONDS and super().is_connected

    def endheaders(self, *args: Any, **options: Any) -> None:
        """Sends the head. Without TLS, http.client connects only here, and that may take long."""
        if self.sock is None:
            self.connect()
        exchange.call.begin_to_send()
        self._used_at = monotonic()
        super().endheaders(*args, **options)


class _TLSConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        self.ssl_context = trusted()
        super().connect()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


@cache
def pool() -> PoolManager:
    """The connections of this process, to all hosts. They stay open between requests."""
    manager = PoolManager(num_pools=HOSTS, maxsize=THREADS)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
    return manager


@cache
def trusted() -> ssl.SSLContext:
    """The roots that the layer carries. Nothing in the environment adds to them."""
    context = create_urllib3_context()
    if ROOTS.is_dir():
        context.load_verify_locations(capath=ROOTS)
    else:
        import certifi  # noqa: PLC0415 - the source tree alone needs it

        context.load_verify_locations(certifi.where())
    return context
