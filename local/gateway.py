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
type Told = Callable[[str, str, int, str], None]
"""Hears of what no function records: a request's method and path, the status, and the reason, which the response hides."""

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """The gateway answers itself: with `status`, the message `text` and `headers`. `reason` is for the developer."""

    def __init__(self, status: int, text: str, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(text)
        self.response = message(status, text, *headers)
        self.reason = reason


class Gateway:
    """`own` are routes that the gateway answers itself, without sign-in, by `METHOD /path`."""

    def __init__(  # noqa: PLR0913 - each but the first three has a default and is passed by name
        self,
        routes: Routes,
        cors: Cors,
        own: Mapping[str, Answer],
        *,
        patience: float = PATIENCE,
        hosts: Hosts | None = None,
        tell: Told = lambda *_: None,
    ) -> None:
        self._routes, self._cors, self._own, self._patience = routes, cors, own, patience
        self._hosts, self._tell = hosts or Hosts(), tell

    def answer(self, request: Request) -> Response:
        host = request.headers.get("host")
        if not self._hosts.own(host):
            reason = self._hosts.refusal(host)
            return self._refusal(request, RefusedError(421, reason, reason))
        response = self._cors.preflight(request) or self._cors.add_headers(request, self._answer(request))
        if self._cors.refuses(request):
            reason = f"the browser keeps this from the page: {request.headers['origin']} is not in AllowedOrigins"
            self._told(request, response.status_code, reason)
        return response

    def _answer(self, request: Request) -> Response:
        try:
            return self._route(request)
        except RefusedError as refused:
            return self._refusal(request, refused)

    def _refusal(self, request: Request, refused: RefusedError) -> Response:
        self._told(request, refused.response.status_code, refused.reason)
        return refused.response

    def _told(self, request: Request, status: int, reason: str) -> None:
        self._tell(request.method, raw_path(request), status, reason)

    def _route(self, request: Request) -> Response:
        path = raw_path(request)
        if own := self._own.get(f"{request.method} {path}"):
            response = own(request)
            self._told(request, response.status_code, "the gateway's own")
            return response
        match = self._routes.find(request.method, path)
        if match is None:
            others = " and ".join(self._routes.methods(path))
            raise RefusedError(404, "Not Found", f"this path takes {others}" if others else "no route has this path")
        authorizer = match.route.authorizer
        try:
            claims = authorizer.claims(request.headers.get("authorization")) if authorizer else None
        except UnauthorizedError as refusal:
            raise RefusedError(401, "Unauthorized", refusal.reason, ("www-authenticate", refusal.challenge)) from None
        except ForbiddenError as refusal:
            raise RefusedError(403, "Forbidden", refusal.reason, ("www-authenticate", refusal.challenge)) from None
        return self._invoke(match.route.function, event_of(request, match, claims))

    def _invoke(self, function: Function, event: dict[str, Any]) -> Response:
        request_id = ("apigw-requestid", event["requestContext"]["requestId"])
        try:
            response = self._reply(function, event)
        except RefusedError as refused:
            refused.response.headers.add(*request_id)
            raise
        response.headers.add(*request_id)
        return response

    def _reply(self, function: Function, event: dict[str, Any]) -> Response:
        try:
            return response_of(function.invoke(event, self._patience))
        except TooSlowError:
            seconds = min(function.timeout, self._patience)
            late = f"{function.name} gave no reply within {seconds:g} s"
            if function.timeout > self._patience:
                raise RefusedError(503, "Service Unavailable", late) from None
            reason = f"{late}, its timeout"
        except FunctionCrashError as crash:
            log.error("%s crashed", function.name, exc_info=crash.__cause__)  # noqa: TRY400 - logs the function's trace
            reason = f"{function.name} crashed: {type(crash.__cause__).__name__}"
        except (TypeError, ValueError) as error:
            reason = f"{function.name} gave a reply that API Gateway cannot send: {error}"
        raise RefusedError(500, "Internal Server Error", reason)
