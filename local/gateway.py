"""API Gateway's HTTP API: preflight, route, authorizer and function, in this order."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Request

from local.authorizer import ForbiddenError, UnauthorizedError
from local.cors import Cors
from local.event import event_of, raw_path
from local.functions import Function, FunctionCrashError, TooSlowError
from local.hosts import Hosts
from local.reply import message, response_of
from local.routes import Routes
from local.server import Response

PATIENCE = 30.0
"""Seconds. Source: the quota "Maximum integration timeout" of HTTP APIs."""

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Source: the quota "Payload size" of HTTP APIs."""

type Answer = Callable[[Request], Response]

log = logging.getLogger(__name__)


class Gateway:
    """`own` are routes that the gateway answers itself, without sign-in, by `METHOD /path`."""

    def __init__(
        self,
        routes: Routes,
        cors: Cors,
        own: Mapping[str, Answer],
        patience: float = PATIENCE,
        hosts: Hosts | None = None,
    ) -> None:
        self._routes, self._cors, self._own, self._patience = routes, cors, own, patience
        self._hosts = hosts or Hosts()

    def answer(self, request: Request) -> Response:
        host = request.headers.get("host")
        if not self._hosts.own(host):
            return message(421, self._hosts.refusal(host))
        return self._cors.preflight(request) or self._cors.add_headers(request, self._route(request))

    def _route(self, request: Request) -> Response:
        path = raw_path(request)
        if own := self._own.get(f"{request.method} {path}"):
            return own(request)
        match = self._routes.find(request.method, path)
        if match is None:
            return message(404, "Not Found")
        authorizer = match.route.authorizer
        try:
            claims = authorizer.claims(request.headers.get("authorization")) if authorizer else None
        except UnauthorizedError as refusal:
            return message(401, "Unauthorized", ("www-authenticate", refusal.challenge))
        except ForbiddenError as refusal:
            return message(403, "Forbidden", ("www-authenticate", refusal.challenge))
        return self._invoke(match.route.function, event_of(request, match, claims))

    def _invoke(self, function: Function, event: dict[str, Any]) -> Response:
        response = self._reply(function, event)
        response.headers.add("apigw-requestid", event["requestContext"]["requestId"])
        return response

    def _reply(self, function: Function, event: dict[str, Any]) -> Response:
        try:
            return response_of(function.invoke(event, self._patience))
        except TooSlowError:
            if function.timeout > self._patience:
                return message(503, "Service Unavailable")
            log.error("%s timed out after %s s", function.name, function.timeout)  # noqa: TRY400 - the trace is the gateway's
        except FunctionCrashError as crash:
            log.error("%s crashed", function.name, exc_info=crash.__cause__)  # noqa: TRY400 - logs the function's trace
        except (TypeError, ValueError) as error:
            log.error("%s gave a reply that API Gateway cannot send: %s", function.name, error)  # noqa: TRY400 - as above
        return message(500, "Internal Server Error")
