"""The vendor's API key: in Secrets Manager, in memory for a while, and read again when the vendor says that it is bad."""

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Annotated

import msgspec

from minting import aws
from minting.deadline import Deadline
from minting.decoding import DECODE_ERRORS
from minting.problems import KeyRejected, Problem

MAX_AGE = 300
"""Seconds until the secret is read anew, so that a new key is noticed even where no vendor call refuses the old one."""

REREAD_INTERVAL = 10.0
"""Seconds for which a refused key, found unchanged in the secret, is neither tried at the vendor nor looked for again."""

READ_SECONDS = 3.0
"""The longest that a reading may take. It leaves a request the time to mint with the key that is held,
and a function's start, which Lambda gives 10 s, the time for its other work.
"""

TRANSIENT = {"InternalServiceError", "ThrottlingException", "RequestTimeout", "ServiceUnavailable", None}
"""Secrets Manager's errors that pass (None: no answer at all). The others need an operator: no secret, no value, no right."""

type Secret = Annotated[str, msgspec.Meta(max_length=4096, pattern=r"\A\s*[\x21-\x7e]+\s*\Z")]
"""One value of a secret: printable ASCII, fit for a header. White space around it is a slip of the paste, and is dropped."""


class Key(msgspec.Struct, frozen=True):
    """What a vendor's secret holds. It never shows its values."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class ApiKey(Key, frozen=True):
    """The usual secret: `{"api_key": "..."}`."""

    api_key: Secret

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "api_key", self.api_key.strip())


type Part[K: Key] = Callable[[K], Key | None]
"""What of a secret an operation uses: where there are several keys in it, a refusal of one is none of the others."""


def whole(key: Key) -> Key:
    """All of it, as most vendors have one key."""
    return key


class Keys[K: Key]:
    """One vendor's key, shared by all threads of one function."""

    def __init__(self, secret_id: str, shape: type[K]) -> None:
        self._secret_id = secret_id
        self._shape = shape
        self._client = aws.client("secretsmanager")
        self._lock = threading.Lock()
        self._held: K | None = None
        self._held_until = 0.0
        self._refusals: dict[Key | None, tuple[KeyRejected, float]] = {}

    def current(self, deadline: Deadline, part: Part[K] = whole) -> K:
        """The key to use now. Raises `not_configured`, `key_unavailable`, or the last refusal of a key known to be bad."""
        key = self._read(deadline)
        self._raise_if_refused(part(key))
        return key

    def prefetch(self) -> None:
        """Reads the key ahead of the first request, which will say what is wrong if something is."""
        with suppress(Problem):
            self._read(Deadline(READ_SECONDS))

    def newer_than(self, refused: K, refusal: KeyRejected, deadline: Deadline, part: Part[K] = whole) -> K:
        """The key that has replaced a refused one. Raises the refusal when there is none.

        One thread at a time looks, and the same key is looked up once in REREAD_INTERVAL.
        """
        with self._lock:
            key = self._read(deadline)
            if part(key) != part(refused):
                return key
            self._raise_if_refused(part(key))
            key = self._read(deadline, anew=True)
            if part(key) == part(refused):
                self._refusals[part(refused)] = refusal, monotonic() + REREAD_INTERVAL
                raise refusal
        return key

    def _raise_if_refused(self, part: Key | None) -> None:
        refusal, ends = self._refusals.get(part, (None, 0.0))
        if refusal and monotonic() < ends:
            raise refusal.with_traceback(None)

    def _read(self, deadline: Deadline, *, anew: bool = False) -> K:
        if self._held and not anew and monotonic() < self._held_until:
            return self._held
        try:
            secret = self._ask(Deadline(min(deadline.seconds_left(), READ_SECONDS)))
        except aws.NotDone as fault:
            return self._outlast(fault)
        self._held, self._held_until = self._decode(secret), monotonic() + MAX_AGE
        return self._held

    def _ask(self, deadline: Deadline) -> aws.Answer:
        # moto, unlike AWS, forgets which version is current unless it is asked for by its stage.
        wanted = {"SecretId": self._secret_id, "VersionStage": "AWSCURRENT"}
        return aws.ask(self._client.get_secret_value, deadline, **wanted)

    def _outlast(self, fault: aws.NotDone) -> K:
        """An outage of Secrets Manager does not end the use of a key that is already here; a right taken away does."""
        if fault.code not in TRANSIENT:
            raise self._not_configured(fault.reason) from None
        if self._held:
            self._held_until = monotonic() + REREAD_INTERVAL  # an outage is not asked about by every request
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
        problem = Problem("not_configured", "The team that runs this deployment has to set the vendor's API key.")
        problem.add_note(f"secret {self._secret_id}: {reason}")
        return problem
