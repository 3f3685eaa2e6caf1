"""HTTP calls to a vendor, with one deadline for all calls of a request.

Each failure raises a problem.
"""

import re
from collections.abc import Collection, Mapping
from time import monotonic
from types import MappingProxyType
from typing import TypedDict, Unpack
from urllib.parse import quote

import msgspec

from minting.deadline import Deadline, timed_out
from minting.decoding import DECODE_ERRORS
from minting.problems import Ambiguous, Problem
from minting.replies import Interpret, Reply, interpret_status, malformed
from minting.transport import Outgoing, Repeats, Transport, Unanswered, Unreadable

HEADERS = {"User-Agent": "avatar-mint", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}

BASE_URL = re.compile(r"https?://[^\s/?#]+[^\s?#]*\Z")


class Parts(TypedDict, total=False):
    """Options of a call: headers, a value to send as JSON, and how to interpret its reply."""

    headers: Mapping[str, str]
    json: object
    interpret: Interpret


class Upstream:
    """One vendor's HTTP API, over connections that stay open between requests.

    Requests are not retried, except when the connection was refused or the path begins with one of
    `repeatable`. Those are retried after a broken connection and after 502, 503 and 504, with backoff and with a
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
        self._unless_sent = Repeats.unless_sent()
        self._again = {path: Repeats.after({502, 503, 504, *repeat_after.get(path, ())}) for path in repeatable}
        self._transport = Transport("upstream")

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
        headers, wanted = {**HEADERS, **parts.get("headers", {})}, parts.get("json")
        if wanted is not None:
            headers["Content-Type"] = "application/json"
        body = None if wanted is None else msgspec.json.encode(wanted)
        reply = self._send(method, path, deadline, headers, body)
        problem = parts.get("interpret", self._interpret)(reply)
        if problem:
            raise problem
        return reply

    def _send(
        self, method: str, path: str, deadline: Deadline, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        again = next((rule for prefix, rule in self._again.items() if path.startswith(prefix)), self._unless_sent)
        started = monotonic()
        try:
            return self._transport.send(Outgoing(method, f"{self._base_url}/{path}", headers, body), deadline, again)
        except Unreadable:
            raise malformed("The vendor's reply broke off or cannot be decoded. Try again later.") from None
        except Unanswered as failure:
            raise _unanswered(failure) from None
        finally:
            deadline.meter.vendor_seconds += monotonic() - started


def segment(value: str) -> str:
    """Encodes a variable part of a path as one segment.

    Raises `invalid_request` if it cannot be one.
    """
    if value in {"", ".", ".."}:
        raise Problem("invalid_request", "That id cannot be part of a path. Send the id as you received it.")
    return quote(value, safe="")


def _unanswered(failure: Unanswered) -> Problem:
    """A request that was never sent changed nothing at the vendor.

    One whose reply was lost may have.
    """
    if failure.late:
        return timed_out(sent=failure.sent)
    kind = Ambiguous if failure.sent else Problem
    return kind("vendor_unavailable", "The vendor cannot be reached. Try again.", retry_after=2)
