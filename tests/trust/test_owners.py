"""A token is prolonged and ended for the caller it was minted for; of anyone else's, nothing is said, not even that it is."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local.twins.convai import ConvaiTwin
from local.twins.twin import Fault
from tests.functions.contract import Fresh, moment
from tests.trust.table import CHANGE, EXACT, READ, Wire, items, taken, trouble, used
from tests.trust.vendors import ALL, Vendor

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer, Function

ACTIONS = ["extend", "revoke"]


@pytest.fixture
def vendor(bundle: "Bundle") -> ConvaiTwin:
    twin = bundle.twins["convai"]
    assert isinstance(twin, ConvaiTwin)
    return twin


@pytest.fixture
def convai(function: Fresh) -> "Function":
    return function("convai", **EXACT)


def mint(convai: "Function", sub: str = "alice") -> str:
    """A token of the caller's."""
    answer = convai.ask("convai-mint", sub=sub)
    assert answer.status == 201, answer.body
    token: str = answer.body["apiAuthToken"]
    return token


def act(convai: "Function", action: str, token: str, sub: str = "alice") -> "Answer":
    return convai.ask(f"convai-{action}", {"apiAuthToken": token}, sub=sub)


# The caller's own


def test_the_caller_who_minted_a_token_extends_it_from_any_environment(
    function: Fresh, convai: "Function", vendor: ConvaiTwin
) -> None:
    token = mint(convai)
    extended = act(function("convai"), "extend", token)
    assert (extended.status, extended.body["apiAuthToken"]) == (200, token)
    assert (extended.body["mint"]["extendable"], extended.body["mint"]["revocable"]) == (True, True)
    assert [call.path for call in vendor.calls] == ["/user/connect", "/user/extend-token"]


@pytest.mark.parametrize("seconds", [3600, 86400])
@pytest.mark.parametrize("suffix", ["Z", ""])
def test_an_extended_token_ends_when_the_vendor_says(
    convai: "Function", vendor: ConvaiTwin, seconds: int, suffix: str
) -> None:
    vendor.extend_seconds, vendor.time_suffix = seconds, suffix
    token = mint(convai)
    vendor.skew = 600
    extended = act(convai, "extend", token).body
    ends = datetime.fromtimestamp(int(vendor.tokens[token].expires), UTC)
    assert moment(extended["mint"]["expires_at"]) == moment(extended["expirationTime"]) == ends
    issued_at = moment(extended["mint"]["issued_at"])
    assert extended["mint"]["expires_in"] == (ends - issued_at).total_seconds()


@pytest.mark.parametrize("said", [None, {}, {"expirationTime": None}, {"expirationTime": "tomorrow"}, ["?"], "<html>"])
def test_of_an_end_that_the_vendor_does_not_name_none_is_invented(
    convai: "Function", vendor: ConvaiTwin, said: Any
) -> None:
    vendor.extend_tells_expiry = False
    token = mint(convai)
    if said is not None:
        vendor.fault(Fault(path="/user/extend-token", body=said))
    extended = act(convai, "extend", token)
    assert extended.status == 200
    assert "expirationTime" not in extended.body
    assert (extended.body["mint"]["expires_at"], extended.body["mint"]["expires_in"]) == (None, None)


def test_a_revoked_token_is_dead_and_can_be_revoked_again_but_not_extended(
    convai: "Function", vendor: ConvaiTwin
) -> None:
    token = mint(convai)
    revoked = act(convai, "revoke", token)
    assert (revoked.status, revoked.raw["body"]) == (204, "")
    assert vendor.tokens[token].revoked
    refused = act(convai, "extend", token)
    assert (refused.status, refused.body["code"], refused.body["retryable"]) == (409, "not_extendable", False)
    assert act(convai, "revoke", token).status == 204


def test_a_token_that_the_vendor_no_longer_knows_is_as_good_as_revoked(convai: "Function", vendor: ConvaiTwin) -> None:
    vendor.repeat_revoke_status = 404
    token = mint(convai)
    assert [act(convai, "revoke", token).status for _ in range(2)] == [204, 204]


@pytest.mark.parametrize(("action", "status"), [("extend", 409), ("revoke", 204)])
def test_a_token_that_is_over_does_not_count_as_a_refused_key(
    convai: "Function", vendor: ConvaiTwin, action: str, status: int
) -> None:
    token = mint(convai)
    vendor.skew = 3601
    convai.put_key({"api_key": "not looked for"})
    assert act(convai, action, token).status == status
    assert mint(convai)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_key_that_the_vendor_refuses_is_a_refused_key_here_too(
    convai: "Function", vendor: ConvaiTwin, action: str
) -> None:
    token = mint(convai)
    vendor.keys.clear()
    assert act(convai, action, token).body["code"] == "vendor_key_rejected"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_rotated_key_costs_neither_an_extension_nor_a_revocation(
    convai: "Function", vendor: ConvaiTwin, action: str
) -> None:
    token = mint(convai)
    vendor.keys = {"the-new-key": "local"}
    vendor.tokens[token].owner = "the-new-key"
    convai.put_key({"api_key": "the-new-key"})
    assert act(convai, action, token).status in {200, 204}


@pytest.mark.parametrize("action", ACTIONS)
def test_the_vendor_is_not_asked_twice_to_act_on_a_token(convai: "Function", vendor: ConvaiTwin, action: str) -> None:
    token = mint(convai)
    vendor.fault(Fault(path="/user/", status=503, times=1))
    assert act(convai, action, token).body["code"] == "vendor_unavailable"
    assert [call.path for call in vendor.calls] == ["/user/connect", f"/user/{action}-token"]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_token_that_is_empty_or_endless_is_refused(convai: "Function", action: str) -> None:
    assert [act(convai, action, "x" * size).status for size in (0, 1, 4096, 4097)] == [400, 404, 404, 400]


# Anyone else's


def other_words(answer: "Answer") -> tuple[int, dict[str, str], bytes]:
    """An answer to the last byte, but for its own name."""
    instance: str = answer.body["instance"]
    return answer.status, answer.headers, answer.raw["body"].encode().replace(instance.encode(), b"")


@pytest.mark.parametrize("action", ACTIONS)
def test_another_callers_token_is_to_the_byte_as_one_that_never_was(
    convai: "Function", vendor: ConvaiTwin, action: str
) -> None:
    theirs = mint(convai, "bob")
    elsewhere = "minted-past-us"
    vendor.tokens[elsewhere] = vendor.tokens[theirs]
    vendor.calls.clear()
    answers = [act(convai, action, token) for token in (theirs, elsewhere, "never-was", f"{theirs} ", theirs.upper())]
    assert (answers[0].status, answers[0].body["code"]) == (404, "not_found")
    assert [other_words(answer) for answer in answers] == [other_words(answers[0])] * 5
    assert vendor.calls == []
    assert act(convai, action, theirs, "bob").status in {200, 204}


@pytest.mark.parametrize("event", [event for vendor in ALL for event in vendor.acting])
def test_a_credential_of_another_caller_is_not_found_and_the_vendor_is_not_asked(function: Fresh, event: str) -> None:
    vendor = Vendor(event.partition("-")[0])
    made = function(vendor.name)
    credential = {vendor.field: made.ask(vendor.event).body[vendor.field]}
    made.twin.calls.clear()
    assert made.ask(event, credential, sub="mallory").body["code"] == "not_found"
    assert made.twin.calls == []
    assert made.ask(event, credential).status in {200, 204}


@pytest.mark.parametrize("action", ACTIONS)
def test_the_same_subject_of_another_issuer_is_another_caller(
    convai: "Function", bundle: "Bundle", action: str
) -> None:
    event = bundle.event(f"convai-{action}", body={"apiAuthToken": mint(convai)}, sub="alice")
    assert event["requestContext"]["authorizer"]["jwt"]["claims"]["iss"]
    event["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] = "https://other.example"
    assert convai.send(event).status == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_extending_does_not_hand_a_token_over(convai: "Function", action: str) -> None:
    token = mint(convai)
    assert act(convai, "extend", token, "mallory").status == 404
    assert act(convai, "extend", token).status == 200
    assert act(convai, action, token, "mallory").status == 404
    assert act(convai, action, token).status in {200, 204}


def test_what_is_looked_up_in_vain_is_counted_nowhere(convai: "Function", bundle: "Bundle", table: str) -> None:
    token = mint(convai)
    before = items(bundle, table)
    for action in ACTIONS:
        act(convai, action, token, "mallory")
        act(convai, action, "never-was")
    assert items(bundle, table) == before


# Limits


def test_an_extension_counts_as_a_mint_and_a_revocation_does_not(function: Fresh, bundle: "Bundle", table: str) -> None:
    convai = function("convai", CALLER_PER_HOUR="2", **EXACT)
    token = mint(convai)
    assert [act(convai, "extend", token).status for _ in range(2)] == [200, 429]
    assert act(convai, "revoke", token).status == 204
    assert used(bundle, table) == taken(2)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_that_fails_at_the_vendor_gives_back_what_it_took(
    convai: "Function", vendor: ConvaiTwin, bundle: "Bundle", table: str, action: str
) -> None:
    token = mint(convai)
    vendor.fault(Fault(path="/user/", status=429))
    assert act(convai, action, token).body["code"] == "vendor_busy"
    assert used(bundle, table) == taken(1)


# Where owners cannot be written down or looked up


def test_a_token_whose_owner_cannot_be_written_down_is_not_handed_out(
    function: Fresh, vendor: ConvaiTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    convai = function("convai")
    wire.sent.clear()
    wire.answers = iter([None, None, trouble("AccessDeniedException")])
    answer = convai.ask("convai-mint")
    assert (answer.status, answer.body["code"]) == (503, "limits_unavailable")
    assert wire.sent[:3] == [CHANGE] * 3
    [token] = vendor.tokens
    assert token not in answer.raw["body"]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_vendor_is_not_asked_about_a_token_whose_owner_cannot_be_looked_up(
    function: Fresh, vendor: ConvaiTwin, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    wire = Wire(monkeypatch)
    convai = function("convai")
    token = mint(convai)
    vendor.calls.clear()
    wire.sent.clear()
    wire.answers = iter([trouble("AccessDeniedException")])
    assert act(convai, action, token).body["code"] == "limits_unavailable"
    assert (wire.sent, vendor.calls) == ([READ], [])


def test_an_extension_makes_four_calls_to_the_table_and_a_revocation_two(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    convai = function("convai")
    token = mint(convai)
    wire.sent.clear()
    act(convai, "extend", token)
    assert wire.sent == [READ, CHANGE, CHANGE, CHANGE]
    wire.sent.clear()
    act(convai, "revoke", token)
    assert wire.sent == [READ, READ]


# What is kept


def test_an_owner_is_remembered_longer_than_the_token_lives(
    convai: "Function", vendor: ConvaiTwin, bundle: "Bundle", table: str
) -> None:
    def kept_until(token: str) -> float:
        fingerprint = hashlib.sha256(token.encode()).hexdigest()
        return float(items(bundle, table)[f"convai#token#{fingerprint}"]["expires"]["N"])

    token = mint(convai)
    day = timedelta(days=1).total_seconds()
    assert kept_until(token) >= vendor.tokens[token].expires + day
    vendor.extend_seconds = int(day)
    act(convai, "extend", token)
    assert kept_until(token) >= vendor.tokens[token].expires + day
    vendor.extend_tells_expiry = False
    act(convai, "extend", token)
    assert kept_until(token) >= vendor.tokens[token].expires


def test_no_item_holds_a_token_or_names_its_owner(convai: "Function", bundle: "Bundle", table: str) -> None:
    token = mint(convai, "alice-in-clear")
    act(convai, "extend", token, "alice-in-clear")
    dump = json.dumps(items(bundle, table))
    assert hashlib.sha256(token.encode()).hexdigest() in dump
    assert [canary for canary in (token, "alice-in-clear", "issuer.example") if canary in dump] == []


def test_the_records_say_what_was_done_by_whom_and_with_which_token(
    convai: "Function", capsys: pytest.CaptureFixture[str]
) -> None:
    token = mint(convai)
    for action in ACTIONS:
        act(convai, action, token)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "mint_id" in line]
    fingerprint = hashlib.sha256(token.encode()).hexdigest()
    assert [record["outcome"] for record in records] == ["minted", "extended", "revoked"]
    assert [record.get("token_sha256") for record in records] == [fingerprint, fingerprint, None]
    assert [record.get("subject") for record in records] == [None, *[f"token#{fingerprint}"] * 2]
    assert {record["caller"]["sub"] for record in records} == {"alice"}
