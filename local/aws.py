"""Stands in for AWS: moto's server, one request at a time, and credentials that open nothing."""

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""Environment variables without which boto3 asks nobody; whatever is already set holds."""


def start(exits: ExitStack, host: str = "127.0.0.1") -> str:
    """Starts it until `exits` close. Returns its URL."""
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - a fifth of a second, not always wanted
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415

    app = in_turn(DomainDispatcherApplication(create_backend_app))
    server = make_server(host, 0, app, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    exits.callback(server.shutdown)
    return f"http://{host}:{server.server_port}"


def in_turn(app: "WSGIApplication") -> "Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]":
    """DynamoDB's transactions see nothing of one another; moto's see each other half done, unless they come one by one."""
    turn = threading.Lock()

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        with turn:
            return list(app(environ, start_response))

    return answer
