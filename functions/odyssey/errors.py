"""What the vendor's replies mean. service.py names the calls.

Sources: docs/vendors/odyssey.md.
"""

import math
from typing import Any, NamedTuple

from minting.problems import Problem
from minting.replies import Reply, interpret_status, key_rejected, resource_refused

SLOT_RETRY_SECONDS = 5
"""The `retry_after` if the vendor gives none. Its queue moves within seconds."""

DAY = 86_400
"""The longest time, in seconds, that we accept in a reply of the vendor's."""


class NoSlot(Problem):
    """No streamer is free. We assume that no slot was taken, because the vendor does not say."""


class StaleAccess(Problem):
    """The vendor rejects an access token that should still be valid."""


class Limit(NamedTuple):
    """The meaning of one of the vendor's 429 codes. `operator_only`: only the operator can help."""

    code: str
    detail: str
    operator_only: bool = False


LIMITS = {
    "CONCURRENT_LIMIT_REACHED": Limit("no_capacity", "All sessions of the vendor's plan are in use. Try again later."),
    "MONTHLY_LIMIT_REACHED": Limit(
        "no_capacity",
        "The hours of the vendor's plan for this month are used up. The operator can extend the plan.",
        operator_only=True,
    ),
    "STREAM_DURATION_EXCEEDED": Limit(
        "vendor_error",
        "The vendor's plan does not allow streams of that length. The operator must change the plan.",
        operator_only=True,
    ),
    "ACCOUNT_SUSPENDED": Limit(
        "vendor_error",
        "The vendor has suspended this deployment's account. The operator must contact the vendor.",
        operator_only=True,
    ),
    "RATE_LIMITED": Limit("vendor_busy", "The vendor limits our rate. Try again later."),
}


def interpret_sign_in_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to call 1. 422 means that the key has the wrong form."""
    return key_rejected(reply.status) if reply.status == 422 else interpret_status(reply)


def interpret_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to call 3 or 4. 401 is about the access token, 429 about a limit."""
    match reply.status:
        case 401:
            return StaleAccess(
                "vendor_error", "The vendor rejects the access token that it has issued.", vendor_status=401
            )
        case 429:
            return limit_reached(reply)
    return interpret_status(reply)


def interpret_token_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to call 4. We assume that a 403 is about the session that it names."""
    return resource_refused(403) if reply.status == 403 else interpret_reply(reply)


def interpret_session_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to call 3. 503 means that no streamer is free yet.

    After any other 5xx the vendor may have taken a slot.
    """
    if reply.status != 503:
        problem = interpret_reply(reply)
        if problem:
            problem.ambiguous = reply.status >= 500
        return problem
    wait = reply.retry_after() or SLOT_RETRY_SECONDS
    return NoSlot(
        "no_capacity", "The vendor has no free streamer. Try again shortly.", vendor_status=503, retry_after=wait
    )


def limit_reached(reply: Reply) -> Problem | None:
    """Interprets a 429 by its code.

    The code is in `error` or, in the older form, in `code`. Both can be inside `detail`.
    """
    answer = reply.json()
    detail = answer.get("detail", answer) if isinstance(answer, dict) else None
    match detail:
        case {"error": str(code)} | {"code": str(code)} if code in LIMITS:
            limit = LIMITS[code]
        case _:
            return interpret_status(reply)
    if limit.operator_only:
        return Problem(limit.code, limit.detail, vendor_status=429, vendor_code=code, fault="operator", retryable=False)
    wait = rate_limit_wait(detail) or reply.retry_after() or SLOT_RETRY_SECONDS
    return Problem(limit.code, limit.detail, vendor_status=429, vendor_code=code, retry_after=wait)


def rate_limit_wait(detail: Any) -> int | None:
    """The seconds to wait, from a RATE_LIMITED error. None if it has none."""
    match detail:
        case {"details": {"retry_after_seconds": int(seconds) | float(seconds)}} if (
            type(seconds) is not bool and seconds > 0
        ):
            return math.ceil(min(seconds, DAY))
    return None
