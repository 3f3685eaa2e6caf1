"""Convai: what a mint asks for and answers, and what each of the vendor's errors becomes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.twins.twin import Fault
from tests.functions.contract import (
    BUSY,
    ERROR,
    KEY_REJECTED,
    MALFORMED,
    PASSING_ERROR,
    UNAVAILABLE,
    Fresh,
    Said,
    minted,
    moment,
    said,
)

MISSING, INVALID = "The request is missing an API key.", "The request contains an invalid API key."
NO_VALID, PROVIDED = "The request is missing a valid API key.", "Invalid API key provided."
RATE, USAGE = "API rate limit exceeded. Please try again later.", "API usage limit exceeded for current plan."
AFTER_7 = {"Retry-After": "7"}


@pytest.mark.parametrize("event", ["convai-mint", "convai-mint-get"])
def test_a_mint_gives_the_vendors_fields_for_about_an_hour(function: Fresh, event: str) -> None:
    mint = minted(function("convai").ask(event))
    assert mint.fields.keys() == {"apiAuthToken", "expirationTime"}
    assert (mint.vendor, mint.facts) == ("convai", {"extendable", "revocable"})
    assert mint.fields["expirationTime"] == mint.expires_at
    assert mint.expires_in in range(3598, 3601)


@pytest.mark.parametrize("event", ["convai-mint", "convai-mint-get"])
def test_the_vendor_is_asked_with_an_empty_object_and_the_key_in_its_header(warm: Fresh, event: str) -> None:
    convai = warm("convai")
    convai.ask(event)
    [call] = convai.twin.calls
    assert (call.method, call.path, call.query, call.body) == ("POST", "/user/connect", "", b"{}")
    assert (call.headers["convai-api-key"], call.headers["content-type"]) == ("convai-local-key", "application/json")


def test_a_get_ignores_a_body(warm: Fresh) -> None:
    assert minted(warm("convai").ask("convai-mint-get", "{not json"))


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (401, {"ERROR": MISSING, "Reference ID": "4711"}, {}, KEY_REJECTED.of(401)),
        (401, {"ERROR": NO_VALID}, {}, KEY_REJECTED.of(401)),
        (401, {"API_ERROR": INVALID}, {}, KEY_REJECTED.of(401)),
        (401, {"detail": PROVIDED}, {}, KEY_REJECTED.of(401)),
        (400, {"ERROR": "API key not found"}, {}, KEY_REJECTED.of(400)),
        (400, {"API_ERROR": "API key not found"}, {}, KEY_REJECTED.of(400)),
        (400, {"detail": "API key not found"}, {}, KEY_REJECTED.of(400)),
        (400, {"ERROR": "Something else is wrong"}, {}, ERROR.of(400)),
        (403, {"ERROR": "Your plan does not include this."}, {}, KEY_REJECTED.of(403)),
        (404, {"ERROR": "The requested URL was not found on the server."}, {}, ERROR.of(404)),
        (429, {"ERROR": RATE}, {}, BUSY.of(429)),
        (429, {"API_ERROR": USAGE}, {}, BUSY.of(429)),
        (429, {"detail": "Rate limit exceeded."}, AFTER_7, BUSY.of(429, retry_after=7)),
        (500, {"ERROR": "Internal error"}, {}, PASSING_ERROR.of(500)),
        (502, "<html>Bad gateway</html>", AFTER_7, UNAVAILABLE.of(502, retry_after=7)),
        (503, {"ERROR": "The service is unavailable."}, AFTER_7, UNAVAILABLE.of(503, retry_after=7)),
        (503, {"API_ERROR": "The service is unavailable."}, {}, UNAVAILABLE.of(503)),
        (504, "", AFTER_7, UNAVAILABLE.of(504, retry_after=7)),
    ],
)
def test_every_error_goes_by_its_status(
    warm: Fresh, status: int, body: Any, headers: dict[str, str], expected: Said
) -> None:
    convai = warm("convai")
    convai.twin.fault(Fault(status=status, body=body, headers=headers))
    assert said(convai.ask("convai-mint")) == expected


def test_a_503_that_passes_at_once_costs_no_mint(warm: Fresh) -> None:
    convai = warm("convai")
    convai.twin.fault(Fault(status=503, times=1))
    assert minted(convai.ask("convai-mint"))
    assert [call.status for call in convai.twin.calls] == [503, 200]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("2999-06-11T13:00:00", "2999-06-11T13:00:00Z"),
        ("2999-06-11 13:00:00", "2999-06-11T13:00:00Z"),
        ("2999-06-11T13:00:00.123456", "2999-06-11T13:00:00Z"),
        ("2999-06-11T13:00:00Z", "2999-06-11T13:00:00Z"),
        ("2999-06-11T13:00:00.999Z", "2999-06-11T13:00:00Z"),
        ("2999-06-11T15:00:00+02:00", "2999-06-11T13:00:00Z"),
    ],
)
def test_an_expiration_time_is_mended_to_utc_with_z(warm: Fresh, theirs: str, ours: str) -> None:
    convai = warm("convai")
    convai.twin.fault(Fault(body={"apiAuthToken": "t", "expirationTime": theirs}))
    mint = minted(convai.ask("convai-mint"))
    assert (mint.fields["expirationTime"], mint.expires_at) == (ours, ours)


@pytest.mark.parametrize("theirs", [None, "", "soon", "2026-13-45T99:00:00Z", 1795302000, {}, [], "Z", "9" * 5000])
def test_an_expiration_time_that_does_not_parse_is_left_out(warm: Fresh, theirs: Any) -> None:
    convai = warm("convai")
    convai.twin.fault(Fault(body={"apiAuthToken": "t", "expirationTime": theirs}))
    mint = minted(convai.ask("convai-mint"))
    assert (mint.fields, mint.expires_at, mint.expires_in) == ({"apiAuthToken": "t"}, None, None)


@pytest.mark.parametrize(
    "theirs", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0999-01-01T00:00:00"]
)
def test_an_expiration_time_at_the_ends_of_time_is_valid_or_absent(warm: Fresh, theirs: str) -> None:
    convai = warm("convai")
    convai.twin.fault(Fault(body={"apiAuthToken": "t", "expirationTime": theirs}))
    answer = convai.ask("convai-mint")
    assert (answer.status, answer.body["apiAuthToken"]) == (201, "t")
    assert "expirationTime" not in answer.body or moment(answer.body["expirationTime"])


def test_an_absent_expiration_time_is_left_out(function: Fresh) -> None:
    convai = function("convai")
    convai.twin.omit = "expirationTime"
    mint = minted(convai.ask("convai-mint"))
    assert (list(mint.fields), mint.expires_at, mint.expires_in) == (["apiAuthToken"], None, None)


def test_a_token_that_has_expired_already_has_no_seconds_left(warm: Fresh) -> None:
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    convai = warm("convai")
    convai.twin.fault(Fault(body={"apiAuthToken": "t", "expirationTime": past}))
    assert convai.ask("convai-mint").body["mint"]["expires_in"] == 0


@pytest.mark.parametrize("token", ["", None, 5, ["t"]])
def test_a_token_that_is_no_text_is_malformed(warm: Fresh, token: Any) -> None:
    convai = warm("convai")
    convai.twin.fault(Fault(body={"apiAuthToken": token, "expirationTime": "2999-06-11T13:00:00Z"}))
    assert said(convai.ask("convai-mint")) == MALFORMED.of(200)


@pytest.mark.parametrize(("status", "code"), [(429, "vendor_busy"), (500, "vendor_error"), (503, "vendor_unavailable")])
def test_a_vendor_in_trouble_that_speaks_of_keys_has_not_refused_ours(warm: Fresh, status: int, code: str) -> None:
    convai = warm("convai")
    convai.twin.fault(Fault(status=status, body={"ERROR": "The API key service is overloaded."}))
    assert convai.ask("convai-mint").body["code"] == code
