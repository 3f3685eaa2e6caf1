"""The page at `/` of the local gateway: its files, its live log, and who may ask for them.

A page of another site must neither read what this one shows nor change anything. So the host must be exact, as no site can
make its own name pass (DNS rebinding); a call must come from this page; and no answer has CORS headers.
"""

import ipaddress
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request

from local.event import raw_path
from local.functions import ROOT
from local.journal import Exchange, Journal
from local.leaks import Leaks
from local.reply import message
from local.server import Response
from local.stream import stream

type Call = Callable[[dict[str, Any]], Any]

FOLDER = Path(__file__).parent / "playground"
PREFIX = "/_local/page/"

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/plain",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
]
ALIVE_SECONDS = 10.0
"""How often a quiet stream sends the time, so that the page's clock stays right and a closed page is noticed."""


class Page:
    """port: the gateway's. calls: what the page's buttons do, by name."""

    def __init__(self, port: int, journal: Journal, leaks: Leaks, calls: Mapping[str, Call]) -> None:
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self._journal, self._leaks, self._calls = journal, leaks, calls
        self._files = {f"{PREFIX}{file.name}": file for file in FOLDER.iterdir()}
        self._files |= {f"{PREFIX}{name}": ROOT / "docs" / name for name in ("openapi.json", "errors.md")}
        self._files |= {"/": FOLDER / "index.html"}

    def answer(self, request: Request) -> Response | None:
        """None for a request that is not for the page."""
        path = raw_path(request)
        if path != "/" and not path.startswith(PREFIX):
            return None
        response = self._refusal(request) or self._answer(request, path)
        response.headers.extend(HEADERS)
        return response

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "").lower()
        if host not in self._hosts or not ipaddress.ip_address(request.remote_addr or "").is_loopback:
            return message(421, f"Open this page on the machine that runs it: http://{min(self._hosts)}/")
        if raw_path(request) != "/" and not _is_own(request, host):
            return message(403, "Only the page itself may ask for this")
        return None

    def _answer(self, request: Request, path: str) -> Response:
        call = self._calls.get(path.removeprefix(PREFIX))
        if request.method != ("POST" if call else "GET"):
            return message(405, "Method Not Allowed")
        if call:
            return _called(call, request)
        if path == f"{PREFIX}events":
            return stream(request, self._events(request.headers.get("last-event-id", 0, type=int)))
        file = self._files.get(path)
        if file is None:
            return message(404, "Not Found")
        return Response(file.read_bytes(), 200, [("content-type", f"{TYPES[file.suffix]}; charset=utf-8")])

    def _events(self, last: int) -> Iterator[bytes]:
        """The exchanges after number `last`, and the time whenever there is none for a while."""
        yield self._clock()
        while True:
            for exchange in self._journal.since(last, ALIVE_SECONDS):
                last = exchange.number
                yield self._leaks.scan(_event(exchange))
            yield self._clock()

    def _clock(self) -> bytes:
        """The time and the run: after another start, the page's people and rows are void."""
        return f"event: clock\ndata: {json.dumps({'now': time.time(), 'run': self._journal.run})}\n\n".encode()


def _is_own(request: Request, host: str) -> bool:
    """Whether this page sent the request. Old browsers send no Sec-Fetch-Site, and some requests have no Origin."""
    site = request.headers.get("sec-fetch-site")
    return site == "same-origin" if site else request.headers.get("origin") == f"http://{host}"


def _called(call: Call, request: Request) -> Response:
    """A form of another site's page cannot send JSON."""
    if request.mimetype != "application/json":
        return message(415, "Send JSON")
    try:
        told = call(json.loads(request.get_data()))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return message(400, f"Not understood: {type(error).__name__}")
    return Response(json.dumps(told), 200, [("content-type", "application/json")])


def _event(exchange: Exchange) -> bytes:
    return f"id: {exchange.number}\ndata: {json.dumps(asdict(exchange))}\n\n".encode()
