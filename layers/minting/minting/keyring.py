"""The vendor's API key, from Secrets Manager. It is cached, and read again when it is rejected."""

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import msgspec

from minting import aws
from minting.deadline import Deadline
from minting.decoding import DECODE_ERRORS
from minting.keys import Key, UsesKey, whole_key
from minting.problems import KeyRejected, Problem

MAX_AGE = 300
"""Seconds until the secret is read again.

So a new key comes into use even if the old one still works.
"""

REREAD_INTERVAL = 10.0
"""Seconds for which a rejected key is not used again.

For this time, the secret is not read again either, if it still holds that key.
"""

READ_SECONDS = 3.0
"""The longest time for reading the secret. It leaves a request time to mint with the cached key.

Lambda gives a function's start 10 s.
"""

BUSY = {"ThrottlingException", "RequestTimeout"}
"""Temporary refusals by Secrets Manager.

Other refusals need an operator: no secret, no value, or no permission.
"""


class Keyring[K: Key]:
    """One vendor's key, shared by all threads of one function."""

    def __init__(self, secret_id: str, shape: type[K]) -> None:
        self._secret_id = secret_id
        self._shape = shape
        self._client = aws.Client(aws.SECRETS_MANAGER)
        self._lock = threading.Lock()
        self._held: K | None = None
        self._held_until = 0.0
        self._rejections: dict[Key | None, tuple[KeyRejected, float]] = {}

    def prefetch(self) -> None:
        """Reads the key before the first request. If that fails, the first request reports why."""
        with suppress(Problem):
            self._read(Deadline(READ_SECONDS))

    def use[R](self, call: Callable[[K], R], deadline: Deadline, uses_key: UsesKey[K] = whole_key) -> R:
        """Calls with the current key.

        If the vendor rejects it, calls once more with its replacement.
        """
        key = self.current(deadline, uses_key)
        try:
            return call(key)
        except KeyRejected as rejection:
            newer = self.newer_than(key, rejection, deadline, uses_key)
        return call(newer)

    def current(self, deadline: Deadline, uses_key: UsesKey[K] = whole_key) -> K:
        """The key to use now.

        Raises `not_configured`, `key_unavailable`, or the recent rejection of that key.
        """
        key = self._read(deadline)
        self._raise_if_rejected(uses_key(key))
        return key

    def newer_than(
        self, rejected: K, rejection: KeyRejected, deadline: Deadline, uses_key: UsesKey[K] = whole_key
    ) -> K:
        """The key that has replaced a rejected one.

        Raises the rejection if the secret still holds the rejected key. One thread reads at a time,
        and it reads once in REREAD_INTERVAL for the same key.
        """
        with self._lock:
            key = self._read(deadline)
            if uses_key(key) != uses_key(rejected):
                return key
            self._raise_if_rejected(uses_key(key))
            key = self._read(deadline, again=True)
            if uses_key(key) == uses_key(rejected):
                self._rejections[uses_key(rejected)] = rejection, monotonic() + REREAD_INTERVAL
                raise rejection
        return key

    def _raise_if_rejected(self, key: Key | None) -> None:
        rejection, ends = self._rejections.get(key, (None, 0.0))
        if rejection and monotonic() < ends:
            raise rejection.with_traceback(None)

    def _read(self, deadline: Deadline, *, again: bool = False) -> K:
        if self._held and not again and monotonic() < self._held_until:
            return self._held
        try:
            secret = self._get_secret(deadline.at_most(READ_SECONDS))
        except aws.CallFailed as failure:
            return self._survive(failure)
        self._held, self._held_until = self._decode(secret), monotonic() + MAX_AGE
        return self._held

    def _get_secret(self, deadline: Deadline) -> aws.Answer:
        # Always name the stage. Without it, AWS returns the current version, but moto returns an old
        # one after a rotation.
        wanted = {"SecretId": self._secret_id, "VersionStage": "AWSCURRENT"}
        return self._client.call("GetSecretValue", wanted, deadline)

    def _survive(self, failure: aws.CallFailed) -> K:
        """The cached key during an outage of Secrets Manager.

        A revoked permission does end the use of the key.
        """
        if failure.refused and failure.code not in BUSY:
            raise self._not_configured(failure.reason) from None
        if self._held:
            self._held_until = monotonic() + REREAD_INTERVAL  # so that not every request waits for the outage
            return self._held
        raise Problem(
            "key_unavailable", "The vendor's API key cannot be read right now. Try again.", retry_after=5
        ) from None

    def _decode(self, secret: aws.Answer) -> K:
        try:
            return msgspec.json.decode(secret.get("SecretString", ""), type=self._shape)
        except DECODE_ERRORS:
            raise self._not_configured("its value is not the JSON object that docs/operating.md shows") from None

    def _not_configured(self, reason: str) -> Problem:
        problem = Problem("not_configured", "The team that runs this deployment must set the vendor's API key.")
        problem.add_note(f"secret {self._secret_id}: {reason}")
        return problem
