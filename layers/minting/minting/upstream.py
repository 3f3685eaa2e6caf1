"""Calls to a vendor: one way to make them, one deadline for all of a request's calls, and a problem for all that goes wrong."""

import email.utils
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from time import monotonic, time
from types import MappingProxyType
from typing import Any, NamedTuple, Self, TypedDict, Unpack
from urllib.parse import quote

import msgspec
import requests
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry

from minting.connections import Adapter, exchange
from minting.deadline import Deadline, timed_out
from minting.decoding import DECODE_ERRORS
from minting.problems import Ambiguous, Fault, KeyRejected, Problem
from minting.workers import Workers

CONNECT_SECONDS = 3.05
"""Just over a TCP retransmission (3 s), as requests' documentation advises."""

MAX_REPLY_BYTES = 4 * 1024 * 1024
"""Bytes. A Lambda answers with 6 MB at most, and no vendor's reply is near this."""

PATIENCE = 2.0
"""Seconds: a vendor that asks to be left alone for longer is not asked again for the same request."""

BASE_URL = re.compile(r"https?://[^\s/?#]+[^\s?#]*\Z")


class Reply(NamedTuple):
    """A vendor's whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body, or None when it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except DECODE_ERRORS:
            return None

    def retry_after(self) -> int | None:
        """Seconds to wait, from a `Retry-After` of either form (RFC 9110 section 10.2.3)."""
        return _seconds_asked(self.headers.get("Retry-After", ""))


type Interpret = Callable[[Reply], Problem | None]
"""What a vendor's reply means: the problem that it is, or None for a success."""


def interpret_status(reply: Reply, *, status: int | None = None, code: str | int | None = None) -> Problem | None:
    """The meaning of a status: the reply's own, or the one that a vendor writes in its body beside a known `code`."""
    status = status or reply.status
    wait = reply.retry_after()
    match status:
        case _ if 200 <= status < 300:
            return None
        case 401 | 403:
            return key_rejected(status, code)
        case 429:
            detail = "The vendor limits our rate. Try again later."
            return Problem("vendor_busy", detail, vendor_status=status, vendor_code=code, retry_after=wait)
        case 408 | 502 | 503 | 504:
            detail = "The vendor is out of order. Try again later."
            return Problem("vendor_unavailable", detail, vendor_status=status, vendor_code=code, retry_after=wait)
        case _:
            return vendor_error(status, code)


def key_rejected(status: int, code: str | int | None = None) -> KeyRejected:
    """The vendor does not take our API key (any more), for anyone or for what we do with it."""
    detail = "The vendor refuses this deployment's API key; its team has to look."
    return KeyRejected("vendor_key_rejected", detail, vendor_status=status, vendor_code=code)


def resource_refused(status: int, code: str | int | None = None) -> Problem:
    """A vendor's 403 about the one resource that the request names: the key stays good for everything else."""
    detail = "The vendor does not let this deployment's API key use what the request names. Its operator must allow it there."
    return Problem("vendor_error", detail, vendor_status=status, vendor_code=code, fault="operator", retryable=False)


def vendor_error(status: int, code: str | int | None = None, *, fault: Fault | None = None) -> Problem:
    """A vendor's error that has no code of its own in the catalogue; only a fault inside the vendor may pass by itself."""
    detail = f"The vendor answered with status {status}."
    return Problem("vendor_error", detail, vendor_status=status, vendor_code=code, fault=fault, retryable=status >= 500)


def malformed(detail: str, status: int | None = None) -> Problem:
    """A reply that is no failure by its status and yet of no use."""
    return Ambiguous("vendor_malformed", detail, vendor_status=status)


class Parts(TypedDict, total=False):
    """What a call may have: headers, a value to send as JSON, and a interpret of its own."""

    headers: Mapping[str, str]
    json: object
    interpret: Interpret


class Upstream:
    """One vendor's HTTP API, over connections that stay open between requests.

    Nothing is asked twice, but for what never left (a refused connection) and the paths in `repeatable`: those are asked
    again after a broken connection or a 502, 503 or 504, with backoff, and after a `Retry-After` of up to PATIENCE.
    `repeat_after` adds statuses for some of these paths.
    Raises ValueError for a base URL that is none: a slip of the team's must not look like a fault of the vendor's.
    """

    def __init__(
        self,
        base_url: str,
        *,
        repeatable: Collection[str] = (),
        repeat_after: Mapping[str, Collection[int]] = MappingProxyType({}),
        interpret: Interpret = interpret_status,
    ) -> None:
        if not BASE_URL.match(base_url):
            raise ValueError(f"{base_url!r} is no base URL, such as https://api.example.com")
        self._base_url = base_url.rstrip("/")
        self._interpret = interpret
        self._session = _session()
        careful = Adapter(max_retries=_Retry(total=2, read=0, status=0, **_COMMON))
        self._session.mount(self._base_url, careful)
        for path in repeatable:
            statuses = {502, 503, 504, *repeat_after.get(path, ())}
            again = Adapter(max_retries=_Retry(total=2, read=1, status=2, status_forcelist=statuses, **_COMMON))
            again.poolmanager = careful.poolmanager  # one pool of connections, two ways to use it
            self._session.mount(f"{self._base_url}/{path}", again)
        self._workers = Workers("upstream")

    def request[T](self, method: str, path: str, shape: type[T], deadline: Deadline, **parts: Unpack[Parts]) -> T:
        """Asks the vendor and decodes its answer as `shape`. Raises as `reply` does, and `vendor_malformed`."""
        reply = self.reply(method, path, deadline, **parts)
        try:
            return msgspec.json.decode(reply.body, type=shape)
        except DECODE_ERRORS:
            raise malformed("The vendor's answer lacks what it documents.", reply.status) from None

    def reply(self, method: str, path: str, deadline: Deadline, **parts: Unpack[Parts]) -> Reply:
        """Asks the vendor. `path` is relative to the base URL, its variable parts passed through `segment`.

        Raises the interpret's problem, `vendor_unavailable`, `vendor_malformed` or `vendor_timeout`, never later than the deadline.
        """
        url, headers = f"{self._base_url}/{path}", dict(parts.get("headers", {}))
        reply = self._exchange(method, url, deadline, headers, parts.get("json"))
        problem = parts.get("interpret", self._interpret)(reply)
        if problem:
            raise problem
        return reply

    def _exchange(self, method: str, url: str, deadline: Deadline, headers: dict[str, str], json: object) -> Reply:
        started = monotonic()
        try:
            return self._workers.run(partial(self._send, method, url, deadline, headers, json), deadline)
        except TimeoutError:
            raise timed_out() from None
        finally:
            deadline.add_vendor_time(monotonic() - started)

    def _send(self, method: str, url: str, deadline: Deadline, headers: dict[str, str], json: object) -> Reply:
        exchange.begin(deadline)
        body = None if json is None else msgspec.json.encode(json)
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._answer(method, url, headers, body, deadline.seconds_or_raise())
        except (requests.RequestException, HTTPError) as fault:
            raise _unanswered(fault) from None

    def _answer(self, method: str, url: str, headers: dict[str, str], body: bytes | None, seconds: float) -> Reply:
        patience = min(CONNECT_SECONDS, seconds)  # to connect and to send; connections.py bounds the reads
        with self._session.request(
            method, url, headers=headers, data=body, timeout=patience, allow_redirects=False, stream=True
        ) as response:
            content: bytes = response.raw.read(MAX_REPLY_BYTES + 1, decode_content=True)
            if len(content) > MAX_REPLY_BYTES:
                raise requests.exceptions.ContentDecodingError
            return Reply(response.status_code, response.headers, content)


def segment(value: str) -> str:
    """A variable part of a path, encoded so that it stays one segment. Raises `invalid_request` where it would not be one."""
    if value in {"", ".", ".."}:
        raise Problem("invalid_request", "That id cannot be part of a path.")
    return quote(value, safe="")


class _Retry(Retry):
    """urllib3's Retry, which ends with the request's deadline and tells the caller of a long wait.

    An error counts as one of reading if anything was sent. Its kind does not tell, because TLS can
    fail before that and after.
    """

    def increment(self, method: str | None = None, url: str | None = None, response: Any = None, **rest: Any) -> Self:  # type: ignore[override]
        exchange.deadline.seconds_or_raise()
        if response is not None and (self.get_retry_after(response) or 0) > PATIENCE:
            raise MaxRetryError(rest.get("_pool"), url or "", rest.get("error"))  # type: ignore[arg-type]
        return super().increment(method, url, response, **rest)

    def get_retry_after(self, response: Any) -> float | None:
        return _seconds_asked(response.headers.get("Retry-After", ""))

    def _is_read_error(self, err: Exception) -> bool:  # noqa: ARG002 - urllib3's signature
        return exchange.sent


def _seconds_asked(value: str) -> int | None:
    if value.strip().isdecimal():
        return int(value.strip()[:9])
    try:
        date = email.utils.parsedate_to_datetime(value)
        return max(0, int(date.timestamp() - time()))
    except (ValueError, OverflowError, TypeError):
        return None


_COMMON: dict[str, Any] = {
    "redirect": 0,
    "backoff_factor": 0.1,
    "backoff_jitter": 0.1,
    "allowed_methods": None,
    "raise_on_status": False,
}


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxies, no .netrc: nothing but what this code says decides where a key goes
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a vendor's cookie must not join two callers
    session.headers["User-Agent"] = "avatar-mint"
    return session


def _unanswered(fault: Exception) -> Problem:
    """What was never sent left nothing behind at the vendor. Where an answer was lost, something may be left."""
    if not isinstance(fault, requests.ConnectionError):
        return malformed("The vendor's answer broke off or cannot be decoded.")
    kind = Ambiguous if exchange.sent else Problem
    return kind("vendor_unavailable", "The vendor cannot be reached. Try again.", retry_after=2)
