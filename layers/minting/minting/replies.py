"""A vendor's reply, and what it means: a success, or one problem of the catalogue."""

import email.utils
from collections.abc import Callable, Mapping
from time import time
from typing import Any, NamedTuple

import msgspec

from minting.decoding import DECODE_ERRORS
from minting.problems import Ambiguous, Fault, KeyRejected, Problem


class Reply(NamedTuple):
    """A vendor's whole reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body, or None if it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except DECODE_ERRORS:
            return None

    def retry_after(self) -> int | None:
        """Seconds to wait, from a `Retry-After` of either form (RFC 9110 section 10.2.3)."""
        return retry_after_seconds(self.headers.get("Retry-After", ""))


type Interpret = Callable[[Reply], Problem | None]
"""Turns a vendor's reply into a problem, or into None for a success."""


def interpret_status(reply: Reply, *, status: int | None = None, code: str | int | None = None) -> Problem | None:
    """Interprets the reply's status, or the `status` that the vendor writes into the body.

    `code` is the vendor's own code for the error, if it documents one.
    """
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
            detail = "The vendor is unavailable. Try again later."
            return Problem("vendor_unavailable", detail, vendor_status=status, vendor_code=code, retry_after=wait)
        case _:
            return vendor_error(status, code)


def key_rejected(status: int, code: str | int | None = None) -> KeyRejected:
    """The vendor rejects our API key, for all requests or for this kind of request."""
    detail = "The vendor rejected this deployment's API key. Its operator must replace the key."
    return KeyRejected("vendor_key_rejected", detail, vendor_status=status, vendor_code=code)


def resource_refused(status: int, code: str | int | None = None) -> Problem:
    """A vendor's 403 about the one resource that the request names.

    The key stays valid for others.
    """
    detail = "The vendor does not let this deployment's API key use what the request names. Its operator must allow it there."
    return Problem("vendor_error", detail, vendor_status=status, vendor_code=code, fault="operator", retryable=False)


def vendor_error(status: int, code: str | int | None = None, *, fault: Fault | None = None) -> Problem:
    """Any other error of the vendor's. Only a 5xx is retryable."""
    detail = f"The vendor answered with status {status}."
    return Problem("vendor_error", detail, vendor_status=status, vendor_code=code, fault=fault, retryable=status >= 500)


def malformed(detail: str, status: int | None = None) -> Problem:
    """A reply whose status is a success and whose body cannot be used."""
    return Ambiguous("vendor_malformed", detail, vendor_status=status)


def retry_after_seconds(value: str) -> int | None:
    """Seconds to wait, from a `Retry-After` of either form (RFC 9110 section 10.2.3).

    None if it is neither.
    """
    if value.strip().isdecimal():
        return int(value.strip()[:9])
    try:
        date = email.utils.parsedate_to_datetime(value)
        return max(0, int(date.timestamp() - time()))
    except (ValueError, OverflowError, TypeError):
        return None
