"""API Gateway's HTTP API: preflight, route, authorizer, function, in this order; and for its own host names alone."""

import logging
from collections.abc import Mapping
from typing import Any

from local.authorizer import UnauthorizedError
from local.cors import Cors
from local.event import event_of
from local.functions import Function, FunctionCrashError, TooSlowError
from local.hosts import Hosts
from local.reply import message, response_of
from local.routes import Routes
from local.server import Answer, Request, Response

PATIENCE = 30.0
"""Seconds; the quota "Maximum integration timeout" of HTTP APIs."""

log = logging.getLogger(__name__)


class Gateway:
    """`own`: route keys that are answered here, open to anyone."""

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
        host = request.header("host")
        if not self._hosts.own(host):
            return message(421, self._hosts.refusal(host))
        return self._cors.preflight(request) or self._cors.dress(request, self._route(request))

    def _route(self, request: Request) -> Response:
        if own := self._own.get(f"{request.method} {request.path}"):
            return own(request)
        match = self._routes.find(request)
        if match is None:
            return message(404, "Not Found")
        authorizer = match.route.authorizer
        try:
            claims = authorizer.claims(request.header("authorization")) if authorizer else None
        except UnauthorizedError as refusal:
            return message(401, "Unauthorized", ("www-authenticate", refusal.challenge))
        return self._invoke(match.route.function, event_of(request, match, claims))

    def _invoke(self, function: Function, event: dict[str, Any]) -> Response:
        response = self._reply(function, event)
        identified = ("apigw-requestid", event["requestContext"]["requestId"])
        return response._replace(headers=[*response.headers, identified])

    def _reply(self, function: Function, event: dict[str, Any]) -> Response:
        try:
            return response_of(function.invoke(event, self._patience))
        except TooSlowError:
            if function.timeout > self._patience:
                return message(503, "Service Unavailable")
            log.error("%s timed out after %s s", function.name, function.timeout)  # noqa: TRY400 - the trace would be ours
        except FunctionCrashError as crash:
            log.error("%s crashed", function.name, exc_info=crash.__cause__)  # noqa: TRY400 - the function's trace, not ours
        except (TypeError, ValueError) as fault:
            log.error("%s gave a reply that API Gateway cannot send: %s", function.name, fault)  # noqa: TRY400 - the same
        return message(500, "Internal Server Error")
