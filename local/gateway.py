"""API Gateway's HTTP API: preflight, route, authorizer and function, in this order."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request

from local.authorizer import ForbiddenError, UnauthorizedError
from local.cors import Cors
from local.event import event_of, raw_path
from local.functions import Function, FunctionCrashError, TooSlowError
from local.hosts import Hosts
from local.journal import Exchange, Journal
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

    def __init__(  # noqa: PLR0913 - the last two have defaults and are passed by name
        self,
        routes: Routes,
        cors: Cors,
        own: Mapping[str, Answer],
        patience: float = PATIENCE,
        *,
        hosts: Hosts | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._routes, self._cors, self._own, self._patience = routes, cors, own, patience
        self._hosts = hosts or Hosts()
        self.journal = journal or Journal()

    def answer(self, request: Request) -> Response:
        with self.journal.exchange(request.method, raw_path(request)) as exchange:
            response = self._answer(request, exchange)
            exchange.status = response.status_code
            exchange.code, why = _outcome(exchange, response)
            exchange.because(why, self._cors.refusal(request))
            return response

    def _answer(self, request: Request, exchange: Exchange) -> Response:
        host = request.headers.get("host")
        if not self._hosts.own(host):
            exchange.because(self._hosts.refusal(host))
            return message(421, exchange.reason)
        return self._cors.preflight(request) or self._cors.add_headers(request, self._route(request, exchange))

    def _route(self, request: Request, exchange: Exchange) -> Response:
        path = raw_path(request)
        if own := self._own.get(f"{request.method} {path}"):
            return own(request)
        match = self._routes.find(request.method, path)
        if match is None:
            exchange.because(self._routes.nearest(request.method, path))
            return message(404, "Not Found")
        exchange.route = match.route.key
        authorizer = match.route.authorizer
        try:
            claims = authorizer.claims(request.headers.get("authorization")) if authorizer else None
        except (UnauthorizedError, ForbiddenError) as refusal:
            exchange.because(str(refusal))
            return message(*refusal.answer, ("www-authenticate", refusal.challenge))
        exchange.caller = str((claims or {}).get("sub", ""))
        return self._invoke(match.route.function, event_of(request, match, claims), exchange)

    def _invoke(self, function: Function, event: dict[str, Any], exchange: Exchange) -> Response:
        response = self._reply(function, event, exchange)
        response.headers.add("apigw-requestid", event["requestContext"]["requestId"])
        return response

    def _reply(self, function: Function, event: dict[str, Any], exchange: Exchange) -> Response:
        try:
            return response_of(function.invoke(event, self._patience, exchange.id))
        except TooSlowError:
            if function.timeout > self._patience:
                exchange.because(f"{function.name} did not answer in {self._patience} s")
                return message(503, "Service Unavailable")
            exchange.because(f"{function.name} timed out after {function.timeout} s")
        except FunctionCrashError as crash:
            exchange.because(f"{function.name} crashed")
            log.error("%s crashed", function.name, exc_info=crash.__cause__)  # noqa: TRY400 - logs the function's trace
        except (TypeError, ValueError) as error:
            exchange.because(f"{function.name} gave a reply that API Gateway cannot send: {error}")
        return message(500, "Internal Server Error")


def _outcome(exchange: Exchange, response: Response) -> tuple[str, str]:
    """The code of the answer, and why it failed. The gateway's own answers have no record and no code.

    The message of such an answer is a reason only if it says more than the status.
    """
    phrase = HTTPStatus(response.status_code).phrase
    record = exchange.record
    said = response.get_json(silent=True) if response.status_code >= 400 else None
    told = said if isinstance(said, dict) else {}
    faults = [": ".join(filter(None, (error["field"], error["message"]))) for error in told.get("errors", [])]
    own = str(told.get("message", "")).removeprefix(phrase)
    why = [*faults, *record.get("notes", [])] or [record.get("detail", own)]
    return record.get("outcome") or told.get("code") or phrase, "; ".join(why)
