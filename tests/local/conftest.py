"""A gateway on a real port, with a handler that records its events, and the gateway's issuer."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request

from local.authorizer import Authorizer
from local.cors import Cors
from local.functions import Function
from local.gateway import MAX_BODY_BYTES, Gateway
from local.issuer import Issuer
from local.journal import Journal
from local.routes import Route, Routes
from local.server import Server

ORIGIN = "http://localhost:5173"
CORS = {
    "AllowOrigins": [ORIGIN],
    "AllowHeaders": ["Authorization", "Content-Type"],
    "AllowMethods": ["GET", "POST"],
    "ExposeHeaders": ["Retry-After"],
    "MaxAge": 3600,
}


class Served:
    """`events`: the events that the handler got. `reply`: its reply, or the exception that it raises.

    `journal`: every request that the gateway answered.
    """

    def __init__(self, issuer: Issuer, url: str) -> None:
        self.issuer, self.url = issuer, url
        self.journal = Journal()
        self.events: list[dict[str, Any]] = []
        self.reply: Any = {"statusCode": 200, "body": "ok"}

    def handler(self, event: dict[str, Any], _context: Any) -> Any:
        self.events.append(event)
        if isinstance(self.reply, BaseException):
            raise self.reply
        return self.reply

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Sends a request, with alice's token unless `headers` are given."""
        options.setdefault("headers", {"Authorization": f"Bearer {self.issuer.token('alice')}"})
        return requests.request(method, self.url + path, timeout=10, allow_redirects=False, **options)

    def event(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        """The event of a request with alice's token."""
        headers = {"Authorization": f"Bearer {self.issuer.token('alice')}"} | (headers or {})
        assert self.send(method, path, headers=headers, **options).status_code == 200
        return self.events[-1]


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer("app")
    issuer.start()
    yield issuer
    issuer.stop()


@pytest.fixture
def served(issuer: Issuer) -> Iterator[Served]:
    server = Server(max_body=MAX_BODY_BYTES)
    served = Served(issuer, server.url)
    guard = Authorizer(issuer.url, ["app", "other-app"])
    function = Function("Recorder", served.handler)
    routes = [
        Route("POST", "/v1/things", function, guard),
        Route("GET", "/v1/things/{id}", function, guard),
        Route("GET", "/v1/things/latest", function, guard),
        Route("ANY", "/v1/files/{path+}", function, guard),
        Route("GET", "/open", function, None),
        Route("GET", "/scoped", function, Authorizer(issuer.url, ["app"], ["avatars", "admin"])),
    ]
    own = {"POST /_local/token": issuer.answer_token}
    server.start(Request.application(Gateway(Routes(routes), Cors(CORS), own, journal=served.journal).answer))
    yield served
    server.stop()
