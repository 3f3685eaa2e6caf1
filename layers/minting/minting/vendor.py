"""A vendor's Lambda: its operations, and what each request meets on its way to them: caller, body, limits and key."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, NoReturn, TypedDict, Unpack

import msgspec

from minting.audit import Record
from minting.bodies import LARGEST_BODY, Body, decode_request
from minting.breaker import Breaker
from minting.callers import Caller, acting_for, caller_of
from minting.choices import Choices, named, refused
from minting.credentials import Credential, Facts, not_revocable
from minting.deadline import Deadline
from minting.function import Event, Function, Response, response
from minting.keys import Key, Keys, Part, whole
from minting.ledger import Ledger
from minting.limits import Limits, Window
from minting.owners import Owners, fingerprint, token
from minting.problems import FieldError, KeyRejected, Problem, not_allowed
from minting.settings import Settings, load
from minting.slots import Rules, Slots

NO_FACTS = Facts()
NO_CHOICES: Choices = {}
NO_PUBLIC: Mapping[str, str] = {}


class Call[K: Key](NamedTuple):
    """What an operation that asks the vendor is given beside its body: the key, who asks, and by when to answer."""

    key: K
    caller: Caller
    deadline: Deadline


class Asked[B: Body](NamedTuple):
    """What a caller asks: with which body and Idempotency-Key, and by when it must be answered."""

    body: B
    caller: Caller
    repeat_key: str | None
    deadline: Deadline


type Result = Credential[Any] | msgspec.Struct | None
type Action[A, K: Key, R] = Callable[[A, Call[K]], R]
type Permit[B: Body] = Callable[[B, Caller], Iterable[FieldError]]
type Trust[B: Body] = Callable[[B, Caller], bool]


class Sessions[K: Key](NamedTuple):
    """A vendor's live sessions, and what takes a new one with one of its slots."""

    slots: Slots[Any]
    take: Action[Any, K, Any]


class Expiry[K: Key](NamedTuple):
    """For how many seconds a secret's key is still good (None: it has no end), and the metric for it."""

    metric: str
    left: Callable[[K], float | None]


def permit_all(_: Body, __: Caller) -> Iterable[FieldError]:
    """Nothing but the choices is to be held against a request."""
    return ()


def trust_nobody(_: Body, __: Caller) -> bool:
    """Every request is held to the allow-lists."""
    return False


class Terms[B: Body](TypedDict, total=False):
    """What callers are told of what an operation mints, and what it lets them choose.

    `choices` are fields held to allow-lists, `permit` names the faults of other things that this deployment does not let a
    caller choose. `trusts` tells the requests of the team's own backend that no list holds, only `permit`. `public` are ids
    that clients need before they mint: each by the name that clients know, with the setting that holds it.
    """

    facts: Facts
    choices: Choices
    permit: Permit[B]
    trusts: Trust[B]
    public: Mapping[str, str]


class Traits[B: Body, K: Key](Terms[B], total=False):
    """What tells one operation from another.

    `thing` names what it is about (`token#...`): in the record and, where it is `owned`, as the caller's own. `counted` says
    whether the limits count it. `largest` bounds the body, in bytes. `part` is what it uses of a secret with several keys.
    """

    outcome: str
    status: int
    thing: Callable[[B], str]
    owned: bool
    counted: bool
    largest: int
    part: Part[K]


MINTED: Mapping[str, Any] = {"outcome": "minted", "status": 201, "counted": True}
"""The traits of every mint."""


class Operation[K: Key](NamedTuple):
    """What answers a route, and its Traits. Its return annotation says in which shape.

    `ask` asks the vendor: with the body, or with a session where there are `sessions`; or, where it is not `keyed`, it answers
    what is Asked by itself.
    """

    body: type[Body]
    ask: Callable[..., Result]
    outcome: str = "served"
    status: int = 200
    facts: Facts = NO_FACTS
    choices: Choices = NO_CHOICES
    permit: Permit[Any] = permit_all
    trusts: Trust[Any] = trust_nobody
    public: Mapping[str, str] = NO_PUBLIC
    sessions: Sessions[K] | None = None
    thing: Callable[[Any], str] | None = None
    owned: bool = False
    counted: bool = False
    keyed: bool = True
    largest: int = LARGEST_BODY
    part: Part[K] = whole


class Vendor[S: Settings, K: Key](Function):
    """One vendor's settings, key, limits and operations. Its `handler` is the Lambda's.

    Raises ValueError where the environment is not what `settings` declares: a function that is set up wrongly does not start.
    """

    def __init__(self, name: str, settings: type[S], key: type[K]) -> None:
        self.settings = load(settings)
        super().__init__(name, self.settings)
        self._keys = Keys(self.settings.api_key_secret, key)
        if self.settings.aws_lambda_initialization_type != "snap-start":  # a snapshot must not hold a secret
            self._keys.prefetch()
        self.ledger = Ledger(name, self.settings.limits_table)
        self.owners = Owners(self.ledger)
        self._limits = Limits(self.ledger, self.settings.caller_per_hour, self.settings.vendor_per_day)
        self._breaker = Breaker(self.ledger)
        self.operations: dict[str, Operation[K]] = {}
        self._expiry: Expiry[K] | None = None

    def mints[B: Body, C: msgspec.Struct](
        self, *routes: str, body: type[B], **terms: Unpack[Terms[B]]
    ) -> Callable[[Action[B, K, Credential[C]]], Action[B, K, Credential[C]]]:
        """Declares a function as what mints at `routes` (`POST /v1/...`, as API Gateway names them)."""
        return self._declares(routes, body, {**MINTED, **terms})

    def slots[T](self, rules: Rules, shape: type[T], name: Callable[[T], str]) -> Slots[T]:
        """The vendor's live sessions, for `mints_session` and for what releases them."""
        return Slots(self.ledger, self._limits, rules, shape, name)

    def mints_session[B: Body, T, C: msgspec.Struct](
        self, route: str, *, body: type[B], facts: Facts, take: Action[B, K, T], slots: Slots[T]
    ) -> Callable[[Action[T, K, Credential[C]]], Action[T, K, Credential[C]]]:
        """Declares a function as what mints credentials for a session. `take` gets a new one, and with it a slot."""
        return self._declares([route], body, {**MINTED, "facts": facts, "sessions": Sessions(slots, take)})

    def serves[B: Body, R: Result](
        self, route: str, *, body: type[B], **traits: Unpack[Traits[B, K]]
    ) -> Callable[[Action[B, K, R]], Action[B, K, R]]:
        """Declares a function as what answers a route otherwise than by minting: with a credential, an object, or nothing."""
        return self._declares([route], body, traits)

    def keeps[B: Body, R: Result](
        self, route: str, *, body: type[B], **traits: Unpack[Traits[B, K]]
    ) -> Callable[[Callable[[Asked[B]], R]], Callable[[Asked[B]], R]]:
        """Declares a function as what answers a route by itself: it needs no key, and the vendor is not asked."""
        return self._declares([route], body, {"keyed": False, **traits})

    def cannot_revoke(self, route: str, field: str, longest: timedelta) -> None:
        """Declares that the vendor cannot revoke the credential that `field` holds, whose life is `longest` at most."""
        body: type[Body] = msgspec.defstruct("RevokeRequest", [(field, str)], bases=(Body,), frozen=True)  # type: ignore[assignment]

        @self.keeps(route, body=body)
        def revoke(_: Asked[Body]) -> NoReturn:
            """Answers `not_revocable`, with the time by which the credential ends: the vendor has no such call."""
            raise not_revocable(longest)

    def expires[F: Callable[..., float | None]](self, metric: str) -> Callable[[F], F]:
        """Declares a function that says for how many seconds the key is still good (None: no end).

        The schedule in template.yaml has that written to `metric`, for an alarm.
        """

        def declare(left: F) -> F:
            self._expiry = Expiry(metric, left)
            return left

        return declare

    def _declares[F: Callable[..., Any]](
        self, routes: Sequence[str], body: type[Body], traits: Mapping[str, Any]
    ) -> Callable[[F], F]:
        def declare(ask: F) -> F:
            self.operations |= dict.fromkeys(routes, Operation(body, ask, **traits))
            return ask

        return declare

    def answer(self, event: Event, record: Record, deadline: Deadline) -> Response:
        operation = self.operations.get(record.route)
        if operation is None:
            raise Problem("not_found", "This function does not serve that route.")
        record.caller = caller_of(event, self.settings.backend_scope)
        record.caller = acting_for(event, record.caller)
        body = self._permitted(operation, decode_request(event, operation.body, operation.largest), record.caller)
        if operation.thing:
            record.subject = operation.thing(body)
        if operation.owned:
            self.owners.check(str(record.subject), record.caller, deadline)
        result = self._within_limits(operation, Asked(body, record.caller, _repeat_key(event), deadline))
        record.outcome = operation.outcome
        if isinstance(result, Credential):
            return self._handed_out(operation, result, record, deadline)
        return response(operation.status, result)

    def check(self, record: Record, deadline: Deadline) -> Response:
        """Tells the alarm how long the key is still good. It asks no vendor and counts in no limit.

        A secret that cannot be used is good for 0 seconds, so that the alarm goes off for it too.
        """
        if self._expiry is None:
            return super().check(record, deadline)
        record.outcome = "checked"
        left = self._seconds_left(self._expiry, deadline)
        if left is not None:
            self.audit.gauge(self._expiry.metric, left)
        return response(204)

    def _seconds_left(self, expiry: Expiry[K], deadline: Deadline) -> float | None:
        try:
            return expiry.left(self._keys.current(deadline))
        except Problem as problem:
            if problem.code == "not_configured":
                self.audit.gauge(expiry.metric, 0)
            raise

    def _permitted(self, operation: Operation[K], body: Body, caller: Caller) -> Body:
        body = named(body, operation.choices, caller)
        held = NO_CHOICES if operation.trusts(body, caller) else operation.choices
        errors = [*refused(body, held, self.settings, caller), *operation.permit(body, caller)]
        if errors:
            raise not_allowed(errors)
        return body

    def _handed_out(
        self, operation: Operation[K], credential: Credential[Any], record: Record, deadline: Deadline
    ) -> Response:
        answer = credential.answer(record.mint_id, self.name, operation.facts)
        record.token_sha256 = fingerprint(credential.secret)
        record.ttl_seconds = answer["mint"]["expires_in"]
        if record.caller and operation.facts.revocable:
            self.owners.remember(token(credential.secret), record.caller, credential.expires_at, deadline)
        return response(operation.status, answer)

    def _within_limits(self, operation: Operation[K], asked: Asked[Any]) -> Result:
        if operation.sessions:
            return self._with_session(operation, operation.sessions, asked)
        windows = self._limits.windows(asked.caller) if operation.counted else []
        if windows:
            self._limits.take(windows, asked.deadline)
        return self._or_given_back(windows, operation, asked)

    def _with_session(
        self, operation: Operation[K], sessions: Sessions[K], asked: Asked[Any], *, again: bool = True
    ) -> Result:
        """Asks for the credentials of a session; for those of a new one, once, where the vendor no longer knows it.

        A session that was taken stays counted when its credentials fail: the next try with the key gets them uncounted.
        """
        claim = sessions.slots.claim(asked.caller, asked.repeat_key, asked.deadline)
        windows = self._limits.windows(asked.caller)

        def take() -> Any:
            return self._with_key(operation, sessions.take, asked.body, asked)

        held = sessions.slots.session(claim, windows, take, asked.deadline)
        try:
            result: Result = self._with_key(operation, operation.ask, held.session, asked)
        except Problem as problem:
            if problem.vendor_status != 404:
                raise
            sessions.slots.gone(held.claim, asked.deadline)
            if not again:
                raise
        else:
            return result
        return self._with_session(operation, sessions, asked, again=False)

    def _or_given_back(self, windows: Sequence[Window], operation: Operation[K], asked: Asked[Any]) -> Result:
        try:
            result: Result = self._with_key(operation, operation.ask, asked.body, asked)
        except Exception:
            self._limits.give_back(windows, asked.deadline)
            raise
        return result

    def _with_key(self, operation: Operation[K], ask: Action[Any, K, Any], subject: Any, asked: Asked[Any]) -> Any:
        """Asks with the right key, and lets the breaker know how the vendor did; or, where none is needed, just asks."""
        if not operation.keyed:
            return operation.ask(asked)
        try:
            result = self._with_newer_key(operation, ask, subject, asked)
        except Problem as problem:
            self._breaker.saw(problem, asked.deadline)
            raise
        self._breaker.saw(None, asked.deadline)
        return result

    def _with_newer_key(
        self, operation: Operation[K], ask: Action[Any, K, Any], subject: Any, asked: Asked[Any]
    ) -> Any:
        """Asks with the key in use and, where the vendor refuses it, once more with the one that has replaced it."""
        key = self._keys.current(asked.deadline, operation.part)
        try:
            return ask(subject, Call(key, asked.caller, asked.deadline))
        except KeyRejected as refusal:
            newer = self._keys.newer_than(key, refusal, asked.deadline, operation.part)
        return ask(subject, Call(newer, asked.caller, asked.deadline))


def _repeat_key(event: dict[str, Any]) -> str | None:
    """The Idempotency-Key header. Raises `invalid_request` for one that is not 1 to 255 printable ASCII characters."""
    key: str | None = (event.get("headers") or {}).get("idempotency-key")
    if key is not None and not re.fullmatch(r"[\x20-\x7e]{1,255}", key):
        error = FieldError("Idempotency-Key", "Expected 1 to 255 printable ASCII characters")
        raise Problem("invalid_request", "Correct the header and send the request again.", errors=[error])
    return key
