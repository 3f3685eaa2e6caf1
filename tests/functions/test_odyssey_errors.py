"""Odyssey's errors: what a mint returns for each that the vendor documents."""

from typing import TYPE_CHECKING, Any

import pytest

from local.twins.twin import Fault
from tests.functions.contract import (
    BUSY,
    ERROR,
    KEY_REJECTED,
    MALFORMED,
    NO_CAPACITY,
    OPERATORS_ERROR,
    PASSING_ERROR,
    UNAVAILABLE,
    Fresh,
    Said,
    minted,
    said,
)
from tests.functions.odyssey_mints import AFTER_7, REQUEST, SIGN_IN, TOKEN, change_twin, mint, paths, sessions

if TYPE_CHECKING:
    from tests.conftest import Function


@pytest.fixture
def odyssey(tableless: Fresh) -> "Function":
    return tableless("odyssey")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"detail": "Invalid API key"}, KEY_REJECTED.of(401)),
        (403, {"detail": "API key is not allowed to create sessions"}, KEY_REJECTED.of(403)),
        (422, {"detail": [{"type": "missing", "loc": ["body", "api_key"]}]}, KEY_REJECTED.of(422)),
        (429, {"detail": "Too many requests"}, BUSY.of(429, retry_after=7)),
        (500, "Internal Server Error", PASSING_ERROR.of(500)),
        (503, {"detail": "unavailable"}, UNAVAILABLE.of(503, retry_after=7)),
        (200, {"expires_in": 3600}, MALFORMED.of(200)),
        (201, {}, MALFORMED.of(201)),
    ],
)
def test_an_error_of_the_sign_in_takes_no_slot(odyssey: "Function", status: int, body: Any, expected: Said) -> None:
    odyssey.twin.fault(Fault(path=SIGN_IN, status=status, body=body, headers=AFTER_7))
    assert said(mint(odyssey)) == expected
    assert sessions(odyssey) == []


@pytest.mark.parametrize(
    ("path", "status", "body", "expected"),
    [
        (REQUEST, 401, {"detail": "Invalid or expired token"}, ERROR.of(401)),
        (REQUEST, 403, {"detail": "Forbidden"}, KEY_REJECTED.of(403)),
        (REQUEST, 404, {"detail": "Not Found"}, ERROR.of(404)),
        (REQUEST, 422, {"detail": [{"loc": ["body"]}]}, ERROR.of(422)),
        (REQUEST, 500, "Internal Server Error", PASSING_ERROR.of(500)),
        (REQUEST, 502, "<html>Bad gateway</html>", UNAVAILABLE.of(502)),
        (REQUEST, 504, "", UNAVAILABLE.of(504)),
        (TOKEN, 401, {"detail": "Invalid or expired token"}, ERROR.of(401)),
        (TOKEN, 403, {"detail": "Forbidden"}, OPERATORS_ERROR.of(403)),
        (TOKEN, 422, {"detail": [{"loc": ["body"]}]}, ERROR.of(422)),
        (TOKEN, 429, {"detail": "Too many requests"}, BUSY.of(429)),
        (TOKEN, 500, "Internal Server Error", PASSING_ERROR.of(500)),
        (TOKEN, 502, "<html>Bad gateway</html>", UNAVAILABLE.of(502)),
        (TOKEN, 503, {"detail": "unavailable"}, UNAVAILABLE.of(503)),
    ],
)
def test_each_error_of_the_session_calls_has_its_meaning(
    odyssey: "Function", path: str, status: int, body: Any, expected: Said
) -> None:
    odyssey.twin.fault(Fault(path=path, status=status, body=body))
    assert said(mint(odyssey)) == expected
    assert len(sessions(odyssey)) == (path == TOKEN)


def test_a_403_about_a_session_affects_no_other_caller(odyssey: "Function") -> None:
    odyssey.twin.fault(Fault(path=TOKEN, status=403, times=1))
    assert said(mint(odyssey)) == OPERATORS_ERROR.of(403)
    assert minted(mint(odyssey))


# Limits of the vendor's plan

LIMITS = {
    "MONTHLY_LIMIT_REACHED": NO_CAPACITY._replace(fault="operator", retryable=False),
    "CONCURRENT_LIMIT_REACHED": NO_CAPACITY._replace(retry_after=5),
    "STREAM_DURATION_EXCEEDED": OPERATORS_ERROR,
    "ACCOUNT_SUSPENDED": OPERATORS_ERROR,
    "RATE_LIMITED": BUSY._replace(retry_after=30),
}


@pytest.mark.parametrize("shape", ["wrapped", "bare"])
@pytest.mark.parametrize("field", ["error", "code"])
@pytest.mark.parametrize("code", LIMITS)
def test_each_limit_has_its_meaning_in_every_form(odyssey: "Function", code: str, field: str, shape: str) -> None:
    change_twin(odyssey, refusal=code, refusal_field=field, refusal_shape=shape)
    assert said(mint(odyssey)) == LIMITS[code]._replace(vendor_status=429, vendor_code=code)
    assert (paths(odyssey), sessions(odyssey)) == ([SIGN_IN, REQUEST], [])


def test_a_limit_without_a_code_means_a_busy_vendor(odyssey: "Function") -> None:
    change_twin(odyssey, refusal="CONCURRENT_LIMIT_REACHED", refusal_shape="string")
    assert said(mint(odyssey)) == BUSY.of(429)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"detail": {"error": "CONCURRENT_LIMIT_REACHED"}}, NO_CAPACITY.of(429, "CONCURRENT_LIMIT_REACHED", 7)),
        ({"detail": {"error": "RATE_LIMITED", "details": None}}, BUSY.of(429, "RATE_LIMITED", 7)),
        ({"detail": {"error": "RATE_LIMITED", "details": {}}}, BUSY.of(429, "RATE_LIMITED", 7)),
        ({"detail": {"error": "SOMETHING_NEW", "message": "ody_local_key"}}, BUSY.of(429, retry_after=7)),
        ({"detail": {"error": ["RATE_LIMITED"]}}, BUSY.of(429, retry_after=7)),
        ({"detail": None}, BUSY.of(429, retry_after=7)),
        ({"detail": []}, BUSY.of(429, retry_after=7)),
        ([], BUSY.of(429, retry_after=7)),
        ("<html>", BUSY.of(429, retry_after=7)),
    ],
)
def test_an_odd_limit_is_read_as_far_as_possible(odyssey: "Function", body: Any, expected: Said) -> None:
    odyssey.twin.fault(Fault(path=REQUEST, status=429, body=body, headers=AFTER_7))
    assert said(mint(odyssey)) == expected


@pytest.mark.parametrize(
    ("named", "told"), [(30, 30), (12.5, 13), (-1, 5), (0, 5), ("30", 5), (None, 5), (True, 5), ([], 5)]
)
def test_a_rate_limits_wait_is_returned_in_whole_seconds(odyssey: "Function", named: Any, told: int) -> None:
    detail = {"error": "RATE_LIMITED", "details": {"retry_after_seconds": named}}
    odyssey.twin.fault(Fault(path=REQUEST, status=429, body={"detail": detail}))
    assert said(mint(odyssey)) == BUSY.of(429, "RATE_LIMITED", told)
