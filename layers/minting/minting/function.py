"""A Lambda: the one way that every request takes, from the event to the answer and the record of it."""

import gc
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from minting.audit import Audit, Record
from minting.deadline import Deadline
from minting.problems import Problem
from minting.settings import FunctionSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LARGEST_RESPONSE = 6_291_556
"""Bytes that Lambda takes from a handler. Source: its error "Response payload size exceeded maximum
allowed payload size (6291556 bytes)". They are those of the whole response as JSON, in which the body
is a text: each quote and backslash of the body has a backslash before it.
"""

LONGEST_CHARACTER = 6
"""Bytes that a character of the body takes there at most: a control character is `\\u001f`."""

type Event = dict[str, Any]
type Response = dict[str, Any]

SCHEDULED = "Scheduled Event"
"""`detail-type` of a schedule's event (EventBridge user guide). HTTP API events have no such member."""


class Function(ABC):
    """What answers the events of one Lambda. `name` is in its records."""

    def __init__(self, name: str, settings: FunctionSettings) -> None:
        gc.freeze()  # all is imported by now: none of it will ever be garbage
        gc.enable()
        self.name = name
        self.audit = Audit(name, settings.metrics_namespace)
        self._deadline_seconds = settings.deadline_seconds

    @abstractmethod
    def answer(self, event: Event, record: Record, deadline: Deadline) -> Response:
        """The response to an event; what there is to write down about it goes into the record. Raises Problem."""

    def check(self, record: Record, deadline: Deadline) -> Response:  # noqa: ARG002 - for functions that have a schedule
        """Answers a schedule's event. Lambda drops the answer. Raises Problem."""
        raise Problem("not_found", "This function has no schedule.")

    def handler(self, event: Event, context: "LambdaContext") -> Response:
        """Answers one event, of an HTTP API (payload 2.0) or of a schedule.

        It never raises: a failure is a problem and a record.
        """
        scheduled = event.get("detail-type") == SCHEDULED
        route = SCHEDULED if scheduled else event.get("routeKey", "")
        record = Record(mint_id=context.aws_request_id, vendor=self.name, route=route)
        deadline = Deadline(min(self._deadline_seconds, context.get_remaining_time_in_millis() / 1000 - 1))
        try:
            reply = _checked(self.check(record, deadline) if scheduled else self.answer(event, record, deadline))
        except Problem as problem:
            reply = _refusal(problem, record)
        except Exception as fault:  # noqa: BLE001 - the platform would write down the exception's message, with whatever it holds
            record.crashed(fault)
            reply = _refusal(Problem("internal_error", "Report the `instance` to this deployment's team."), record)
        record.status = reply["statusCode"]
        self.audit.write(record, deadline.vendor_seconds)
        return reply


def response(
    status: int, body: msgspec.Struct | Mapping[str, Any] | None = None, content_type: str = "application/json"
) -> Response:
    """An answer in JSON, or without a body; no cache keeps it."""
    if body is None:
        return {"statusCode": status, "headers": {"cache-control": "no-store"}, "body": ""}
    headers = {"content-type": content_type, "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": msgspec.json.encode(body).decode()}


def _checked(reply: Response) -> Response:
    """A response that Lambda takes. Lambda turns a larger one into a plain 500, and the record would say that it went well."""
    possible = len(reply["body"]) * LONGEST_CHARACTER + 1000  # its headers are ours, and short
    if possible > LARGEST_RESPONSE and _size(reply) > LARGEST_RESPONSE:
        detail = (
            "The answer is larger than this deployment can pass on (6 MB). Ask for less, such as fewer items at a time."
        )
        raise Problem("vendor_error", detail, retryable=False)
    return reply


def _size(reply: Response) -> int:
    """Bytes, as Lambda's runtime for Python 3.13 encodes it (awslambdaric's lambda_runtime_marshaller.py)."""
    return len(json.dumps(reply, ensure_ascii=False).encode())


def _refusal(problem: Problem, record: Record) -> Response:
    record.failed(problem)
    refusal = response(problem.kind.status, problem.members(f"urn:uuid:{record.mint_id}"), "application/problem+json")
    if problem.kind.status == 401:
        refusal["headers"]["www-authenticate"] = "Bearer"  # RFC 9110 section 11.6.1 wants one with every 401
    if problem.retry_after is not None:
        refusal["headers"]["retry-after"] = str(problem.retry_after)
    return refusal
