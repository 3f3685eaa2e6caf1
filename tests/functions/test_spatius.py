"""Spatius: what a mint asks for and answers, and what each of the vendor's errors becomes, in all the forms it takes."""

import base64
import json
from itertools import product
from time import time
from typing import Any

import pytest

from local.twins.twin import Fault
from tests.functions.contract import (
    BUSY,
    ERROR,
    INVALID,
    KEY_REJECTED,
    NOT_ALLOWED,
    NOT_CONFIGURED,
    OPERATORS_ERROR,
    PASSING_ERROR,
    UNAVAILABLE,
    Fresh,
    Said,
    faults,
    minted,
    said,
)

AFTER_7 = {"Retry-After": "7"}


def error(status: object, code: object, words: str = "detail") -> dict[str, object]:
    return {"id": code, "status": status, "code": code, "title": "Title", words: "In the vendor's words"}


def test_a_mint_gives_the_vendors_token_and_what_the_client_needs_beside_it(function: Fresh) -> None:
    mint = minted(function("spatius").ask("spatius-mint"))
    assert mint.fields.keys() == {"sessionToken", "appId", "region"}
    assert (mint.fields["appId"], mint.fields["region"]) == ("local-app", "us-west")
    assert mint.vendor == "spatius"
    assert mint.expires_in in range(898, 901)


def test_clients_are_told_that_a_token_is_for_one_connection(warm: Fresh) -> None:
    assert minted(warm("spatius").ask("spatius-mint")).facts == {"single_use"}


@pytest.mark.parametrize(
    ("asked", "ttl"), [({}, 3600), ({"ttl_seconds": 60}, 60), ({"ttl_seconds": 86_340}, 86_340), ("", 3600)]
)
def test_the_vendor_is_asked_for_a_moment_in_seconds_and_nothing_else(warm: Fresh, asked: Any, ttl: int) -> None:
    spatius = warm("spatius")
    headers = {"content-type": "application/json"} if asked != "" else {}
    before = int(time())
    mint = minted(spatius.ask("spatius-mint", asked, headers=headers))
    [call] = spatius.twin.calls
    body = json.loads(call.body)
    assert (call.method, call.path, call.query) == ("POST", "/v1/console/session-tokens", "")
    assert (call.headers["x-api-key"], call.headers["content-type"]) == ("spatius-local-key", "application/json")
    assert body == {"expireAt": body["expireAt"]}
    assert 0 <= body["expireAt"] - before - ttl <= 2
    twin: Any = spatius.twin
    assert twin.tokens[mint.fields["sessionToken"]] == ("local-app", body["expireAt"])


def test_a_base_url_with_a_slash_at_its_end_works(function: Fresh, bundle: Any) -> None:
    endpoint = bundle.twins["spatius"].base_url + "/"
    assert minted(function("spatius", SPATIUS_CONSOLE_ENDPOINT=endpoint).ask("spatius-mint"))


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-west", "https://console.us-west.spatius.ai/v1/console"),
        ("ap-northeast", "https://console.ap-northeast.spatius.ai/v1/console"),
        ("cn-beijing", "https://console.cn-beijing.spatialwalk.top/v1/console"),
    ],
)
def test_every_region_has_its_console(function: Fresh, region: str, url: str) -> None:
    module = function("spatius", SPATIUS_CONSOLE_ENDPOINT="").module
    assert module.console(region)._base_url == url


def test_the_callers_region_wins_over_the_deployments(function: Fresh) -> None:
    spatius = function("spatius", SPATIUS_REGION="ap-northeast", SPATIUS_REGIONS="cn-beijing")
    answers = [spatius.ask("spatius-mint", body) for body in ({}, {"region": "cn-beijing"})]
    assert [minted(answer).fields["region"] for answer in answers] == ["ap-northeast", "cn-beijing"]


def test_a_region_that_is_not_listed_is_refused_before_the_vendor_is_asked(function: Fresh) -> None:
    spatius = function("spatius", SPATIUS_REGIONS="us-west")
    answer = spatius.ask("spatius-mint", {"region": "cn-beijing"})
    assert said(answer) == NOT_ALLOWED
    assert faults(answer) == ["region"]
    assert spatius.twin.calls == []


def test_a_listed_avatar_is_told_back(warm: Fresh) -> None:
    mint = minted(warm("spatius").ask("spatius-mint", {"avatarId": "local-avatar"}))
    assert mint.fields["avatarId"] == "local-avatar"


@pytest.mark.parametrize("allowed", ["", "another", "local-avatar-2"])
def test_an_avatar_that_is_not_listed_is_refused_before_the_vendor_is_asked(function: Fresh, allowed: str) -> None:
    spatius = function("spatius", SPATIUS_AVATAR_IDS=allowed)
    answer = spatius.ask("spatius-mint", {"avatarId": "local-avatar"})
    assert (said(answer), spatius.twin.calls) == (NOT_ALLOWED, [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *product(["ttl_seconds"], [59, 86_341, 0, -1, 60.5, "3600", True, None, 10**30, 1795302000000]),
        *product(["region"], ["eu-west", "", "us-west/../x", 5, ["us-west"]]),
        *product(["avatarId"], ["", "a b", "a\n", "é", "a" * 129, 5, {}]),
    ],
)
def test_a_field_out_of_range_is_named_before_the_vendor_is_asked(warm: Fresh, field: str, value: Any) -> None:
    spatius = warm("spatius")
    answer = spatius.ask("spatius-mint", {field: value})
    assert (said(answer), faults(answer), spatius.twin.calls) == (INVALID, [field], [])


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        *[(400, code, ERROR) for code in ("BAD_REQUEST", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "invalid_request")],
        *[(401, code, KEY_REJECTED) for code in ("UNAUTHORIZED", "unauthorized", "expired")],
        (402, "PAYMENT_REQUIRED", OPERATORS_ERROR),
        *[(403, code, KEY_REJECTED) for code in ("FORBIDDEN", "PERMISSION_DENIED", "forbidden")],
        *[(404, code, ERROR) for code in ("NOT_FOUND", "not_found")],
        (408, "TIMEOUT", UNAVAILABLE),
        (409, "ALREADY_EXISTS", ERROR),
        (424, "FAILED_DEPENDENCY", ERROR),
        (429, "QUOTA_EXCEEDED", BUSY),
        *[(500, code, PASSING_ERROR) for code in ("INTERNAL_SERVER_ERROR", "internal_error")],
        (501, "UNIMPLEMENTED", PASSING_ERROR),
        (503, "UNAVAILABLE", UNAVAILABLE),
    ],
)
def test_every_error_code_has_its_meaning(warm: Fresh, status: int, code: str, expected: Said) -> None:
    spatius = warm("spatius")
    spatius.twin.fault(Fault(status=status, body={"errors": [error(status, code)]}))
    assert said(spatius.ask("spatius-mint")) == expected.of(status, code)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "INVALID_ARGUMENT", ERROR.of(400, "INVALID_ARGUMENT")),
        (401, "UNAUTHORIZED", KEY_REJECTED.of(401, "UNAUTHORIZED")),
        (402, "PAYMENT_REQUIRED", OPERATORS_ERROR.of(402, "PAYMENT_REQUIRED")),
        (429, "QUOTA_EXCEEDED", BUSY.of(429, "QUOTA_EXCEEDED", retry_after=7)),
        (503, "UNAVAILABLE", UNAVAILABLE.of(503, "UNAVAILABLE", retry_after=7)),
    ],
)
@pytest.mark.parametrize("form", ["errors", "string status", "error", "message", "inside 200", "error inside 200"])
def test_every_form_of_an_error_means_the_same(warm: Fresh, form: str, status: int, code: str, expected: Said) -> None:
    named = error(
        str(status) if form == "string status" else status, code, "message" if form == "message" else "detail"
    )
    body = {"error": named} if form.startswith("error ") or form == "error" else {"errors": [named]}
    spatius = warm("spatius")
    spatius.twin.fault(Fault(status=200 if form.endswith("200") else status, body=body, headers=AFTER_7))
    assert said(spatius.ask("spatius-mint")) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"sessionToken": "t", "errors": [error(401, "UNAUTHORIZED")]}, KEY_REJECTED.of(401, "UNAUTHORIZED")),
        (200, {"errors": [{}]}, PASSING_ERROR.of(500)),
        (200, {"errors": ["text"]}, PASSING_ERROR.of(500)),
        (200, {"errors": [error("soon", "LATER")]}, PASSING_ERROR.of(500)),
        (200, {"errors": [error(200, "NOT_FOUND")]}, PASSING_ERROR.of(500, "NOT_FOUND")),
        (200, {"errors": [error("9" * 5000, "NOT_FOUND")]}, PASSING_ERROR.of(500, "NOT_FOUND")),
        (200, {"errors": [error(400, ["INVALID_ARGUMENT"])]}, ERROR.of(400)),
        (200, {"errors": [error(400, {"code": 1})]}, ERROR.of(400)),
        (200, {"errors": [error(400, "the key is sk-123")]}, ERROR.of(400)),
        (401, {"errors": []}, KEY_REJECTED.of(401)),
        (401, "<html>", KEY_REJECTED.of(401)),
        (402, "", OPERATORS_ERROR.of(402)),
        (402, {"message": "session denied: credits exhausted"}, OPERATORS_ERROR.of(402)),
        (429, "", BUSY.of(429)),
        (500, [], PASSING_ERROR.of(500)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_odd_error_goes_by_what_can_be_read_of_it(warm: Fresh, status: int, body: Any, expected: Said) -> None:
    spatius = warm("spatius")
    spatius.twin.fault(Fault(status=status, body=body))
    assert said(spatius.ask("spatius-mint")) == expected


def test_an_empty_list_of_errors_is_none(warm: Fresh) -> None:
    spatius = warm("spatius")
    spatius.twin.fault(Fault(body={"sessionToken": "opaque", "errors": [], "error": None}))
    assert minted(spatius.ask("spatius-mint")).fields["sessionToken"] == "opaque"


def test_a_route_that_the_vendor_does_not_know_is_no_success(function: Fresh, bundle: Any) -> None:
    spatius = function("spatius", SPATIUS_CONSOLE_ENDPOINT=bundle.twins["spatius"].url)
    assert said(spatius.ask("spatius-mint")) == ERROR.of(404, "NOT_FOUND")


def test_an_app_id_that_is_not_the_keys_is_the_operators_fault_and_is_named(function: Fresh) -> None:
    answer = function("spatius", SPATIUS_APP_ID="other-app").ask("spatius-mint")
    assert said(answer) == NOT_CONFIGURED
    assert "other-app" in answer.body["detail"]


def test_without_an_app_id_the_tokens_own_is_told(function: Fresh) -> None:
    assert minted(function("spatius", SPATIUS_APP_ID="").ask("spatius-mint")).fields["appId"] == "local-app"


OPAQUE = [
    *("opaque", "a.b.c", "..", "a..c", "a.é.c", "a.!!!!.c", "a.=.c", "a." + "A" * 9),
    *(
        f"a.{base64.urlsafe_b64encode(payload).decode()}.c"
        for payload in (
            b"null",
            b"[]",
            b'"text"',
            b"{}",
            b'{"app_id": 5}',
            b'{"app_id": ""}',
            b'"\xff"',
            b"[" * 100_000,
        )
    ),
]


@pytest.mark.parametrize("token", OPAQUE, ids=lambda token: token[:20])
def test_an_opaque_token_is_handed_over_with_the_configured_app_id(warm: Fresh, token: str) -> None:
    spatius = warm("spatius")
    spatius.twin.fault(Fault(body={"sessionToken": token}))
    assert minted(spatius.ask("spatius-mint")).fields == {
        "sessionToken": token,
        "appId": "local-app",
        "region": "us-west",
    }


def test_an_opaque_token_without_a_configured_app_id_is_not_configured(function: Fresh) -> None:
    spatius = function("spatius", SPATIUS_APP_ID="")
    spatius.twin.fault(Fault(body={"sessionToken": "opaque"}))
    assert said(spatius.ask("spatius-mint")) == NOT_CONFIGURED
