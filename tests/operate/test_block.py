"""`make block`, `make unblock` and `make who-got`: which items they change, and whose records they find."""

import hashlib
import json
import uuid
from time import time
from typing import Any

import boto3
import pytest

from minting.callers import Caller
from minting.quotas import key_of
from tests.operate.conftest import Operate
from tests.vendors import VENDORS

ALICE = ["--iss", "https://issuer.example.com", "--sub", "alice"]
LEAKED = "a leaked token"
FINGERPRINT = hashlib.sha256(LEAKED.encode()).hexdigest()
MALLORY = {"iss": "https://i.example", "sub": "mallory"}


def item(table: Any, vendor: str, caller: Caller) -> dict[str, Any]:
    found: dict[str, Any] = table.get_item(Key={"id": f"{vendor}#{key_of(caller)}"}).get("Item", {})
    return found


def log(message: str) -> None:
    logs, stream = boto3.client("logs"), uuid.uuid4().hex
    logs.create_log_stream(logGroupName="the-log", logStreamName=stream)
    event = {"timestamp": int(time() * 1000), "message": message}
    logs.put_log_events(logGroupName="the-log", logStreamName=stream, logEvents=[event])


@pytest.mark.parametrize("user", [None, "learner-7"])
def test_a_block_is_in_the_callers_item_of_every_vendor_and_never_expires(
    operate: Operate, table: Any, user: str | None
) -> None:
    caller = Caller("https://issuer.example.com", "alice", user)
    table.put_item(Item={"id": f"convai#{key_of(caller)}", "mints_20261126": 3, "expires": 1})
    done = operate("block", *ALICE, *(["--user", user] if user else []))
    assert done.code == 0
    assert "Blocked sub 'alice' of https://issuer.example.com" in done.out
    for vendor in VENDORS:
        kept = item(table, vendor, caller)
        assert float(kept["blocked"]) == pytest.approx(time(), abs=60)
        assert "expires" not in kept
    assert item(table, "convai", caller)["mints_20261126"] == 3
    assert len(table.scan()["Items"]) == len(VENDORS)


def test_unblocking_ends_the_block_and_lets_the_item_expire(operate: Operate, table: Any) -> None:
    caller = Caller("https://issuer.example.com", "alice")
    operate("block", *ALICE)
    done = operate("unblock", *ALICE)
    assert "Unblocked" in done.out
    assert all(set(item(table, vendor, caller)) == {"id", "expires"} for vendor in VENDORS)


def test_unblocking_a_caller_that_was_not_blocked_says_so(operate: Operate) -> None:
    done = operate("unblock", *ALICE)
    assert "was not blocked" in done.out


@pytest.mark.parametrize("member", ["token_sha256", "subject"])
def test_a_leaked_token_leads_to_its_caller(operate: Operate, table: Any, member: str) -> None:
    value = FINGERPRINT if member == "token_sha256" else f"token#{FINGERPRINT}"
    log(json.dumps({member: value, "caller": {"iss": "https://i.example", "sub": "lms", "user": "learner-7"}}))
    operate("block", "--token-sha256", FINGERPRINT)
    assert "blocked" in item(table, "convai", Caller("https://i.example", "lms", "learner-7"))


def test_a_leaked_token_that_is_typed_leads_to_its_caller(operate: Operate, table: Any) -> None:
    log(json.dumps({"token_sha256": FINGERPRINT, "caller": MALLORY}))
    done = operate("block", "--token", stdin=f"{LEAKED}\n")
    assert "Blocked sub 'mallory'" in done.out
    assert LEAKED not in done.out
    assert "blocked" in item(table, "convai", Caller("https://i.example", "mallory"))


def test_a_fingerprint_in_capitals_leads_to_the_same_caller(operate: Operate, table: Any) -> None:
    log(json.dumps({"token_sha256": "a" * 64, "caller": {"iss": "https://i.example", "sub": "mallory"}}))
    operate("block", "--token-sha256", "A" * 64)
    assert "blocked" in item(table, "convai", Caller("https://i.example", "mallory"))


def test_a_caller_whose_use_of_anothers_token_was_refused_is_not_blocked(operate: Operate, table: Any) -> None:
    caller = {"iss": "https://i.example", "sub": "bob"}
    log(json.dumps({"subject": f"token#{'0' * 64}", "caller": caller, "status": 404, "fault": "caller"}))
    done = operate("block", "--token-sha256", "0" * 64)
    assert done.code == 1
    assert done.err.startswith("block: No record of avatar-mint has the fingerprint 000")
    assert table.scan()["Items"] == []


def test_a_line_that_only_looks_like_json_is_passed_over(operate: Operate, table: Any) -> None:
    log('{"token_sha256": "' + "0" * 64)
    done = operate("block", "--token-sha256", "0" * 64)
    assert done.code == 1
    assert done.err.startswith("block: No record of avatar-mint has the fingerprint 000")


def test_a_token_that_is_in_no_record_blocks_nobody(operate: Operate, table: Any) -> None:
    log(f"not JSON, and it names {'0' * 64}")
    done = operate("block", "--token-sha256", "0" * 64)
    assert done.code == 1
    assert done.err.startswith("block: No record of avatar-mint has the fingerprint 000")
    assert table.scan()["Items"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["--sub", "alice"], ["--iss", "i"], ["--user", "u"]),
        *(
            [*ALICE, "--token-sha256", "0"],
            ["--token-sha256", "0", "--iss", "i"],
            ["--token-sha256", "0", "--user", "u"],
            ["--token-sha256", "0", "--token"],
            ["--token", "--iss", "i"],
        ),
    ],
)
def test_a_command_that_names_no_caller_or_two_is_refused(operate: Operate, arguments: list[str]) -> None:
    done = operate("block", *arguments)
    assert done.code == 2
    assert "name the caller: either --iss and --sub, or --token, or --token-sha256" in done.err


def test_a_key_that_every_caller_got_blocks_none_of_them(operate: Operate, table: Any) -> None:
    for sub in ("ann", "bob"):
        log(json.dumps({"token_sha256": FINGERPRINT, "caller": {"iss": "https://i.example", "sub": sub}}))
    done = operate("block", "--token-sha256", FINGERPRINT)
    assert (done.code, table.scan()["Items"]) == (1, [])
    assert "2 callers got this token" in done.err


@pytest.mark.parametrize("arguments", [[FINGERPRINT], [FINGERPRINT.upper()], []])
def test_a_token_or_its_fingerprint_leads_to_its_records(operate: Operate, arguments: list[str]) -> None:
    log(
        json.dumps({"token_sha256": FINGERPRINT, "vendor": "convai", "outcome": "minted", "caller": MALLORY, "xray": 1})
    )
    done = operate("who-got", *arguments, stdin=f"{LEAKED}\n")
    assert done.code == 0
    assert json.loads(done.out) == {"vendor": "convai", "outcome": "minted", "caller": MALLORY}


def test_a_token_in_the_place_of_its_fingerprint_is_not_repeated(operate: Operate) -> None:
    for command in (["who-got", "eyJ.secret.token"], ["block", "--token-sha256", "eyJ.secret.token"]):
        done = operate(*command)
        assert done.code == 1
        assert "no SHA-256" in done.err
        assert "eyJ" not in done.out + done.err
