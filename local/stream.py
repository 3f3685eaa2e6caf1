"""Responses that do not end: the live log of the page, as server-sent events."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from werkzeug import wrappers

from local.server import Connection, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.wrappers import Request

EVENTS = "local.events"
"""In a request's environ: a list to which the app appends what follows the head of the response."""


class StreamHead(Response):
    """The head of a stream, which has no length. The connection ends with it."""

    automatically_set_content_length = False


class StreamingConnection(Connection):
    """A connection that also sends streams."""

    def make_environ(self) -> "WSGIEnvironment":
        return super().make_environ() | {EVENTS: []}

    def transmit(self, response: wrappers.Response) -> None:
        super().transmit(response)
        for event in chain.from_iterable(self.environ[EVENTS]):
            if self.server.closing.is_set():
                return
            self.wfile.write(event)


def stream(request: "Request", events: Iterator[bytes]) -> Response:
    """The response to `request` with all of `events`, each sent as soon as there is one."""
    request.environ[EVENTS].append(events)
    head = [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("connection", "close")]
    return StreamHead("", 200, head)
