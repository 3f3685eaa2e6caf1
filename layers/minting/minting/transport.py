"""Sends HTTP requests by a deadline, which also bounds name look-ups. Used for vendors and for AWS."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, Self

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry

from minting.connections import Call, DeadlinePassed, exchange, pool
from minting.deadline import Deadline
from minting.replies import Reply, retry_after_seconds
from minting.workers import Workers

CONNECT_SECONDS = 3.05
"""Just over a TCP retransmission (3 s), as requests' documentation advises."""

MAX_REPLY_BYTES = 4 * 1024 * 1024
"""A Lambda returns at most 6 MB, and no vendor's reply comes near this size."""

MAX_RETRY_AFTER = 2.0
"""Seconds. A longer `Retry-After` is passed on to the caller instead of waiting for it."""


class Outgoing(NamedTuple):
    """An HTTP request."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Unanswered(Exception):  # noqa: N818 - an outcome, not an error
    """No whole reply came.

    `reason` is for the operator. `sent`: the request may have had an effect. `late`: the deadline
    has passed.
    """

    def __init__(self, reason: str, *, sent: bool, late: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.late = late


class Unreadable(Unanswered):
    """A reply came. It broke off, it cannot be decoded, or it is too large."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, sent=True)


class Repeats(Retry):
    """How often a request is repeated: urllib3's Retry, which ends with the request's deadline.

    An error counts as one of reading if anything was sent. Its kind does not tell, because TLS can
    fail before that and after.
    """

    @classmethod
    def never(cls) -> Self:
        """The caller decides."""
        return cls(total=False)

    @classmethod
    def unless_sent(cls) -> Self:
        """Twice at most, while the connection cannot be made."""
        return cls(total=2, read=0, status=0, **_COMMON)

    @classmethod
    def after(cls, statuses: set[int]) -> Self:
        """Also after a lost reply and after these statuses, with backoff and with `Retry-After`."""
        return cls(total=2, read=1, status=2, status_forcelist=statuses, **_COMMON)

    def increment(self, method: str | None = None, url: str | None = None, response: Any = None, **rest: Any) -> Self:  # type: ignore[override]
        exchange.call.seconds_or_raise()
        if response is not None and (self.get_retry_after(response) or 0) > MAX_RETRY_AFTER:
            raise MaxRetryError(rest.get("_pool"), url or "", rest.get("error"))  # type: ignore[arg-type]
        return super().increment(method, url, response, **rest)

    def get_retry_after(self, response: Any) -> float | None:
        return retry_after_seconds(response.headers.get("Retry-After", ""))

    def _is_read_error(self, err: Exception) -> bool:  # noqa: ARG002 - urllib3's signature
        return exchange.call.sent


_COMMON: dict[str, Any] = {
    "redirect": 0,
    "backoff_factor": 0.1,
    "backoff_jitter": 0.1,
    "allowed_methods": None,
    "raise_on_status": False,
}


class Transport:
    """Sends requests to one destination, so that its slowness delays no request to another."""

    def __init__(self, name: str) -> None:
        self._workers = Workers(name)

    def send(self, request: Outgoing, deadline: Deadline, repeats: Repeats) -> Reply:
        """Sends a request and returns the whole reply. It follows no redirect, and keeps no cookie.

        Raises Unreadable or Unanswered, never later than the deadline.
        """
        call = Call(deadline)
        try:
            return self._workers.run(partial(_exchange, request, call, repeats), deadline)
        except (TimeoutError, DeadlinePassed):
            raise Unanswered("TimeoutError", sent=call.sent, late=True) from None
        except HTTPError as error:
            cause = error.reason if isinstance(error, MaxRetryError) else error
            raise Unanswered(type(cause).__name__, sent=call.sent) from None


def _exchange(request: Outgoing, call: Call, repeats: Repeats) -> Reply:
    exchange.call = call
    timeout = min(CONNECT_SECONDS, call.seconds_or_raise())  # to connect and to send; connections.py bounds the reads
    response = pool().urlopen(
        **request._asdict(), timeout=timeout, retries=repeats, redirect=False, preload_content=False
    )
    try:
        return Reply(response.status, response.headers, _content(response))
    finally:
        response.close()  # a connection whose reply was read is in the pool again, and stays open


def _content(response: BaseHTTPResponse) -> bytes:
    try:
        content = response.read(MAX_REPLY_BYTES + 1, decode_content=True)
    except HTTPError as error:
        raise Unreadable(type(error).__name__) from None
    if len(content) > MAX_REPLY_BYTES:
        raise Unreadable("ReplyTooLarge")
    return content
