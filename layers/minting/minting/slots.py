"""Live slots of a vendor whose mint takes one: how many may be held, and that repeated calls share one session.

A session is claimed before the vendor is asked for it, and written down as soon as the vendor has named it. So a second call with
the same Idempotency-Key (or, without one, by the same caller within REPEAT_SECONDS) gets credentials for the same session, even
when the first call's answer was lost or its function ended half-way.
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
from minting.ledger import Change, Item, Ledger, Refused
from minting.limits import Limits, Window
from minting.problems import Ambiguous, Problem

REPEAT_SECONDS = 10
"""A double tap, or a retry by an app that sends no Idempotency-Key."""

KEYED_SECONDS = 600
"""How long an Idempotency-Key stands for its session: as long as the vendor's credential for it is good."""

POLL_SECONDS = 0.2
"""How often a call looks whether another one with the same key has got its session."""

MARGIN_SECONDS = 2.0
"""What a waiting call keeps of its time for minting the token once the session is there."""


class Rules(NamedTuple):
    """How many slots may be live in all and per caller, and the seconds after which the vendor has let go of an unused one."""

    live: int
    live_per_caller: int
    seconds: int


class Claim(NamedTuple):
    """One call's claim to a session. `key` is the item that repeated calls find, `mark` is in both sets of live slots.

    A mark begins with the second at which its slot is free again.
    """

    key: str
    mark: str
    seconds_kept: int
    owner: str

    def changes(self, rules: Rules, pending_until: int) -> list[Change]:
        """Takes the session, if no other call has it, and a slot, if there is room; the narrowest first."""
        now = int(time())
        free = "attribute_not_exists(#id) OR #ends < :now"
        values = {"claim": self.mark, "ends": pending_until, "gone": now + rules.seconds, "now": now}
        claim = Change(self.key, "SET #claim = :claim, #ends = :ends, #expires = :gone REMOVE #found", free, values)
        return [claim, self._join(self.owner, rules.live_per_caller, rules), self._join("live", rules.live, rules)]

    def _join(self, place: str, most: int, rules: Rules) -> Change:
        values = {"mark": {self.mark}, "most": most, "gone": int(time()) + rules.seconds}
        room = "attribute_not_exists(#live) OR size(#live) < :most"
        return Change(place, "ADD #live :mark SET #expires = :gone", room, values)

    def found(self, session: bytes) -> Change:
        """Writes the session down for whoever repeats the call."""
        values = {"found": session, "ends": int(time()) + self.seconds_kept, "claim": self.mark}
        return Change(self.key, "SET #found = :found, #ends = :ends", "#claim = :claim", values)

    def release(self) -> list[Change]:
        """Gives the slot back; the next call with the key takes another."""
        leave = [Change(place, "DELETE #live :mark", "", {"mark": {self.mark}}) for place in (self.owner, "live")]
        return [self.forget(), *leave]

    def forget(self) -> Change:
        """The next call with the key takes another session; the slot of this one stays counted."""
        return Change(self.key, "SET #ends = :never", "#claim = :claim", {"never": 0, "claim": self.mark})


class Held[T](NamedTuple):
    """A session, and the claim that took it: this call's or an earlier one's."""

    session: T
    claim: Claim


class Slots[T]:
    """One vendor's live sessions. `shape` is what is kept of one: never a credential."""

    def __init__(self, ledger: Ledger, limits: Limits, rules: Rules, shape: type[T]) -> None:
        self._ledger = ledger
        self._limits = limits
        self._rules = rules
        self._shape = shape

    def claim(self, caller: Caller, repeat_key: str | None, deadline: Deadline) -> Claim:
        """The claim of one call. The same key of another caller is another key.

        The vendor may give the slot as late as the deadline, and counts from there.
        """
        owner = caller.digest
        key = hashlib.sha256(f"{owner}{repeat_key or ''}".encode()).hexdigest()
        mark = f"{int(time() + deadline.remaining()) + 1 + self._rules.seconds}#{secrets.token_hex(8)}"
        return Claim(f"session#{key}", mark, KEYED_SECONDS if repeat_key else REPEAT_SECONDS, f"live#{owner}")

    def session(self, claim: Claim, windows: Sequence[Window], take: Callable[[], T], deadline: Deadline) -> Held[T]:
        """The session that the claim's key already has, or else a new one from `take`; counted in `windows` either way.

        Raises what `take` raises, the limits' problems, or `in_progress` when another call with the key is not done in time.
        """
        while True:
            try:
                pending_until = int(time() + deadline.remaining()) + 1
                self._take(claim, windows, pending_until, deadline)
                return Held(self._open(claim, windows, take, deadline), claim)
            except Refused as refused:
                if refused.index > 0:
                    self._make_room(claim, refused, deadline)
                    continue
                item = self._wait(claim, refused.item, deadline)
            if item:
                self._limits.take(windows, deadline)
                session = msgspec.json.decode(item["found"], type=self._shape)
                return Held(session, claim._replace(mark=item["claim"]))

    def release(self, claim: Claim, deadline: Deadline) -> None:
        """Called when the vendor no longer knows the claim's session: the slot is free, and the key is for a new one."""
        with suppress(Refused, Problem):
            self._ledger.change(claim.release(), deadline.settling())

    def _take(self, claim: Claim, windows: Sequence[Window], pending_until: int, deadline: Deadline) -> None:
        """Counts the claim. The table may hold it although it did not answer in time; then it is taken out again."""
        try:
            self._limits.take(windows, deadline, claim.changes(self._rules, pending_until))
        except Ambiguous:
            self.release(claim, deadline)
            raise

    def _open(self, claim: Claim, windows: Sequence[Window], take: Callable[[], T], deadline: Deadline) -> T:
        try:
            session = take()
        except Exception as fault:
            known = isinstance(fault, Problem) and not fault.ambiguous
            self._limits.give_back(windows, deadline, claim.release() if known else [claim.forget()])
            raise
        with suppress(Refused, Problem):  # this call has its session; only a repeated one would miss it
            self._ledger.change([claim.found(msgspec.json.encode(session))], deadline)
        return session

    def _wait(self, claim: Claim, item: Item, deadline: Deadline) -> Item | None:
        """The item of the session that another call with the key gets, or None when that call has failed."""
        while item.get("ends", 0) >= int(time()) and "found" not in item:
            if deadline.remaining() < MARGIN_SECONDS:
                raise Problem("in_progress", "Another call with this Idempotency-Key is not done yet.", retry_after=1)
            sleep(POLL_SECONDS)
            item = self._ledger.read(claim.key, deadline)
        return item if item.get("ends", 0) >= int(time()) else None

    def _make_room(self, claim: Claim, refused: Refused, deadline: Deadline) -> None:
        """Drops the marks whose time is up. Raises `quota_exceeded` when there are none."""
        place, name = ((claim.owner, "slots_per_caller"), ("live", "slots"))[refused.index - 1]
        ends = {mark: int(mark.partition("#")[0]) for mark in refused.item["live"]}
        over = {mark for mark, end in ends.items() if end < time()}
        if not over:
            wait = max(1, min(ends.values()) - int(time()) + 1)
            raise Problem("quota_exceeded", f"The limit {name} is reached.", limit=name, retry_after=wait)
        self._ledger.change([Change(place, "DELETE #live :over", "", {"over": over})], deadline)
