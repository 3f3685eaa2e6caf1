"""Drawn examples are not timed: another test may have the processor."""

import socket
import threading
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is cleared, looking up a name does not end, as without a network."""
    found = threading.Event()
    found.set()
    look_up = socket.getaddrinfo

    def wait(*asked: Any, **options: Any) -> Any:
        found.wait(30)
        return look_up(*asked, **options)

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    return found
