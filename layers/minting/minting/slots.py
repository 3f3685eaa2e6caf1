"""Live slots of a vendor whose mint takes one: how many may be held, and that repeated calls share one session.

A session is claimed before the vendor is asked for it, and written down as soon as the vendor has named it. So a second call with
the same Idempotency-Key (or, without one, by the same caller within REPEAT_SECONDS) gets credentials for the same session, even
when the first call's answer was lost or its function ended half-way. A caller that has left its session releases it: the slot
is free, and the key is for a new session.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import sleep, time
from typing import NamedTuple

import msgspec

from minting.callers import Caller
from minting.deadline import Deadline
from minting.table import Write, Item, Table, ConditionFailed
from minting.limits import Limits, Window
from minting.owners import RETENTION
from minting.problems import Ambiguous, Problem

REPEAT_SECONDS = 10
"""A double tap, or a retry by an app that sends no Idempotency-Key."""

KEYED_SECONDS = 600
"""How long an Idempotency-Key stands for its session: as long as the vendor's credential for it is good."""

REPEATS = 20
"""Calls for a session that is there already. A client that backs off needs a few; a loop ends here."""

OVERTIME_SECONDS = 60
"""By how much a mark may outlast `SlotLimits.seconds`: a request's 30 s at API Gateway, and the rest for clocks that differ."""

POLL_SECONDS = 0.2
"""How often a call looks whether another one with the same key has got its session."""

MARGIN_SECONDS = 2.0
"""What a waiting call keeps of its time for minting the token once the session is there."""


class SlotLimits(NamedTuple):
    """How many slots may be live in all and per caller, and the seconds after which the vendor has let go of an unused one."""

    live: int
    live_per_caller: int
    seconds: int


class Claim(NamedTuple):
    """One call's claim to a session. `key` is the item that repeated calls find, `mark` is in both sets of live slots.

    A mark begins with the second at which its slot is free again. `owner` is the digest of the caller.
    """

    key: str
    mark: str
    seconds_kept: int
    owner: str

    def changes(self, rules: SlotLimits, pending_until: int) -> list[Write]:
        """Takes the session, if no other call has it, and a slot, if there is room; the narrowest first."""
        now = int(time())
        free = "attribute_not_exists(#id) OR #ends < :now"
        values = {"claim": self.mark, "ends": pending_until, "gone": now + rules.seconds, "now": now}
        update = "SET #claim = :claim, #ends = :ends, #expires = :gone REMOVE #found, #repeats"
        own, everyones = self.places
        joins = [self._join(own, rules.live_per_caller, rules), self._join(everyones, rules.live, rules)]
        return [Write(self.key, update, free, values), *joins]

    @property
    def places(self) -> tuple[str, str]:
        """The sets of live slots: the caller's, and everybody's."""
        return f"live#{self.owner}", "live"

    def _join(self, place: str, most: int, rules: SlotLimits) -> Write:
        values = {"mark": {self.mark}, "most": most, "gone": int(time()) + rules.seconds + OVERTIME_SECONDS}
        room = "attribute_not_exists(#live) OR size(#live) < :most"
        return Write(place, "ADD #live :mark SET #expires = :gone", room, values)

    def found(self, session: bytes, name: str) -> list[Write]:
        """Writes the session down for calls that repeat this one and, under its `name`, for its owner to release."""
        values = {"found": session, "ends": int(time()) + self.seconds_kept, "claim": self.mark}
        found = Write(self.key, "SET #found = :found, #ends = :ends", "#claim = :claim", values)
        gone = int(time() + RETENTION.total_seconds())
        owned = {"owner": self.owner, "key": self.key, "claim": self.mark, "gone": gone}
        update = "SET #owner = :owner, #key = :key, #claim = :claim, #expires = :gone"
        return [found, Write(name, update, "", owned)]

    def again(self) -> Write:
        """Counts one more call for the session, unless the key no longer stands for it."""
        same = "#claim = :claim AND #ends >= :now AND (attribute_not_exists(#repeats) OR #repeats < :most)"
        values = {"claim": self.mark, "now": int(time()), "one": 1, "most": REPEATS}
        return Write(self.key, "ADD #repeats :one", same, values)

    def leave(self) -> list[Write]:
        """Gives the slot back. A set that the table has dropped already comes back, and needs an end like any other."""
        update = "DELETE #live :mark SET #expires = if_not_exists(#expires, :gone)"
        values = {"mark": {self.mark}, "gone": int(time()) + OVERTIME_SECONDS}
        return [Write(place, update, "", values) for place in self.places]

    def release(self) -> list[Write]:
        """Gives the slot back; the next call with the key takes another."""
        return [self.forget(), *self.leave()]

    def forget(self) -> Write:
        """The next call with the key takes another session; the slot of this one stays counted."""
        return Write(self.key, "SET #ends = :never", "#claim = :claim", {"never": 0, "claim": self.mark})


class Held[T](NamedTuple):
    """A session, and the claim that took it: this call's or an earlier one's."""

    session: T
    claim: Claim


class Slots[T]:
    """One vendor's live sessions. `shape` is what is kept of one: never a credential. `name` is its key in the table."""

    def __init__(self, table: Table, limits: Limits, rules: SlotLimits, shape: type[T], name: Callable[[T], str]) -> None:
        self._table = table
        self._limits = limits
        self._rules = rules
        self._shape = shape
        self._name = name

    def claim(self, caller: Caller, repeat_key: str | None, deadline: Deadline) -> Claim:
        """The claim of one call. The same key of another caller is another key.

        The vendor may give the slot as late as the deadline, and counts from there.
        """
        owner = caller.digest
        key = hashlib.sha256(f"{owner}{repeat_key or ''}".encode()).hexdigest()
        mark = f"{int(time() + deadline.seconds_or_raise()) + 1 + self._rules.seconds}#{secrets.token_hex(8)}"
        return Claim(f"session#{key}", mark, KEYED_SECONDS if repeat_key else REPEAT_SECONDS, owner)

    def session(self, claim: Claim, windows: Sequence[Window], take: Callable[[], T], deadline: Deadline) -> Held[T]:
        """The session that the claim's key already has, or else a new one from `take`. `windows` count new ones alone.

        A repeat is looked for first, so that a caller whose hour is full still gets into the session that it has.
        Raises what `take` raises, the limits' problems (`repeats` is one: REPEATS), or `in_progress` when another call with
        the key is not done in time.
        """
        while True:
            try:
                pending_until = int(time() + deadline.seconds_or_raise()) + 1
                self._take(claim, windows, pending_until, deadline)
                return Held(self._open(claim, windows, take, deadline), claim)
            except ConditionFailed as refused:
                if refused.index > 0:
                    self._make_room(claim, refused, deadline)
                    continue
                item = self._wait(claim, refused.item, deadline)
            if item:
                with suppress(ConditionFailed):  # released meanwhile, or repeated once too often: the next look says which
                    return self._repeat(claim, item, deadline)

    def gone(self, claim: Claim, deadline: Deadline) -> None:
        """Called when the vendor no longer knows the claim's session: the slot is free, and the key is for a new one."""
        with suppress(ConditionFailed, Problem):
            self._table.transact(claim.release(), deadline.settling())

    def _take(self, claim: Claim, windows: Sequence[Window], pending_until: int, deadline: Deadline) -> None:
        """Counts the claim. The table may hold it although it did not answer in time; then it is taken out again."""
        try:
            self._limits.take(windows, deadline, claim.changes(self._rules, pending_until))
        except Ambiguous:
            self.gone(claim, deadline)
            raise

    def release(self, name: str, deadline: Deadline) -> None:
        """Called when a client has left the session of that `name`, by its owner: as `gone`, and once for each session.

        Raises `limits_unavailable`; a call that is repeated then does what is left to do.
        """
        item = self._table.get(name, deadline)
        if "claim" not in item:
            return
        claim = Claim(item["key"], item["claim"], 0, item["owner"])
        with suppress(ConditionFailed):  # by now the key stands for another session
            self._table.transact([claim.forget()], deadline)
        once = Write(name, "REMOVE #claim", "#claim = :claim", {"claim": claim.mark})
        with suppress(ConditionFailed):  # another release was faster
            self._table.transact([once, *claim.leave()], deadline)

    def _open(self, claim: Claim, windows: Sequence[Window], take: Callable[[], T], deadline: Deadline) -> T:
        try:
            session = take()
        except Exception as fault:
            known = isinstance(fault, Problem) and not fault.ambiguous
            self._limits.give_back(windows, deadline, claim.release() if known else [claim.forget()])
            raise
        with suppress(ConditionFailed, Problem):  # this call has its session; only a repeated one would miss it
            self._table.transact(claim.found(msgspec.json.encode(session), self._name(session)), deadline)
        return session

    def _repeat(self, claim: Claim, item: Item, deadline: Deadline) -> Held[T]:
        """The session in the key's item. Raises ConditionFailed when that is out of date, `quota_exceeded` after REPEATS repeats."""
        if item.get("repeats", 0) >= REPEATS:
            wait = max(1, item["ends"] - int(time()) + 1)
            detail = f"The limit repeats ({REPEATS}) is reached. For another session, send another Idempotency-Key."
            raise Problem("quota_exceeded", detail, limit="repeats", retry_after=wait)
        first = claim._replace(mark=item["claim"])
        self._limits.take([], deadline, [first.again()])
        return Held(msgspec.json.decode(item["found"], type=self._shape), first)

    def _wait(self, claim: Claim, item: Item, deadline: Deadline) -> Item | None:
        """The item of the session that another call with the key gets, or None when that call has failed."""
        while item.get("ends", 0) >= int(time()) and "found" not in item:
            if deadline.seconds_or_raise() < MARGIN_SECONDS:
                raise Problem("in_progress", "Another call with this Idempotency-Key is not done yet.", retry_after=1)
            sleep(POLL_SECONDS)
            item = self._table.get(claim.key, deadline)
        return item if item.get("ends", 0) >= int(time()) else None

    def _make_room(self, claim: Claim, refused: ConditionFailed, deadline: Deadline) -> None:
        """Drops the marks whose time is up. Raises `quota_exceeded` when there are none."""
        place = claim.places[refused.index - 1]
        name = ("slots_per_caller", "slots")[refused.index - 1]
        ends = {mark: int(mark.partition("#")[0]) for mark in refused.item["live"]}
        over = {mark for mark, end in ends.items() if end < time()}
        if not over:
            wait = max(1, min(ends.values()) - int(time()) + 1)
            raise Problem("quota_exceeded", f"The limit {name} is reached.", limit=name, retry_after=wait)
        self._table.transact([Write(place, "DELETE #live :over", "", {"over": over})], deadline)
