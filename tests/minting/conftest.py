"""Names that are slow to find or unknown, and no time limit for drawn examples."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings


def pytest_configure() -> None:
    """Drawn examples have no time limit, because another test may use the processor."""
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


class Names:
    """Looks names up. What is in `slow` is not found before `found`; what ends in .invalid (RFC 2606) is never found."""

    def __init__(self) -> None:
        self.slow: set[str] = set()
        self.found = threading.Event()
        self._look_up = socket.getaddrinfo

    def __call__(self, host: str, *asked: Any, **options: Any) -> Any:
        if host in self.slow:
            self.found.wait(30)
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return self._look_up(host, *asked, **options)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.found.set()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`account(url)`: AWS is at this URL for the clients that are made from now on."""

    def at(url: str) -> None:
        variables = {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "none",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return at
