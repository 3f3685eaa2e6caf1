"""A vendor's Lambda: its routes, and the six stages that every request goes through."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, NoReturn

import msgspec

from minting.allow import expand_caller, fields_not_allowed
from minting.audit import Record
from minting.bodies import Body, decode_request, idempotency_key
from minting.breaker import Breaker
from minting.budgets import Rates
from minting.callers import acting_for, caller_of, require_claims
from minting.claims import SlotLimits
from minting.counts import MINTS
from minting.credentials import Credential, not_revocable
from minting.deadline import Deadline
from minting.function import Event, Function, Response, response
from minting.keyring import Keyring
from minting.keys import Key
from minting.limits import Limits
from minting.operations import Handler, Operation, Request, SessionMint
from minting.owners import Owners, fingerprint, token_resource
from minting.problems import Problem, not_allowed
from minting.settings import Settings, load
from minting.slots import Slots
from minting.table import Table


class Expiry[K: Key](NamedTuple):
    """The metric for the seconds until the API key expires. None means that it does not expire."""

    metric: str
    seconds_left: Callable[[K], float | None]


class Vendor[S: Settings, K: Key](Function):
    """One vendor's settings, key, limits and routes. Its `handler` is the Lambda's.

    `key_shape` is what its secret holds. Raises ValueError for invalid settings, so that a
    misconfigured function does not start.
    """

    def __init__(self, name: str, settings: type[S], key: type[K]) -> None:
        self.settings = load(settings)
        super().__init__(name, self.settings)
        self.key_shape = key
        self._keyring = Keyring(self.settings.api_key_secret, key)
        self._keyring.prefetch()
        self.table = Table(name, self.settings.limits_table)
        self.owners = Owners(self.table)
        self._limits = Limits(self.table)
        self._breaker = Breaker(self._limits.gate)
        limits = self.settings
        self.add_budget(MINTS, limits.caller_per_hour, limits.vendor_per_day, limits.caller_per_day)
        self._expiry: Expiry[K] | None = None

    def add_budget(self, name: str, caller_per_hour: int, vendor_per_day: int, caller_per_day: int = 0) -> None:
        """Adds limits for operations that name this budget. `caller_per_day` 0 is a tenth of the day."""
        self._limits.add_budget(name, Rates(caller_per_hour, caller_per_day, vendor_per_day))

    def slots[T](self, limits: SlotLimits, session_type: type[T], resource: Callable[[T], str]) -> Slots[T]:
        """The vendor's live sessions, for a SessionMint and for the release operation."""
        return Slots(self.table, limits, session_type, resource)

    def cannot_revoke(self, route: str, field: str, max_life: timedelta) -> None:
        """Registers a revoke route that answers `not_revocable`.

        The credential expires within `max_life`.
        """
        body: type[Body] = msgspec.defstruct("RevokeRequest", [(field, str)], bases=(Body,), frozen=True)  # type: ignore[assignment]

        @self.route(Operation(body=body, needs_key=False), route)
        def revoke(_: Body, __: Request[None]) -> NoReturn:
            """Answers `not_revocable`, because the vendor cannot revoke.

            The answer tells by when the credential expires.
            """
            raise not_revocable(max_life)

    def key_expires(self, metric: str) -> Callable[[Callable[[K], float | None]], Callable[[K], float | None]]:
        """Registers a function that returns the seconds until the API key expires.

        A schedule writes them to `metric`.
        """

        def register(seconds_left: Callable[[K], float | None]) -> Callable[[K], float | None]:
            self._expiry = Expiry(metric, seconds_left)
            return seconds_left

        return register

    def answer(self, event: Event, record: Record, deadline: Deadline) -> Response:
        """The six stages: authenticate, validate, authorize, count, call, respond."""
        operation, handler = self.find(record.route)
        record.caller = caller_of(event, self.settings.backend_scope)
        require_claims(event, record.caller, self.settings.required_claims)
        record.caller = acting_for(event, record.caller)
        request = Request(record.caller, deadline, idempotency_key(event), None)
        body = decode_request(event, operation.body, operation.max_body_bytes)
        body = self._authorize(operation, body, request, record)
        result = self._count_and_call(operation, handler, body, request)
        record.outcome = operation.outcome
        return self._respond(operation, result, request, record)

    def check_key(self, record: Record, deadline: Deadline) -> Response:
        """Writes the seconds until the API key expires.

        For an unusable secret it writes 0, so that the alarm starts.
        """
        if self._expiry is None:
            return super().check_key(record, deadline)
        record.outcome = "checked"
        try:
            seconds = self._expiry.seconds_left(self._keyring.current(deadline))
        except Problem as problem:
            if problem.code == "not_configured":
                self.audit.gauge(self._expiry.metric, 0)
            raise
        if seconds is not None:
            self.audit.gauge(self._expiry.metric, seconds)
        return response(204)

    def _authorize(self, operation: Operation, body: Body, request: Request[None], record: Record) -> Body:
        """The body with the caller's id in it.

        Raises `not_allowed`, or `not_found` for another caller's resource.
        """
        caller = request.caller
        body = expand_caller(body, operation.allow, caller)
        listed = {} if operation.exempt(body, caller) else operation.allow
        errors = [*fields_not_allowed(body, listed, self.settings, caller), *operation.forbidden_fields(body, caller)]
        if errors:
            raise not_allowed(errors)
        if operation.resource:
            record.subject = operation.resource(body)
        if operation.owner_only:
            self.owners.require_owner(str(record.subject), caller, request.deadline)
        return body

    def _count_and_call(self, operation: Operation, handler: Handler, body: Body, request: Request[None]) -> Any:
        """Counts the request in the limits while it calls the vendor.

        A call that fails is not counted.
        """
        if not operation.budget:
            self._limits.require_unblocked(request.caller, request.deadline)
            return self._call(operation, handler, body, request)
        name = handler.__name__
        admission = self._limits.admission(name, operation.budget, request.caller, request.deadline)
        with self._breaker.watching(name, request.deadline):
            if isinstance(operation, SessionMint):
                return operation.slots.use(
                    admission,
                    request.idempotency_key,
                    open_session=lambda: self._call(operation, operation.open_session, body, request),
                    mint=lambda session: self._call(operation, handler, session, request),
                )
            with admission.counted():
                return self._call(operation, handler, body, request)

    def _call(self, operation: Operation, handler: Handler, subject: Any, request: Request[None]) -> Any:
        """Calls the handler, with the API key if it needs one."""
        if not operation.needs_key:
            return handler(subject, request)
        return self._keyring.use(
            lambda key: handler(subject, request.with_key(key)), request.deadline, operation.uses_key
        )

    def _respond(self, operation: Operation, result: Any, request: Request[None], record: Record) -> Response:
        """The response. A revocable credential is handed out only once its owner is stored."""
        if not isinstance(result, Credential):
            return response(operation.status, result)
        answer = result.answer(record.mint_id, self.name, operation.traits)
        record.token_sha256 = fingerprint(result.secret)
        record.ttl_seconds = answer["mint"]["expires_in"]
        if operation.traits.revocable:
            self.owners.remember(token_resource(result.secret), request.caller, result.expires_at, request.deadline)
        return response(operation.status, answer)
