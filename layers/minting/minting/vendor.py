"""A vendor's Lambda: the one way that every request takes, from the event to the answer and the record of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from minting.audit import Audit, Record
from minting.bodies import LARGEST_BODY, Body, decode_request
from minting.breaker import Breaker
from minting.callers import Caller, caller_of
from minting.credentials import Credential, Facts
from minting.keys import Key, Keys, Part, whole
from minting.ledger import Ledger
from minting.limits import Limits, Window
from minting.owners import Owners, fingerprint, token
from minting.problems import FieldError, KeyRejected, Problem
from minting.settings import Settings, load
from minting.slots import Rules, Slots
from minting.upstream import Deadline

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

type Response = dict[str, Any]

NO_FACTS = Facts()


class Call[K: Key](NamedTuple):
    """What an operation is given beside its body: the vendor's key, who asks, by when to answer, and where to keep things."""

    key: K
    caller: Caller
    deadline: Deadline
    ledger: Ledger


class Asked(NamedTuple):
    """What a caller asks: with which body and Idempotency-Key, and by when it must be answered."""

    body: Body
    caller: Caller
    repeat_key: str | None
    deadline: Deadline


type Action[A, K: Key, R] = Callable[[A, Call[K]], R]
type Result = Credential | Mapping[str, Any] | None


class Sessions[K: Key](NamedTuple):
    """A vendor's live sessions, and what takes a new one with one of its slots."""

    slots: Slots[Any]
    take: Action[Any, K, Any]


class Operation[K: Key](NamedTuple):
    """What answers a route. `permit` raises `not_allowed` for what this deployment does not let callers choose.

    `ask` asks the vendor: with the body, or with a session where there are `sessions`. `owned` names the thing (`token#...`)
    that must be the caller's own. `counted` says whether the limits count it. `largest` bounds the body, in bytes. `part` is what
    it uses of a secret with several keys.
    """

    body: type[Body]
    ask: Action[Any, K, Result]
    outcome: str = "minted"
    status: int = 201
    facts: Facts = NO_FACTS
    permit: Callable[[Any], None] = lambda _: None
    sessions: Sessions[K] | None = None
    owned: Callable[[Any], str] | None = None
    counted: bool = True
    largest: int = LARGEST_BODY
    part: Part[K] = whole


class Vendor[S: Settings, K: Key]:
    """One vendor's settings, key, limits and operations. Its `handler` is the Lambda's.

    Raises ValueError where the environment is not what `settings` declares: a function that is set up wrongly does not start.
    """

    def __init__(self, name: str, settings: type[S], key: type[K]) -> None:
        self.name = name
        self.settings = load(settings)
        self._keys = Keys(self.settings.api_key_secret, key)
        if self.settings.aws_lambda_initialization_type != "snap-start":  # a snapshot must not hold a secret
            self._keys.prefetch()
        self._ledger = Ledger(name, self.settings.limits_table)
        self._limits = Limits(self._ledger, self.settings.caller_per_hour, self.settings.vendor_per_day)
        self._owners = Owners(self._ledger)
        self._breaker = Breaker(self._ledger)
        self._audit = Audit(name)
        self._operations: dict[str, Operation[K]] = {}

    def mints[B: Body](
        self, *routes: str, body: type[B], facts: Facts = NO_FACTS, permit: Callable[[B], None] = lambda _: None
    ) -> Callable[[Action[B, K, Credential]], Action[B, K, Credential]]:
        """Declares a function as what mints at `routes` (`POST /v1/...`, as API Gateway names them)."""
        return lambda mint: self._declare(routes, mint, Operation(body, mint, facts=facts, permit=permit))

    def mints_session[B: Body, T](  # noqa: PLR0913 - two steps, and what lies between them
        self, route: str, *, body: type[B], facts: Facts, take: Action[B, K, T], session: type[T], rules: Rules
    ) -> Callable[[Action[T, K, Credential]], Action[T, K, Credential]]:
        """Declares a function as what mints credentials for a session. `take` gets a new one, and with it a slot."""
        slots = Slots(self._ledger, self._limits, rules, session)
        return lambda mint: self._declare(
            (route,), mint, Operation(body, mint, facts=facts, sessions=Sessions(slots, take))
        )

    def serves[B: Body, R: Result](  # noqa: PLR0913 - what tells one operation from another
        self,
        route: str,
        *,
        body: type[B],
        outcome: str = "served",
        status: int = 200,
        facts: Facts = NO_FACTS,
        permit: Callable[[B], None] = lambda _: None,
        owned: Callable[[B], str] | None = None,
        counted: bool = False,
        largest: int = LARGEST_BODY,
        part: Part[K] = whole,
    ) -> Callable[[Action[B, K, R]], Action[B, K, R]]:
        """Declares a function as what answers a route otherwise than by minting: with a credential, an object, or nothing."""

        def declare(ask: Action[B, K, R]) -> Action[B, K, R]:
            operation = Operation(
                body, ask, outcome, status, facts, permit, owned=owned, counted=counted, largest=largest, part=part
            )
            return self._declare((route,), ask, operation)

        return declare

    def _declare[F](self, routes: Sequence[str], function: F, operation: Operation[K]) -> F:
        self._operations |= dict.fromkeys(routes, operation)
        return function

    def gauge(self, name: str, seconds: float) -> None:
        """Writes a metric of the vendor's own, for an alarm to watch."""
        self._audit.gauge(name, seconds)

    def handler(self, event: dict[str, Any], context: "LambdaContext") -> Response:
        """Answers one HTTP API event (payload 2.0). It never raises: whatever goes wrong is a problem and a record."""
        record = Record(mint_id=context.aws_request_id, vendor=self.name, route=event.get("routeKey", ""))
        deadline = Deadline(min(self.settings.deadline_seconds, context.get_remaining_time_in_millis() / 1000 - 1))
        try:
            response = self._answer(event, record, deadline)
        except Problem as problem:
            response = _refusal(problem, record)
        except Exception as fault:  # noqa: BLE001 - the platform would write down the exception's message, with whatever it holds
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
        body = decode_request(event, operation.body, operation.largest)
        operation.permit(body)
        if operation.owned:
            record.subject = operation.owned(body)
            self._owners.check(record.subject, record.caller)
        result = self._within_limits(operation, Asked(body, record.caller, _repeat_key(event), deadline))
        record.outcome = operation.outcome
        if isinstance(result, Credential):
            return self._handed_out(operation, result, record, deadline)
        return _response(operation.status, result)

    def _handed_out(
        self, operation: Operation[K], credential: Credential, record: Record, deadline: Deadline
    ) -> Response:
        answer = credential.answer(record.mint_id, self.name, operation.facts)
        record.token_sha256 = fingerprint(credential.secret)
        record.ttl_seconds = answer["mint"]["expires_in"]
        if record.caller and operation.facts.revocable:
            self._owners.remember(token(credential.secret), record.caller, credential.expires_at, deadline)
        return _response(operation.status, answer)

    def _within_limits(self, operation: Operation[K], asked: Asked) -> Result:
        if operation.sessions:
            return self._with_session(operation, operation.sessions, asked)
        windows = self._limits.windows(asked.caller) if operation.counted else []
        if windows:
            self._limits.take(windows, asked.deadline)
        return self._or_given_back(windows, operation, asked.body, asked)

    def _with_session(
        self, operation: Operation[K], sessions: Sessions[K], asked: Asked, *, again: bool = True
    ) -> Result:
        """Asks for the credentials of a session; for those of a new one, once, where the vendor no longer knows it."""
        claim = sessions.slots.claim(asked.caller, asked.repeat_key, asked.deadline)
        windows = self._limits.windows(asked.caller)

        def take() -> Any:
            return self._with_key(operation, sessions.take, asked.body, asked)

        held = sessions.slots.session(claim, windows, take, asked.deadline)
        try:
            return self._or_given_back(windows, operation, held.session, asked)
        except Problem as problem:
            if problem.vendor_status != 404:
                raise
            sessions.slots.release(held.claim, asked.deadline)
            if not again:
                raise
        return self._with_session(operation, sessions, asked, again=False)

    def _or_given_back(self, windows: Sequence[Window], operation: Operation[K], subject: Any, asked: Asked) -> Result:
        try:
            result: Result = self._with_key(operation, operation.ask, subject, asked)
        except Exception:
            self._limits.give_back(windows, asked.deadline)
            raise
        return result

    def _with_key(self, operation: Operation[K], ask: Action[Any, K, Any], subject: Any, asked: Asked) -> Any:
        """Asks with the right key, and lets the breaker know how the vendor did."""
        try:
            result = self._with_newer_key(operation, ask, subject, asked)
        except Problem as problem:
            self._breaker.saw(problem, asked.deadline)
            raise
        self._breaker.saw(None, asked.deadline)
        return result

    def _with_newer_key(self, operation: Operation[K], ask: Action[Any, K, Any], subject: Any, asked: Asked) -> Any:
        """Asks with the key in use and, where the vendor refuses it, once more with the one that has replaced it."""
        key = self._keys.current(operation.part)
        try:
            return ask(subject, Call(key, asked.caller, asked.deadline, self._ledger))
        except KeyRejected as refusal:
            newer = self._keys.newer_than(key, refusal, operation.part)
        return ask(subject, Call(newer, asked.caller, asked.deadline, self._ledger))


def _repeat_key(event: dict[str, Any]) -> str | None:
    """The Idempotency-Key header. Raises `invalid_request` for one that is not 1 to 255 printable ASCII characters."""
    key: str | None = (event.get("headers") or {}).get("idempotency-key")
    if key is not None and not re.fullmatch(r"[\x20-\x7e]{1,255}", key):
        error = FieldError("Idempotency-Key", "Expected 1 to 255 printable ASCII characters")
        raise Problem("invalid_request", "Correct the header and send the request again.", errors=[error])
    return key


def _refusal(problem: Problem, record: Record) -> Response:
    record.failed(problem)
    response = _response(problem.kind.status, problem.members(f"urn:uuid:{record.mint_id}"), "application/problem+json")
    if problem.kind.status == 401:
        response["headers"]["www-authenticate"] = "Bearer"  # RFC 9110 section 11.6.1 wants one with every 401
    if problem.retry_after is not None:
        response["headers"]["retry-after"] = str(problem.retry_after)
    return response


def _response(status: int, body: Mapping[str, Any] | None = None, content_type: str = "application/json") -> Response:
    if body is None:
        return {"statusCode": status, "headers": {"cache-control": "no-store"}, "body": ""}
    headers = {"content-type": content_type, "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": msgspec.json.encode(body).decode()}
