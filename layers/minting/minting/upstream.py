"""HTTP calls to a vendor, with one deadline for all calls of a request.

Each failure raises a problem.
"""

import re
from collections.abc import Collection, Mapping
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from types import MappingProxyType
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import quote

import msgspec
import requests
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry

from minting.connections import Adapter, Call, exchange
from minting.deadline import Deadline, timed_out
from minting.decoding import DECODE_ERRORS
from minting.problems import Ambiguous, Problem
from minting.replies import Interpret, Reply, interpret_status, malformed, retry_after_seconds
from minting.workers import Workers

CONNECT_SECONDS = 3.05
"""Just over a TCP retransmission (3 s), as requests' documentation advises."""

MAX_REPLY_BYTES = 4 * 1024 * 1024
"""A Lambda returns at most 6 MB, and no vendor's reply comes near this size."""

MAX_RETRY_AFTER = 2.0
"""Seconds. A longer `Retry-After` is passed on to the caller instead of waiting for it."""

BASE_URL = re.compile(r"https?://[^\s/?#]+[^\s?#]*\Z")


class Parts(TypedDict, total=False):
    """Options of a call: headers, a value to send as JSON, and how to interpret its reply."""

    headers: Mapping[str, str]
    json: object
    interpret: Interpret


class Upstream:
    """One vendor's HTTP API, over connections that stay open between requests.

    Requests are not retried, except when the connection was refused or the path is in `repeatable`.
    Those are retried after a broken connection and after 502, 503 and 504, with backoff and with a
    `Retry-After` of up to MAX_RETRY_AFTER. `repeat_after` adds statuses for some of these paths.
    Raises ValueError for an invalid base URL, so that the team's mistake does not look like a fault
    of the vendor's.
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
            raise ValueError(f"{base_url!r} is not a base URL, such as https://api.example.com")
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
        """Sends a request and decodes the reply as `shape`.

        Raises as `reply` does, and `vendor_malformed`.
        """
        reply = self.reply(method, path, deadline, **parts)
        try:
            return msgspec.json.decode(reply.body, type=shape)
        except DECODE_ERRORS:
            raise malformed("The vendor's reply lacks documented fields. Try again later.", reply.status) from None

    def reply(self, method: str, path: str, deadline: Deadline, **parts: Unpack[Parts]) -> Reply:
        """Sends a request.

        `path` is relative to the base URL, and `segment` has encoded its variable parts. Raises the
        problem that `interpret` finds, `vendor_unavailable`, `vendor_malformed` or
        `vendor_timeout`, never later than the deadline.
        """
        url, headers = f"{self._base_url}/{path}", dict(parts.get("headers", {}))
        reply = self._exchange(method, url, deadline, headers, parts.get("json"))
        problem = parts.get("interpret", self._interpret)(reply)
        if problem:
            raise problem
        return reply

    def _exchange(self, method: str, url: str, deadline: Deadline, headers: dict[str, str], json: object) -> Reply:
        started, call = monotonic(), Call(deadline)
        try:
            return self._workers.run(partial(self._send, method, url, call, headers, json), deadline)
        except TimeoutError:
            raise timed_out(sent=call.sent) from None
        finally:
            deadline.add_vendor_time(monotonic() - started)

    def _send(self, method: str, url: str, call: Call, headers: dict[str, str], json: object) -> Reply:
        exchange.call = call
        body = None if json is None else msgspec.json.encode(json)
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._answer(method, url, headers, body, call.seconds_or_raise())
        except (requests.RequestException, HTTPError) as error:
            raise _unanswered(error, sent=call.sent) from None

    def _answer(self, method: str, url: str, headers: dict[str, str], body: bytes | None, seconds: float) -> Reply:
        timeout = min(CONNECT_SECONDS, seconds)  # to connect and to send; connections.py bounds the reads
        with self._session.request(
            method, url, headers=headers, data=body, timeout=timeout, allow_redirects=False, stream=True
        ) as response:
            content: bytes = response.raw.read(MAX_REPLY_BYTES + 1, decode_content=True)
            if len(content) > MAX_REPLY_BYTES:
                raise requests.exceptions.ContentDecodingError
            return Reply(response.status_code, response.headers, content)


def segment(value: str) -> str:
    """Encodes a variable part of a path as one segment.

    Raises `invalid_request` if it cannot be one.
    """
    if value in {"", ".", ".."}:
        raise Problem("invalid_request", "That id cannot be part of a path. Send the id as you received it.")
    return quote(value, safe="")


class _Retry(Retry):
    """urllib3's Retry, which ends with the request's deadline and tells the caller of a long wait.

    An error counts as one of reading if anything was sent. Its kind does not tell, because TLS can
    fail before that and after.
    """

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


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # ignore proxies and .netrc, which could send the key elsewhere
    # A vendor's cookie must not connect two callers.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "avatar-mint"
    return session


def _unanswered(error: Exception, *, sent: bool) -> Problem:
    """A request that was never sent changed nothing at the vendor.

    One whose reply was lost may have.
    """
    if not isinstance(error, requests.ConnectionError):
        return malformed("The vendor's reply broke off or cannot be decoded. Try again later.")
    kind = Ambiguous if sent else Problem
    return kind("vendor_unavailable", "The vendor cannot be reached. Try again.", retry_after=2)
