"""A vendor that says any bytes at all, and functions that tests share where they leave no trace."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.conftest import client
from tests.functions.spatialgen_uploads import Upload
from tests.trust.unlimited import without_limits

pytest.register_assert_rewrite("tests.functions.contract")

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function

PLENTY = dict.fromkeys(
    (
        *("CALLER_PER_HOUR", "CALLER_PER_DAY", "VENDOR_PER_DAY", "READS_CALLER_PER_HOUR", "READS_PER_DAY"),
        *("BROADCASTS_CALLER_PER_HOUR", "BROADCASTS_PER_DAY", "ODYSSEY_SLOTS", "ODYSSEY_SLOTS_PER_CALLER"),
    ),
    "1000000",
)

USES = 20
"""The table of a function grows with its mints, and moto copies all of it for every transaction."""


@pytest.fixture
def warm(
    request: pytest.FixtureRequest,
    bundle: "Bundle",
    monkeypatch: pytest.MonkeyPatch,
    _warm_functions: dict[str, list["Function"]],
) -> Callable[..., "Function"]:
    """`warm(vendor)`: a function that other tests use too, for it takes ten times as long to make one as to ask it.

    No limit is near, and it never leaves a vendor in trouble alone. A fresh one where the test's `expected` says that the vendor
    refuses the key: that function would not ask again at once.
    """
    monkeypatch.setattr("minting.breaker.THRESHOLD", 1_000_000)
    callspec = getattr(request.node, "callspec", None)
    expected = callspec.params.get("expected") if callspec else None
    if getattr(expected, "code", "") == "vendor_key_rejected":
        fresh: Callable[..., Function] = request.getfixturevalue("function")
        return fresh

    def shared(vendor: str) -> "Function":
        uses = _warm_functions.setdefault(vendor, [])
        if not uses:
            uses += [request.getfixturevalue("function")(vendor, LIMITS_TABLE=_lasting_table(bundle), **PLENTY)] * USES
        return uses.pop()

    return shared


@pytest.fixture
def tableless(
    bundle: "Bundle", monkeypatch: pytest.MonkeyPatch, _warm_functions: dict[str, list["Function"]]
) -> Callable[..., "Function"]:
    """`tableless(vendor, secret={...}, VARIABLE="...")`: a function whose table is empty and takes every write.

    It asks AWS for nothing but its secret, so it is much faster. No limit is near, nothing has an owner, and a retry does not
    wait. Without a secret and variables, other tests use it too: a test that changes its key gives it a secret.
    """
    monkeypatch.setattr("minting.breaker.THRESHOLD", 1_000_000)
    monkeypatch.setattr("urllib3.util.retry.Retry._sleep_backoff", lambda _: None)

    def made(vendor: str, secret: object = None, **changes: str) -> "Function":
        if secret is not None or changes:
            return without_limits(bundle, vendor, secret, **changes)
        shared = _warm_functions.setdefault(f"{vendor} without a table", [])
        shared += [] if shared else [without_limits(bundle, vendor)]
        shared[0].module.vendor._keyring._rejections.clear()
        shared[0].forget_sign_in()
        return shared[0]

    return made


@pytest.fixture
def begun(tableless: Callable[..., "Function"], monkeypatch: pytest.MonkeyPatch) -> Upload:
    """SpatialGen's upload `s-1` with its file `f-1`. Every caller owns it, and the test says what the vendor replies."""
    spatialgen = tableless("spatialgen")
    monkeypatch.setattr(spatialgen.module.vendor.owners, "require_owner", lambda *_: None)
    return Upload(spatialgen, "s-1", [{"uploadId": "f-1"}])


def _lasting_table(bundle: "Bundle") -> str:
    """A table of limits that is there after the test."""
    shape: dict[str, Any] = bundle.template.resolve(bundle.template.properties("LimitsTable"))
    wanted = {member: shape[member] for member in ("AttributeDefinitions", "KeySchema", "BillingMode")}
    name = f"lasting-{uuid4().hex}"
    client(bundle, "dynamodb").create_table(TableName=name, **wanted)
    return name


class Wire:
    """A server that says `answer`, whatever it is asked, and closes."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        Thread(target=self._answer_all, daemon=True).start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _answer_all(self) -> None:
        with suppress(OSError):  # the test is over
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):  # the client left
                    self._answer_one(connection)

    def _answer_one(self, connection: socket.socket) -> None:
        """Reads on to the client's end: a socket closed over unread bytes resets the connection, and the answer may be lost."""
        connection.settimeout(5)
        connection.recv(65536)
        connection.sendall(self.answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


@pytest.fixture
def wire() -> Iterator[Wire]:
    server = Wire()
    yield server
    server.stop()


@pytest.fixture
def valueless(bundle: "Bundle") -> str:
    """A secret that nobody has filled yet."""
    arn: str = client(bundle, "secretsmanager").create_secret(Name=f"valueless-{uuid4().hex}")["ARN"]
    return arn


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL at which every connection is refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
