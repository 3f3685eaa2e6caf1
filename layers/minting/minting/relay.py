"""What one caller leaves for others for a while, under an id that cannot be guessed. Who has the id may read it, nobody else can.

The id is the secret that it is encrypted with, and the table holds only a hash of it: whoever reads the table reads nothing.
"""

import hashlib
import hmac
import secrets
from contextlib import suppress
from time import time

import msgspec

from minting.callers import Caller
from minting.deadline import Deadline
from minting.ledger import Change, Item, Ledger, Refused
from minting.problems import Problem

ID_BYTES = 24
ID = rf"\A[A-Za-z0-9_-]{{{ID_BYTES * 4 // 3}}}\Z"
TAG_BYTES = 32


class Relay[T]:
    """One vendor's things of one `kind`, each of a `shape`."""

    def __init__(self, ledger: Ledger, kind: str, shape: type[T]) -> None:
        self._ledger = ledger
        self._kind = kind
        self._shape = shape

    def name(self, relay_id: str) -> str:
        """The thing's name in the table, where its `owner` is its host."""
        return f"{self._kind}#{_derived(relay_id, 'name').hex()}"

    def leave(self, thing: T, host: Caller, ends: int, viewers: int | None, deadline: Deadline) -> str:
        """Keeps a thing until `ends` (Unix seconds) for at most so many `viewers`, and gives its id."""
        relay_id = secrets.token_urlsafe(ID_BYTES)
        values = {
            "owner": host.digest,
            "sealed": seal(relay_id, msgspec.json.encode(thing)),
            "ends": ends,
            "most": viewers or 0,
        }
        update = "SET #owner = :owner, #sealed = :sealed, #ends = :ends, #most = :most, #expires = :ends"
        self._ledger.change([Change(self.name(relay_id), update, "", values)], deadline)
        return relay_id

    def read(self, relay_id: str, viewer: Caller, deadline: Deadline) -> T:
        """The thing. Raises `not_found` when it is over or never was, `quota_exceeded` when it has its viewers."""
        item = self._ledger.read(self.name(relay_id), deadline)
        if "sealed" not in item or item["ends"] < time():
            raise _over()
        self._admit(relay_id, viewer, item, deadline)
        return msgspec.json.decode(unseal(relay_id, item["sealed"]), type=self._shape)

    def end(self, relay_id: str, deadline: Deadline) -> None:
        """Forgets the thing. It is for the caller to know that its host asks."""
        with suppress(Refused):  # the table was faster
            self._ledger.change([Change(self.name(relay_id), "REMOVE #sealed", "attribute_exists(#id)")], deadline)

    def _admit(self, relay_id: str, viewer: Caller, item: Item, deadline: Deadline) -> None:
        """Viewers only join: who is in stays in, and what is full stays full. So neither is written down again."""
        most, joined = item["most"], item.get("viewers", frozenset())
        if not most or viewer.id in joined:
            return
        if len(joined) >= most:
            raise _full(most)
        room = "attribute_not_exists(#viewers) OR contains(#viewers, :viewer) OR size(#viewers) < :most"
        there = f"attribute_exists(#sealed) AND ({room})"  # an update would make an item that never ends
        values = {"joining": {viewer.id}, "viewer": viewer.id, "most": most}
        try:
            self._ledger.change([Change(self.name(relay_id), "ADD #viewers :joining", there, values)], deadline)
        except Refused as refused:
            raise (_full(most) if "sealed" in refused.item else _over()) from None


def _over() -> Problem:
    """The same words for what never was."""
    return Problem("not_found", "There is no such thing, or it is over.")


def _full(most: int) -> Problem:
    """Waiting does not help: nobody who has read it leaves."""
    return Problem("quota_exceeded", f"The limit viewers ({most}) is reached.", limit="viewers", retryable=False)


def seal(secret: str, plain: bytes) -> bytes:
    """Encrypts, then authenticates (FIPS 202's SHAKE256 as the key stream, FIPS 198-1's HMAC). One secret, one text."""
    hidden = _crossed(secret, plain)
    return hidden + _tag(secret, hidden)


def unseal(secret: str, sealed: bytes) -> bytes:
    """What was sealed with the secret. Raises ValueError for anything else."""
    hidden, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(secret, hidden)):
        raise ValueError("sealed with another secret, or changed")
    return _crossed(secret, hidden)


def _crossed(secret: str, text: bytes) -> bytes:
    stream = hashlib.shake_256(_derived(secret, "stream")).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))


def _tag(secret: str, hidden: bytes) -> bytes:
    return hmac.digest(_derived(secret, "tag"), hidden, "sha256")


def _derived(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), purpose.encode(), "sha256")
