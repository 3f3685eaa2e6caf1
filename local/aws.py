"""The stand-in for AWS: moto's server, and credentials that open nothing."""

import threading
from contextlib import contextmanager
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from local.server import Server
from local.stack import describing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from local.stack import Stack

ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""Environment variables that boto3 needs. A variable that is already set wins."""

NO_STACKS: "Mapping[str, Stack]" = MappingProxyType({})


@contextmanager
def running(host: str = "127.0.0.1", stacks: "Mapping[str, Stack]" = NO_STACKS) -> "Iterator[str]":
    """Runs moto's server. Yields its URL. stacks: by name, those that CloudFormation describes besides moto's own."""
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - takes 0.2 s, and not every bundle needs it
        DomainDispatcherApplication,
        create_backend_app,
    )

    _remember()
    server = Server(host)
    services = DomainDispatcherApplication(create_backend_app)
    # Otherwise moto lists its hundreds of folders for every request, which takes a third of the request's time.
    services.get_backend_for_host = cache(services.get_backend_for_host)  # type: ignore[method-assign]
    server.start(in_turn(describing(services, stacks)))
    try:
        yield server.url
    finally:
        server.stop()


@cache
def _remember() -> None:
    """Moto finds out once what it otherwise finds out for every request. Who changes an expression changes a copy."""
    from moto.core import responses  # noqa: PLC0415 - as in `running`
    from moto.dynamodb.parsing import expressions  # noqa: PLC0415

    parser = vars(expressions)["UpdateExpressionParser"]
    for owner, name in ((responses, "method_names_from_class"), (parser, "make")):
        setattr(owner, name, lru_cache(1024)(getattr(owner, name)))


def in_turn(app: "WSGIApplication") -> "Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]":
    """Runs one request at a time: moto's transactions see each other's unfinished writes, DynamoDB's do not.

    After each request it empties moto's list of all objects. The list is for moto's own dashboard, and it holds every
    copy that moto ever made of an item: 1.2 GB after 4,000 mints.
    """
    from moto.core.model_instances import reset_model_data  # noqa: PLC0415 - as in `running`

    turn = threading.Lock()

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        with turn:
            try:
                return list(app(environ, start_response))
            finally:
                reset_model_data()

    return answer
