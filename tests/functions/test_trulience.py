"""Trulience: what a mint asks for and answers, and what each of the vendor's error numbers becomes."""

import json
from typing import Any

import pytest

from local.twins.trulience import ERRORS, Key
from local.twins.twin import Fault
from tests.functions.contract import (
    BUSY,
    ERROR,
    INVALID,
    KEY_REJECTED,
    MALFORMED,
    NOT_ALLOWED,
    OPERATORS_ERROR,
    PASSING_ERROR,
    UNAVAILABLE,
    Fresh,
    Said,
    faults,
    minted,
    said,
)

AVATAR = "4386676996480451678"
AFTER_7 = {"Retry-After": "7"}


def test_a_mint_gives_the_vendors_fields_for_as_long_as_asked(function: Fresh) -> None:
    mint = minted(function("trulience").ask("trulience-mint"))
    assert mint.fields.keys() == {"jwt", "expires_in", "avatar_id"}
    assert (mint.fields["avatar_id"], mint.fields["expires_in"]) == (AVATAR, 300)
    assert (mint.vendor, mint.facts) == ("trulience", {"single_use"})
    assert mint.expires_in in range(298, 301)


@pytest.mark.parametrize(("asked", "sent"), [({}, 120), ({"expire_at": 60}, 60), ({"expire_at": 3600}, 3600)])
def test_the_vendor_is_asked_for_a_duration_and_an_id_of_19_digits(
    warm: Fresh, asked: dict[str, int], sent: int
) -> None:
    trulience = warm("trulience")
    mint = minted(trulience.ask("trulience-mint", {"avatar_id": AVATAR} | asked))
    [call] = trulience.twin.calls
    assert (call.method, call.path, call.query) == ("POST", "/auth/generate-token", "")
    assert json.loads(call.body) == {"avatar_id": AVATAR, "expire_at": sent}
    assert (call.headers["x-api-key"], call.headers["content-type"]) == ("tru_live_local_key", "application/json")
    assert mint.fields["expires_in"] == sent


@pytest.mark.parametrize(
    "body",
    [
        {"avatar_id": int(AVATAR)},
        {"avatar_id": ""},
        {"avatar_id": "a/../b"},
        {"avatar_id": "a" * 65},
        {"avatar_id": f"{AVATAR}\n"},
        {"avatar_id": None},
        {},
    ],
    ids=str,
)
def test_an_avatar_id_must_be_a_text_that_can_be_one(warm: Fresh, body: dict[str, Any]) -> None:
    trulience = warm("trulience")
    answer = trulience.ask("trulience-mint", body)
    assert (said(answer), faults(answer), trulience.twin.calls) == (INVALID, ["avatar_id"], [])


@pytest.mark.parametrize("seconds", [59, 3601, 0, -60, 120.5, "120", True, None, [120]])
def test_a_duration_out_of_range_is_refused_before_the_vendor_is_asked(warm: Fresh, seconds: Any) -> None:
    trulience = warm("trulience")
    answer = trulience.ask("trulience-mint", {"avatar_id": AVATAR, "expire_at": seconds})
    assert (said(answer), faults(answer), trulience.twin.calls) == (INVALID, ["expire_at"], [])


@pytest.mark.parametrize("allowed", ["", "another", "another, , 43866769964804516"])
def test_an_avatar_that_is_not_listed_is_refused_before_the_vendor_is_asked(function: Fresh, allowed: str) -> None:
    trulience = function("trulience", TRULIENCE_AVATAR_IDS=allowed)
    assert (said(trulience.ask("trulience-mint")), trulience.twin.calls) == (NOT_ALLOWED, [])


@pytest.mark.parametrize("allowed", ["*", f"another, {AVATAR}"])
def test_a_listed_avatar_and_any_under_a_star_are_allowed(function: Fresh, allowed: str) -> None:
    assert minted(function("trulience", TRULIENCE_AVATAR_IDS=allowed).ask("trulience-mint"))


@pytest.mark.parametrize(
    ("number", "headers", "expected"),
    [
        (16, {}, KEY_REJECTED.of(401, 16)),
        (19, {}, ERROR.of(400, 19)),
        (33, {}, OPERATORS_ERROR.of(403, 33)),
        (34, {}, KEY_REJECTED.of(403, 34)),
        (35, {}, KEY_REJECTED.of(403, 35)),
        (36, {}, BUSY.of(429, 36)),
        (36, AFTER_7, BUSY.of(429, 36, retry_after=7)),
        (45, {}, PASSING_ERROR.of(500, 45)),
    ],
)
def test_every_error_number_has_its_meaning(warm: Fresh, number: int, headers: dict[str, str], expected: Said) -> None:
    status, message = ERRORS[number]
    trulience = warm("trulience")
    trulience.twin.fault(Fault(status=status, body={"error": {"code": number, "message": message}}, headers=headers))
    assert said(trulience.ask("trulience-mint")) == expected


@pytest.mark.parametrize(
    ("status", "number", "expected"),
    [
        (400, 16, KEY_REJECTED.of(400, 16)),
        (400, 33, OPERATORS_ERROR.of(400, 33)),
        (400, 34, KEY_REJECTED.of(400, 34)),
        (400, 36, BUSY.of(400, 36)),
        (403, 45, PASSING_ERROR.of(403, 45)),
    ],
)
def test_the_number_decides_and_the_status_is_told_as_it_was(
    warm: Fresh, status: int, number: int, expected: Said
) -> None:
    trulience = warm("trulience")
    trulience.twin.fault(Fault(status=status, body={"error": {"code": number, "message": "odd"}}))
    assert said(trulience.ask("trulience-mint")) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error": {"code": 9001, "message": "avatar_id must be a string"}}, ERROR.of(400)),
        (400, {"error": {"code": "19", "message": "text for a number"}}, ERROR.of(400)),
        (400, {"error": {"code": [19]}}, ERROR.of(400)),
        (401, {"error": "unauthorized"}, KEY_REJECTED.of(401)),
        (403, {}, OPERATORS_ERROR.of(403)),
        (403, "<html>", OPERATORS_ERROR.of(403)),
        (403, {"error": {"code": 99, "message": "This avatar is blocked"}}, OPERATORS_ERROR.of(403)),
        (403, {"error": {"code": 99, "message": "API key is suspended"}}, KEY_REJECTED.of(403)),
        (404, "<html>", ERROR.of(404)),
        (429, [], BUSY.of(429)),
        (500, "", PASSING_ERROR.of(500)),
    ],
)
def test_an_error_without_a_known_number_goes_by_its_status(
    warm: Fresh, status: int, body: Any, expected: Said
) -> None:
    trulience = warm("trulience")
    trulience.twin.fault(Fault(status=status, body=body))
    assert said(trulience.ask("trulience-mint")) == expected


def test_a_503_is_asked_again_and_then_told(warm: Fresh) -> None:
    trulience = warm("trulience")
    trulience.twin.fault(Fault(status=503))
    assert said(trulience.ask("trulience-mint")) == UNAVAILABLE.of(503)
    assert len(trulience.twin.calls) == 3


def test_a_key_limited_to_origins_is_used_without_one_even_when_the_caller_has_one(function: Fresh) -> None:
    trulience = function("trulience")
    trulience.twin.keys["tru_live_local_key"] = Key(origins=frozenset({"https://app.example.com"}))
    headers = {"content-type": "application/json", "origin": "https://elsewhere.example.com"}
    assert minted(trulience.ask("trulience-mint", headers=headers))


def test_without_expires_in_the_duration_asked_for_holds(warm: Fresh) -> None:
    trulience = warm("trulience")
    trulience.twin.omit = "expires_in"
    mint = minted(trulience.ask("trulience-mint"))
    assert mint.fields["expires_in"] == 300
    assert mint.expires_in in range(298, 301)


def test_the_vendors_expires_in_wins_over_the_one_asked_for(warm: Fresh) -> None:
    trulience = warm("trulience")
    trulience.twin.fault(Fault(body={"jwt": "a.b.c", "expires_in": 90, "avatar_id": AVATAR}))
    mint = minted(trulience.ask("trulience-mint"))
    assert mint.fields == {"jwt": "a.b.c", "expires_in": 90, "avatar_id": AVATAR}
    assert mint.expires_in in range(88, 91)


@pytest.mark.parametrize("token", ["", None, 5])
def test_a_jwt_that_is_no_text_is_malformed(warm: Fresh, token: Any) -> None:
    trulience = warm("trulience")
    trulience.twin.fault(Fault(body={"jwt": token, "expires_in": 300, "avatar_id": AVATAR}))
    assert said(trulience.ask("trulience-mint")) == MALFORMED.of(200)
