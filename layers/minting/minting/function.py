"""A Lambda function: turns every event into a response and a log record."""

import gc
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from minting.audit import Audit, Record
from minting.deadline import Deadline
from minting.operations import Handler, Operation
from minting.problems import Problem
from minting.settings import FunctionSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

MAX_RESPONSE_BYTES = 6_291_556
"""Lambda's limit for a handler's response.

Source: its error "Response payload size exceeded maximum allowed payload size (6291556 bytes)". It
counts the whole response as JSON, in which the body is a string with its quotes escaped.
"""

MAX_CHARACTER_BYTES = 6
"""The most bytes of one character of the body in that JSON: a control character is `\\u001f`."""

type Event = dict[str, Any]
type Response = dict[str, Any]

SCHEDULED = "Scheduled Event"
"""`detail-type` of a schedule's event (EventBridge user guide).

HTTP API events have no such member.
"""


class Function(ABC):
    """Answers the events of one Lambda. `name` is in its records."""

    def __init__(self, name: str, settings: FunctionSettings) -> None:
        gc.freeze()  # what is imported by now never becomes garbage
        gc.enable()
        self.name = name
        self.routes: dict[str, tuple[Operation, Handler]] = {}
        self.audit = Audit(name, settings.metrics_namespace)
        self._deadline_seconds = settings.deadline_seconds

    def route[H: Handler](self, operation: Operation, *routes: str) -> Callable[[H], H]:
        """Registers a function as the handler of `routes`.

        API Gateway names them `POST /v1/...`.
        """

        def register(handler: H) -> H:
            self.routes |= dict.fromkeys(routes, (operation, handler))
            return handler

        return register

    def find(self, route: str) -> tuple[Operation, Handler]:
        """The operation and the handler of a route. Raises `not_found`."""
        if route not in self.routes:
            raise Problem("not_found", "This function does not serve that route.")
        return self.routes[route]

    @abstractmethod
    def answer(self, event: Event, record: Record, deadline: Deadline) -> Response:
        """Returns the response to an HTTP API event, and fills in the record. Raises Problem."""

    def check_key(self, record: Record, deadline: Deadline) -> Response:  # noqa: ARG002 - for functions that have a schedule
        """Answers a schedule's event. Lambda drops the response. Raises Problem."""
        raise Problem("not_found", "This function has no schedule.")

    def handler(self, event: Event, context: "LambdaContext") -> Response:
        """Answers one event of an HTTP API (payload 2.0) or of a schedule.

        It never raises: a failure is a problem.
        """
        scheduled = event.get("detail-type") == SCHEDULED
        route = SCHEDULED if scheduled else event.get("routeKey", "")
        record = Record(mint_id=context.aws_request_id, vendor=self.name, route=route)
        deadline = Deadline(min(self._deadline_seconds, context.get_remaining_time_in_millis() / 1000 - 1))
        try:
            reply = _within_size(
                self.check_key(record, deadline) if scheduled else self.answer(event, record, deadline)
            )
        except Problem as problem:
            reply = _refusal(problem, record)
        except Exception as error:  # noqa: BLE001 - Lambda would log the exception's message, which may hold a secret
            record.crashed(error)
            reply = _refusal(
                Problem("internal_error", "This deployment failed. Report the `instance` to its team."), record
            )
        record.status = reply["statusCode"]
        self.audit.write(record, deadline.meter)
        return reply


def response(
    status: int, body: msgspec.Struct | Mapping[str, Any] | None = None, content_type: str = "application/json"
) -> Response:
    """A response in JSON, or without a body. No cache may store it."""
    if body is None:
        return {"statusCode": status, "headers": {"cache-control": "no-store"}, "body": ""}
    headers = {"content-type": content_type, "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": msgspec.json.encode(body).decode()}


def _within_size(reply: Response) -> Response:
    """The response, if Lambda takes it.

    Lambda turns a larger one into a plain 500, while our record would say 200.
    """
    possible = len(reply["body"]) * MAX_CHARACTER_BYTES + 1000  # the headers are ours, and short
    if possible > MAX_RESPONSE_BYTES and _size(reply) > MAX_RESPONSE_BYTES:
        detail = "The response is larger than this deployment can send (6 MB). Ask for fewer items."
        raise Problem("vendor_error", detail, retryable=False)
    return reply


def _size(reply: Response) -> int:
    """Bytes of the response as Lambda's runtime encodes it.

    Source: awslambdaric, lambda_runtime_marshaller.py.
    """
    return len(json.dumps(reply, ensure_ascii=False).encode())


def _refusal(problem: Problem, record: Record) -> Response:
    record.failed(problem)
    refusal = response(problem.kind.status, problem.members(f"urn:uuid:{record.mint_id}"), "application/problem+json")
    if problem.kind.status == 401:
        refusal["headers"]["www-authenticate"] = "Bearer"  # RFC 9110 section 11.6.1 requires it with every 401
    if problem.retry_after is not None:
        refusal["headers"]["retry-after"] = str(problem.retry_after)
    return refusal
