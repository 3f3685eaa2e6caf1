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
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import sleep, time
from typing import NamedTuple

import msgspec

from minting.callers import Caller
from minting.claims import MAX_REPEATS, Claim, SlotLimits
from minting.deadline import Deadline
from minting.limits import Limits, Window
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
        self, table: Table, limits: Limits, slot_limits: SlotLimits, session_type: type[T], resource: Callable[[T], str]
    ) -> None:
        self._table = table
        self._limits = limits
        self._slot_limits = slot_limits
        self._session_type = session_type
        self._resource = resource

    def use[R](
        self,
        caller: Caller,
        idempotency_key: str | None,
        deadline: Deadline,
        *,
        open_session: Callable[[], T],
        mint: Callable[[T], R],
    ) -> R:
        """Mints for the key's session, or for a new one.

        If the vendor has dropped the session, opens another one, once. A session that was opened
        stays counted if its mint fails: the next try with the key mints for it, uncounted.
        """

        def attempt() -> R:
            claim = self.claim(caller, idempotency_key, deadline)
            lease = self.lease(claim, self._limits.windows(caller), open_session, deadline)
            try:
                return mint(lease.session)
            except Problem as problem:
                if problem.vendor_status != 404:
                    raise
                self._drop(lease.claim, deadline)
                raise _SessionGone(problem) from None

        with suppress(_SessionGone):
            return attempt()
        try:
            return attempt()
        except _SessionGone as gone:
            raise gone.problem from None

    def claim(self, caller: Caller, idempotency_key: str | None, deadline: Deadline) -> Claim:
        """The claim of one request. The same key of another caller is another key.

        The vendor may give the slot as late as the deadline, and counts from then on.
        """
        key = hashlib.sha256(f"{caller.digest}{idempotency_key or ''}".encode()).hexdigest()
        free_at = int(time() + deadline.seconds_or_raise()) + 1 + self._slot_limits.seconds
        seconds_kept = KEYED_SECONDS if idempotency_key else REPEAT_SECONDS
        return Claim(f"session#{key}", f"{free_at}#{secrets.token_hex(8)}", seconds_kept, caller.digest)

    def lease(
        self, claim: Claim, windows: Sequence[Window], open_session: Callable[[], T], deadline: Deadline
    ) -> SessionLease[T]:
        """The session of the claim's key, or a new one from `open_session`.

        `windows` count only new sessions. The claim is checked before the windows, so that a caller
        whose hour is full still reaches an existing session. Raises what `open_session` raises, the
        limits' problems (`repeats` is one: MAX_REPEATS), or `in_progress` if another request with
        the key is not done in time.
        """
        while True:
            try:
                self._take(claim, windows, deadline)
                return SessionLease(self._open(claim, windows, open_session, deadline), claim)
            except ConditionFailed as failed:
                if failed.index > 0:
                    self._make_room(claim, failed, deadline)
                    continue
                item = self._wait(claim, failed.item, deadline)
            if item:
                # Released meanwhile or repeated too often: the next round finds out.
                with suppress(ConditionFailed):
                    return self._repeat(claim, item, deadline)

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
            self._table.transact([claim.forget()], deadline)
        once = Write(resource, "REMOVE #claim", "#claim = :claim", {"claim": claim.lease_id})
        with suppress(ConditionFailed):  # another release came first
            self._table.transact([once, *claim.free()], deadline)

    def _take(self, claim: Claim, windows: Sequence[Window], deadline: Deadline) -> None:
        """Counts the claim.

        Drops it if the table does not answer in time, because it may hold the claim.
        """
        pending_until = int(time() + deadline.seconds_or_raise()) + 1
        try:
            self._limits.take(windows, deadline, claim.take(self._slot_limits, pending_until))
        except Ambiguous:
            self._drop(claim, deadline)
            raise

    def _drop(self, claim: Claim, deadline: Deadline) -> None:
        """Frees the slot of a session that the vendor does not have.

        The key then stands for a new session.
        """
        with suppress(ConditionFailed, Problem):
            self._table.transact([claim.forget(), *claim.free()], deadline.settling())

    def _open(self, claim: Claim, windows: Sequence[Window], open_session: Callable[[], T], deadline: Deadline) -> T:
        try:
            session = open_session()
        except Exception as error:
            no_slot_taken = isinstance(error, Problem) and not error.ambiguous
            also = [claim.forget(), *claim.free()] if no_slot_taken else [claim.forget()]
            self._limits.give_back(windows, deadline, also)
            raise
        # This request has its session, and only a repeated one would miss it.
        with suppress(ConditionFailed, Problem):
            self._table.transact(claim.store(msgspec.json.encode(session), self._resource(session)), deadline)
        return session

    def _repeat(self, claim: Claim, item: Item, deadline: Deadline) -> SessionLease[T]:
        """The session in the key's item.

        Raises ConditionFailed if the item is stale, `quota_exceeded` after MAX_REPEATS.
        """
        if item.get("repeats", 0) >= MAX_REPEATS:
            wait = max(1, item["ends"] - int(time()) + 1)
            detail = f"The limit repeats ({MAX_REPEATS}) is reached. For another session, send another Idempotency-Key."
            raise Problem("quota_exceeded", detail, limit="repeats", retry_after=wait)
        first = claim._replace(lease_id=item["claim"])
        self._limits.take([], deadline, [first.repeat()])
        return SessionLease(msgspec.json.decode(item["found"], type=self._session_type), first)

    def _wait(self, claim: Claim, item: Item, deadline: Deadline) -> Item | None:
        """The item of the session that another request with the key opens.

        None if that request has failed.
        """
        while item.get("ends", 0) >= int(time()) and "found" not in item:
            if deadline.seconds_or_raise() < MARGIN_SECONDS:
                detail = "Another request with this Idempotency-Key is still in progress. Send this one again shortly."
                raise Problem("in_progress", detail, retry_after=1)
            sleep(POLL_SECONDS)
            item = self._table.get(claim.key, deadline)
        return item if item.get("ends", 0) >= int(time()) else None

    def _make_room(self, claim: Claim, failed: ConditionFailed, deadline: Deadline) -> None:
        """Removes the leases that have ended. Raises `quota_exceeded` if there are none."""
        name, limit = (("slots_per_caller", self._slot_limits.live_per_caller), ("slots", self._slot_limits.live))[
            failed.index - 1
        ]
        ends = {lease: int(lease.partition("#")[0]) for lease in failed.item["live"]}
        ended = {lease for lease, end in ends.items() if end < time()}
        if not ended:
            wait = max(1, min(ends.values()) - int(time()) + 1)
            detail = f"All session slots are in use (limit `{name}`: {limit}). Release a session or try again later."
            raise Problem("quota_exceeded", detail, limit=name, retry_after=wait)
        key = claim.sets[failed.index - 1]
        self._table.transact([Write(key, "DELETE #live :ended", "", {"ended": ended})], deadline)
