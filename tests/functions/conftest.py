"""A vendor that says any bytes at all, and functions that tests share where they leave no trace."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest

pytest.register_assert_rewrite("tests.functions.contract")

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function

PLENTY = dict.fromkeys(("CALLER_PER_HOUR", "VENDOR_PER_DAY", "ODYSSEY_SLOTS", "ODYSSEY_SLOTS_PER_CALLER"), "1000000")


@pytest.fixture(scope="session")
def _warm_functions() -> dict[str, "Function"]:
    return {}


@pytest.fixture(autouse=True)
def _unloaded(_warm_functions: dict[str, "Function"]) -> Iterator[None]:
    """A fresh function is 5 MB of AWS client, and its module stays loaded: hundreds of them make every collection slow."""
    loaded = set(sys.modules)
    yield
    loaded |= {warm.module.__name__ for warm in _warm_functions.values()}
    for name in [name for name in sys.modules.keys() - loaded if name.startswith("functions.")]:
        del sys.modules[name]


@pytest.fixture
def warm(
    request: pytest.FixtureRequest, bundle: "Bundle", _warm_functions: dict[str, "Function"]
) -> Callable[..., "Function"]:
    """`warm(vendor)`: one function for all tests, for it takes ten times as long to make one as to ask it. No limit is near.

    A fresh one where the test's `expected` says that the vendor refuses the key: that function would not ask again at once.
    """
    callspec = getattr(request.node, "callspec", None)
    expected = callspec.params.get("expected") if callspec else None
    if getattr(expected, "code", "") == "vendor_key_rejected":
        fresh: Callable[..., Function] = request.getfixturevalue("function")
        return fresh

    def shared(vendor: str) -> "Function":
        if vendor not in _warm_functions:
            table = bundle.environment(vendor)["LIMITS_TABLE"]  # the test's own is gone when the test is over
            _warm_functions[vendor] = request.getfixturevalue("function")(vendor, LIMITS_TABLE=table, **PLENTY)
        return _warm_functions[vendor]

    return shared


@pytest.fixture
def wire() -> Iterator[Callable[[bytes], str]]:
    """`wire(answer)`: the URL of a server that says `answer`, whatever it is asked, and closes."""
    listening: list[socket.socket] = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listening.append(listener)
        Thread(target=_answer_all, args=(listener, answer), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listening:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def valueless(bundle: "Bundle") -> str:
    """A secret that nobody has filled yet."""
    aws: dict[str, Any] = bundle.aws
    return boto3.client("secretsmanager", **aws).create_secret(Name=f"valueless-{uuid4().hex}")["ARN"]


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL at which every connection is refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def _answer_all(listener: socket.socket, answer: bytes) -> None:
    with suppress(OSError):  # the test is over, or the client left
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(answer)
