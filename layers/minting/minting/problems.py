"""The ways in which a request can fail: one exception and one catalogue (RFC 9457).

docs/errors.md explains each code.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

type Fault = Literal["caller", "operator", "vendor"]


class Kind(NamedTuple):
    """What a code means: status, title, whose turn it is, and whether a retry may succeed."""

    status: int
    title: str
    fault: Fault
    retryable: bool


CATALOGUE = {
    "invalid_request": Kind(400, "The request is not valid", "caller", retryable=False),
    "unauthenticated": Kind(401, "The caller is not signed in", "caller", retryable=False),
    "not_allowed": Kind(403, "This deployment does not allow that", "caller", retryable=False),
    "not_found": Kind(404, "Not found", "caller", retryable=False),
    "not_revocable": Kind(409, "This credential cannot be revoked", "caller", retryable=False),
    "not_extendable": Kind(409, "This credential cannot be extended", "caller", retryable=False),
    "in_progress": Kind(409, "The same request is still in progress", "caller", retryable=True),
    "body_too_large": Kind(413, "The body is too large", "caller", retryable=False),
    "not_json": Kind(415, "The body must be JSON", "caller", retryable=False),
    "quota_exceeded": Kind(429, "A limit of this deployment is reached", "caller", retryable=True),
    "internal_error": Kind(500, "This deployment failed", "operator", retryable=False),
    "vendor_key_rejected": Kind(502, "The vendor rejected the API key", "operator", retryable=False),
    "vendor_error": Kind(502, "The vendor returned an error", "vendor", retryable=False),
    "vendor_malformed": Kind(502, "The vendor's reply cannot be used", "vendor", retryable=True),
    "vendor_busy": Kind(503, "The vendor limits the request rate", "vendor", retryable=True),
    "no_capacity": Kind(503, "The vendor has no free slot", "vendor", retryable=True),
    "vendor_unavailable": Kind(503, "The vendor cannot be reached", "vendor", retryable=True),
    "not_configured": Kind(503, "This deployment is not configured for that", "operator", retryable=False),
    "key_unavailable": Kind(503, "The API key cannot be read right now", "operator", retryable=True),
    "vendor_stopped": Kind(503, "The team has stopped this vendor", "operator", retryable=True),
    "limits_unavailable": Kind(503, "The limits cannot be checked right now", "operator", retryable=True),
    "vendor_timeout": Kind(504, "The vendor did not answer in time", "vendor", retryable=True),
}


class FieldError(msgspec.Struct, frozen=True):
    """One error in the caller's input. `field` is a path such as `files[0].sizeBytes`."""

    field: str
    message: str


class Problem(Exception):  # noqa: N818 - the name of RFC 9457
    """A failed request, with everything that its caller may know.

    It holds nothing secret and no text of the vendor's. `code` is a key of CATALOGUE. `retry_after`
    is in seconds. `limit` is the name of a limit. `vendor_code` is a code that the vendor
    documents; its other texts are dropped, because they may echo secrets. `fault` and `retryable`
    override the catalogue.
    """

    ambiguous = False
    """Whether the request may have taken effect, because no usable reply came."""

    def __init__(  # noqa: PLR0913 - the members of the wire format
        self,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        vendor_status: int | None = None,
        vendor_code: str | int | None = None,
        limit: str | None = None,
        valid_until: str | None = None,
        errors: Sequence[FieldError] = (),
        fault: Fault | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.kind = CATALOGUE[code]
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.vendor_status = vendor_status
        self.vendor_code = vendor_code
        self.limit = limit
        self.valid_until = valid_until
        self.errors = errors
        self.fault = fault or self.kind.fault
        self.retryable = self.kind.retryable if retryable is None else retryable

    def members(self, instance: str) -> dict[str, object]:
        """The problem+json object. `instance` is the URI of this occurrence.

        Unknown members are absent.
        """
        members = {
            "type": f"urn:problem-type:avatar-mint:{self.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "retryable": self.retryable,
            "fault": self.fault,
        }
        known = {
            "retry_after": self.retry_after,
            "vendor_status": self.vendor_status,
            "vendor_code": self.vendor_code,
            "limit": self.limit,
            "valid_until": self.valid_until,
            "errors": list(self.errors) or None,
        }
        return members | {name: value for name, value in known.items() if value is not None}


def not_allowed(errors: Sequence[FieldError]) -> Problem:
    """The refusal of fields that this deployment does not let the caller set."""
    return Problem("not_allowed", "This deployment does not allow the fields named in `errors`.", errors=errors)


class KeyRejected(Problem):
    """The vendor rejects the API key.

    The secret is read again once, because the key may have been rotated.
    """


class Ambiguous(Problem):
    """No usable reply came, so the request may have taken effect."""

    ambiguous = True
