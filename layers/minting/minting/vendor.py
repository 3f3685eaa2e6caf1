"""A vendor's Lambda: the one way that every request takes, from the event to the answer and the record of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from minting.audit import Audit, Record
from minting.bodies import Body, decode_body
from minting.callers import Caller, caller_of
from minting.credentials import Credential, Facts
from minting.keys import Key, Keys
from minting.problems import KeyRejected, Problem
from minting.settings import Settings, load
from minting.upstream import Deadline

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

type Response = dict[str, Any]


class Call[K: Key](NamedTuple):
    """What an operation is given beside its body: the vendor's key, who asks, and by when to answer."""

    key: K
    caller: Caller
    deadline: Deadline


class Operation[K: Key, B: Body](NamedTuple):
    """`mint` asks the vendor. `permit`, before it, raises `not_allowed` for what this deployment does not let callers choose."""

    body: type[B]
    facts: Facts
    permit: Callable[[B], None]
    mint: Callable[[B, Call[K]], Credential]


class Vendor[S: Settings, K: Key]:
    """One vendor's settings, key and operations. Its `handler` is the Lambda's.

    Raises ValueError where the environment is not what `settings` declares: a function that is set up wrongly does not start.
    """

    def __init__(self, name: str, settings: type[S], key: type[K]) -> None:
        self.name = name
        self.settings = load(settings)
        self._keys = Keys(self.settings.api_key_secret, key)
        if self.settings.aws_lambda_initialization_type != "snap-start":  # a snapshot must not hold a secret
            self._keys.prefetch()
        self._audit = Audit(name)
        self._operations: dict[str, Operation[K, Any]] = {}

    def mints[B: Body](
        self, *routes: str, body: type[B], facts: Facts, permit: Callable[[B], None] = lambda _: None
    ) -> Callable[[Callable[[B, Call[K]], Credential]], Callable[[B, Call[K]], Credential]]:
        """Declares a function as what answers `routes` (`POST /v1/...`, as API Gateway names them)."""

        def declare(mint: Callable[[B, Call[K]], Credential]) -> Callable[[B, Call[K]], Credential]:
            self._operations |= dict.fromkeys(routes, Operation(body, facts, permit, mint))
            return mint

        return declare

    def handler(self, event: dict[str, Any], context: "LambdaContext") -> Response:
        """Answers one HTTP API event (payload 2.0). It never raises: whatever goes wrong is a problem and a record."""
        record = Record(mint_id=context.aws_request_id, vendor=self.name, route=event.get("routeKey", ""))
        deadline = Deadline(min(self.settings.deadline_seconds, context.get_remaining_time_in_millis() / 1000 - 1))
        try:
            response = self._answer(event, record, deadline)
        except Problem as problem:
            response = _refusal(problem, record)
        except Exception as fault:  # noqa: BLE001 - the last line before the platform, which would write down the exception's message
            record.crashed(fault)
            response = _refusal(Problem("internal_error", "Report the `instance` to this deployment's team."), record)
        record.status = response["statusCode"]
        self._audit.write(record, deadline.waited)
        return response

    def _answer(self, event: dict[str, Any], record: Record, deadline: Deadline) -> Response:
        operation = self._operations.get(record.route)
        if operation is None:
            raise Problem("not_found", "This function does not serve that route.")
        record.caller = caller_of(event)
        body = decode_body(event, operation.body)
        operation.permit(body)
        credential = self._mint(operation, body, record.caller, deadline)
        answer = credential.answer(record.mint_id, self.name, operation.facts)
        record.outcome = "minted"
        record.token_sha256 = credential.fingerprint()
        record.ttl_seconds = answer["mint"]["expires_in"]
        return _response(201, "application/json", answer)

    def _mint[B: Body](self, operation: Operation[K, B], body: B, caller: Caller, deadline: Deadline) -> Credential:
        key = self._keys.current()
        try:
            return operation.mint(body, Call(key, caller, deadline))
        except KeyRejected as refusal:
            newer = self._keys.newer_than(key, refusal)
        return operation.mint(body, Call(newer, caller, deadline))


def _refusal(problem: Problem, record: Record) -> Response:
    record.failed(problem)
    response = _response(problem.kind.status, "application/problem+json", problem.members(f"urn:uuid:{record.mint_id}"))
    if problem.retry_after is not None:
        response["headers"]["retry-after"] = str(problem.retry_after)
    return response


def _response(status: int, content_type: str, body: dict[str, Any]) -> Response:
    headers = {"content-type": content_type, "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": msgspec.json.encode(body).decode()}
