"""Live sessions of a vendor whose mints take slots.

It limits the slots, and repeated requests get the same session. A request claims a session before
it asks the vendor for one, and stores the session as soon as the vendor has created it. So a
repeated request with the same Idempotency-Key gets credentials for the same session, even if the
first response was lost or its function ended half-way. Without a key, the same holds for requests
of one caller within REPEAT_SECONDS. A caller who has left a session releases it: the slot is free,
and the key stands for a new session.
"""

import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from time import sleep, time
from typing import NamedTuple

import msgspec

from minting.claims import MAX_REPEATS, Claim, SlotLimits, is_open, is_opening
from minting.deadline import Deadline
from minting.limits import Admission
from minting.problems import Ambiguous, Problem
from minting.table import ConditionFailed, Item, Table, Write

REPEAT_SECONDS = 10
"""Covers a double tap, and a retry by an app that sends no Idempotency-Key."""

KEYED_SECONDS = 600
"""How long an Idempotency-Key stands for its session.

The vendor's credential for the session is valid as long.
"""

POLL_SECONDS = 0.2
"""How often a request checks whether another one with the same key has its session."""

MARGIN_SECONDS = 2.0
"""The time that a waiting request keeps for minting the token."""


class SessionLease[T](NamedTuple):
    """A session, and the claim that opened it: this request's or an earlier one's."""

    session: T
    claim: Claim


class _SessionGone(Exception):  # noqa: N818 - an outcome, not an error
    """The vendor no longer knows a session that the table still holds."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class Slots[T]:
    """One vendor's live sessions.

    `session_type` is what the table stores of one: never a credential. `resource` names a session
    in the table, so that its owner can release it.
    """

    def __init__(
        self, table: Table, slot_limits: SlotLimits, session_type: type[T], resource: Callable[[T], str]
    ) -> None:
        self._table = table
        self._slot_limits = slot_limits
        self._session_type = session_type
        self._resource = resource

    def use[R](
        self,
        admission: Admission,
        idempotency_key: str | None,
        *,
        open_session: Callable[[], T],
        mint: Callable[[T], R],
    ) -> R:
        """Mints for the key's session, or for a new one.

        If the vendor has dropped the session, opens another one, once. A session that was opened
        stays counted if its mint fails: the next try with the key mints for it, uncounted.
        """

        def attempt() -> R:
            claim = self.claim(admission, idempotency_key)
            lease = self.lease(claim, admission, open_session)
            try:
                return mint(lease.session)
            except Problem as problem:
                if problem.vendor_status != 404:
                    raise
                self._drop(lease.claim, admission.deadline)
                raise _SessionGone(problem) from None

        with suppress(_SessionGone):
            return attempt()
        try:
            return attempt()
        except _SessionGone as gone:
            raise gone.problem from None

    def claim(self, admission: Admission, idempotency_key: str | None) -> Claim:
        """The claim of one request. The same key of another caller is another key.

        The vendor may give the slot as late as the deadline, and counts from then on.
        """
        owner = admission.caller.digest
        key = hashlib.sha256(f"{owner}{idempotency_key or ''}".encode()).hexdigest()
        free_at = int(time() + admission.deadline.seconds_or_raise()) + 1 + self._slot_limits.seconds
        seconds_kept = KEYED_SECONDS if idempotency_key else REPEAT_SECONDS
        return Claim(f"session#{key}", f"{free_at}#{secrets.token_hex(8)}", seconds_kept, owner)

    def lease(self, claim: Claim, admission: Admission, open_session: Callable[[], T]) -> SessionLease[T]:
        """The session of the claim's key, or a new one from `open_session`.

        The limits count only new sessions, so a caller whose hour is full still reaches an existing
        one. Raises what `open_session` raises, the limits' problems (`repeats` is one: MAX_REPEATS),
        or `in_progress` if another request with the key is not done in time.
        """
        while True:
            item = self._table.get(claim.key, admission.deadline)
            try:
                if is_open(item):
                    return self._repeat(claim, item, admission)
                if is_opening(item):
                    self._wait(claim, item, admission.deadline)
                else:
                    with admission.counted():
                        self._take(claim, admission.deadline)
                        return SessionLease(self._open(claim, open_session, admission.deadline), claim)
            except ConditionFailed as failed:
                if failed.index:  # a set of slots is full; otherwise another request has changed the item
                    self._make_room(claim, failed, admission.deadline)

    def release(self, resource: str, deadline: Deadline) -> None:
        """Frees the slot of a session that its owner has left, once per session.

        The key then stands for a new session. Raises `limits_unavailable`. A repeated call finishes
        what an earlier one has left.
        """
        item = self._table.get(resource, deadline)
        if "claim" not in item:
            return
        claim = Claim(item["key"], item["claim"], 0, item["owner"])
        with suppress(ConditionFailed):  # the key stands for another session by now
            self._table.update(claim.forget(), deadline)
        once = Write(resource, "REMOVE #claim", "#claim = :claim", {"claim": claim.lease_id})
        with suppress(ConditionFailed):  # another release came first
            self._table.transact([once, *claim.free()], deadline)

    def _take(self, claim: Claim, deadline: Deadline) -> None:
        """Takes the key and a slot.

        Drops both if the table does not answer in time, because it may have stored them.
        """
        pending_until = int(time() + deadline.seconds_or_raise()) + 1
        try:
            self._table.transact(claim.take(self._slot_limits, pending_until), deadline)
        except Ambiguous:
            self._drop(claim, deadline)
            raise
        with suppress(Problem):  # the slot is taken, whether or not it can be measured
            self._measure(self._table.get(claim.sets[1], deadline), deadline)

    def _measure(self, everyones: Item, deadline: Deadline) -> None:
        """How many of all slots are taken."""
        live = [end for end in map(_end, everyones.get("live", ())) if end >= time()]
        deadline.meter.use("slots_used", len(live), self._slot_limits.live)

    def _drop(self, claim: Claim, deadline: Deadline) -> None:
        """Frees the slot of a session that the vendor does not have.

        The key then stands for a new session.
        """
        with suppress(ConditionFailed, Problem):
            self._table.transact([claim.forget(), *claim.free()], deadline.settling())

    def _open(self, claim: Claim, open_session: Callable[[], T], deadline: Deadline) -> T:
        try:
            session = open_session()
        except Exception as error:
            if isinstance(error, Problem) and not error.ambiguous:
                self._drop(claim, deadline)
            else:
                self._forget(claim, deadline)
            raise
        # This request has its session, and only a repeated one would miss it.
        with suppress(ConditionFailed, Problem):
            self._table.transact(claim.store(msgspec.json.encode(session), self._resource(session)), deadline)
        return session

    def _forget(self, claim: Claim, deadline: Deadline) -> None:
        """Lets the key stand for a new session. The slot stays taken, because the vendor may have given it."""
        with suppress(ConditionFailed, Problem):
            self._table.update(claim.forget(), deadline.settling())

    def _repeat(self, claim: Claim, item: Item, admission: Admission) -> SessionLease[T]:
        """The session in the key's item.

        Raises ConditionFailed if the item is stale, `quota_exceeded` after MAX_REPEATS.
        """
        admission.repeated()
        if item.get("repeats", 0) >= MAX_REPEATS:
            wait = max(1, item["ends"] - int(time()) + 1)
            detail = f"The limit repeats ({MAX_REPEATS}) is reached. For another session, send another Idempotency-Key."
            raise Problem("quota_exceeded", detail, limit="repeats", retry_after=wait)
        first = claim._replace(lease_id=item["claim"])
        self._table.update(first.repeat(), admission.deadline)
        return SessionLease(msgspec.json.decode(item["found"], type=self._session_type), first)

    def _wait(self, claim: Claim, item: Item, deadline: Deadline) -> None:
        """Waits until another request with the key has its session, or has failed.

        Raises `in_progress` at once if a request waits already: many repeats must not hold many
        environments.
        """
        first = claim._replace(lease_id=item["claim"])
        try:
            item = self._table.update(first.wait(int(time() + deadline.seconds_or_raise()) + 1), deadline)
        except ConditionFailed as failed:
            if is_opening(failed.item) and failed.item["claim"] == first.lease_id:
                raise _in_progress() from None
            return
        while is_opening(item):
            if deadline.seconds_or_raise() < MARGIN_SECONDS:
                raise _in_progress()
            sleep(POLL_SECONDS)
            item = self._table.get(claim.key, deadline)

    def _make_room(self, claim: Claim, full: ConditionFailed, deadline: Deadline) -> None:
        """Removes the leases that have ended. Raises `quota_exceeded` if there are none.

        `full` is about the caller's own set (1) or all callers' (2).
        """
        name, limit = (("slots_per_caller", self._slot_limits.live_per_caller), ("slots", self._slot_limits.live))[
            full.index - 1
        ]
        ended = {lease for lease in full.item["live"] if _end(lease) < time()}
        if not ended:
            if full.index == 2:
                self._measure(full.item, deadline)
            wait = max(1, min(map(_end, full.item["live"])) - int(time()) + 1)
            detail = f"All session slots are in use (limit `{name}`: {limit}). Release a session or try again later."
            raise Problem("quota_exceeded", detail, limit=name, retry_after=wait)
        self._table.update(Write(claim.sets[full.index - 1], "DELETE #live :ended", "", {"ended": ended}), deadline)


def _end(lease: str) -> int:
    """The Unix second at which the slot of a lease is free again."""
    return int(lease.partition("#")[0])


def _in_progress() -> Problem:
    detail = "Another request with this Idempotency-Key is still in progress. Send this one again shortly."
    return Problem("in_progress", detail, retry_after=1)
