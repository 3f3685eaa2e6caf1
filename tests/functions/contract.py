"""What every answer must look like, whatever the vendor (version 1 of the HTTP contract), as values that tests compare."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from tests.conftest import Answer, Function

type Fresh = Callable[..., "Function"]

REQUIRED = {"type", "title", "status", "detail", "instance", "code", "retryable", "fault"}
OPTIONAL = {"retry_after", "vendor_status", "vendor_code", "errors"}
FACTS = {"single_use", "extendable", "revocable", "takes_slot"}
MINT = {"id", "vendor", "issued_at", "expires_at", "expires_in"} | FACTS


class Said(NamedTuple):
    """What a problem says, but for its words."""

    status: int
    code: str
    fault: str
    retryable: bool
    retry_after: int | None = None
    vendor_status: int | None = None
    vendor_code: str | int | None = None

    def of(self, status: int | None, code: str | int | None = None, retry_after: int | None = None) -> "Said":
        """The same about what a vendor answered."""
        return self._replace(vendor_status=status, vendor_code=code, retry_after=retry_after)


INVALID = Said(400, "invalid_request", "caller", retryable=False)
UNAUTHENTICATED = Said(401, "unauthenticated", "caller", retryable=False)
NOT_ALLOWED = Said(403, "not_allowed", "caller", retryable=False)
NOT_FOUND = Said(404, "not_found", "caller", retryable=False)
TOO_LARGE = Said(413, "body_too_large", "caller", retryable=False)
NOT_JSON = Said(415, "not_json", "caller", retryable=False)
KEY_REJECTED = Said(502, "vendor_key_rejected", "operator", retryable=False)
ERROR = Said(502, "vendor_error", "vendor", retryable=False)
PASSING_ERROR = ERROR._replace(retryable=True)
OPERATORS_ERROR = ERROR._replace(fault="operator")
MALFORMED = Said(502, "vendor_malformed", "vendor", retryable=True)
BUSY = Said(503, "vendor_busy", "vendor", retryable=True)
NO_CAPACITY = Said(503, "no_capacity", "vendor", retryable=True)
UNAVAILABLE = Said(503, "vendor_unavailable", "vendor", retryable=True)
NOT_CONFIGURED = Said(503, "not_configured", "operator", retryable=False)
TIMED_OUT = Said(504, "vendor_timeout", "vendor", retryable=True, retry_after=1)

BY_STATUS = [
    (401, KEY_REJECTED.of(401)),
    (403, KEY_REJECTED.of(403)),
    (418, ERROR.of(418)),
    (429, BUSY.of(429)),
    (500, PASSING_ERROR.of(500)),
    (503, UNAVAILABLE.of(503)),
]
"""What a vendor's statuses mean wherever its page does not say otherwise."""

LISTINGS = [
    ("", "lobby", False),
    ("", "{caller}", False),
    ("lobby", "lobby", True),
    ("lobby", "Lobby", False),
    ("lobby,stage", "lobby,stage", False),
    ("lobby", "{caller}", False),
    ("desk-{caller}", "desk-{caller}", True),
    ("desk-{caller}", "desk-alice", False),
    ("*", "anything", True),
]
"""What an allow-list says, what alice asks for, and whether she gets it."""


def said(answer: "Answer") -> Said:
    """Holds a problem to RFC 9457 and to our members, and gives what it says."""
    body = answer.body
    assert body.keys() >= REQUIRED
    assert body.keys() <= REQUIRED | OPTIONAL
    header = {"retry-after": str(body["retry_after"])} if "retry_after" in body else {}
    scheme = {"www-authenticate": "Bearer"} if answer.status == 401 else {}
    always = {"content-type": "application/problem+json", "cache-control": "no-store"}
    assert answer.headers == always | header | scheme
    assert (body["status"], body["type"].rpartition(":")[2]) == (answer.status, body["code"])
    assert UUID(body["instance"].removeprefix("urn:uuid:"))
    assert body["title"]
    assert body["detail"]
    return Said(*(body.get(member) for member in Said._fields))  # type: ignore[arg-type]


def faults(answer: "Answer") -> list[str]:
    """The fields that a problem finds fault with, in order of their names."""
    assert all(error.keys() == {"field", "message"} and error["message"] for error in answer.body["errors"])
    return sorted(error["field"] for error in answer.body["errors"])


class Minted(NamedTuple):
    """A credential: the vendor's fields, and what `mint` says. facts: the names of those that hold."""

    fields: dict[str, Any]
    vendor: str
    expires_at: str | None
    expires_in: int | None
    facts: set[str]


def minted(answer: "Answer") -> Minted:
    """Holds a 201 to the contract: exact members, times with `Z`, an `expires_in` that agrees with them."""
    assert answer.status == 201, answer.body
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}
    mint = answer.body["mint"]
    assert mint.keys() == MINT
    assert str(UUID(mint["id"])) == mint["id"]
    issued_at = moment(mint["issued_at"])
    assert abs(datetime.now(UTC) - issued_at) < timedelta(seconds=30)
    if mint["expires_at"] is not None:
        assert mint["expires_in"] == (moment(mint["expires_at"]) - issued_at).total_seconds()
    fields = {name: value for name, value in answer.body.items() if name != "mint"}
    return Minted(
        fields, mint["vendor"], mint["expires_at"], mint["expires_in"], {fact for fact in FACTS if mint[fact]}
    )


def moment(text: str) -> datetime:
    """An RFC 3339 time in UTC, whole seconds, with `Z`."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), text
    return datetime.fromisoformat(text)
