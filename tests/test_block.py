"""`make block` and `make unblock`: which items they change, and what they say when something is wrong."""

import hashlib
import json
from collections.abc import Iterator
from time import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, NoRegionError

from minting.callers import Caller
from minting.quotas import key_of
from tests.vendors import VENDORS
from tools import block

if TYPE_CHECKING:
    from local.bundle import Bundle

ALICE = ["--iss", "https://issuer.example.com", "--sub", "alice"]
TEMPLATE = {
    "Resources": {
        "LimitsTable": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        },
        "FunctionLogGroup": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "the-log"}},
    }
}


@pytest.fixture(autouse=True)
def table(bundle: "Bundle", monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The table of a stack named avatar-mint."""
    for name, value in bundle.environment("convai").items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    stacks = boto3.client("cloudformation")
    stacks.create_stack(StackName="avatar-mint", TemplateBody=json.dumps(TEMPLATE))
    yield block.Stack("avatar-mint").table()
    stacks.delete_stack(StackName="avatar-mint")


def item(table: Any, vendor: str, caller: Caller) -> dict[str, Any]:
    found: dict[str, Any] = table.get_item(Key={"id": f"{vendor}#{key_of(caller)}"}).get("Item", {})
    return found


def log(message: str) -> None:
    logs = boto3.client("logs")
    logs.create_log_stream(logGroupName="the-log", logStreamName="one")
    event = {"timestamp": int(time() * 1000), "message": message}
    logs.put_log_events(logGroupName="the-log", logStreamName="one", logEvents=[event])


def failing(arguments: list[str]) -> str:
    """What the command says when it ends with an error."""
    with pytest.raises(SystemExit) as ended:
        block.main(arguments)
    return str(ended.value)


@pytest.mark.parametrize("user", [None, "learner-7"])
def test_a_block_is_in_the_callers_item_of_every_vendor_and_never_expires(
    table: Any, capsys: pytest.CaptureFixture[str], user: str | None
) -> None:
    caller = Caller("https://issuer.example.com", "alice", user)
    table.put_item(Item={"id": f"convai#{key_of(caller)}", "mints_20261126": 3, "expires": 1})
    block.main(["block", *ALICE, *(["--user", user] if user else [])])
    assert "Blocked sub 'alice' of https://issuer.example.com" in capsys.readouterr().out
    for vendor in VENDORS:
        kept = item(table, vendor, caller)
        assert float(kept["blocked"]) == pytest.approx(time(), abs=60)
        assert "expires" not in kept
    assert item(table, "convai", caller)["mints_20261126"] == 3
    assert len(table.scan()["Items"]) == len(VENDORS)


def test_unblocking_ends_the_block_and_lets_the_item_expire(table: Any, capsys: pytest.CaptureFixture[str]) -> None:
    caller = Caller("https://issuer.example.com", "alice")
    block.main(["block", *ALICE])
    block.main(["unblock", *ALICE])
    assert "Unblocked" in capsys.readouterr().out
    assert all(set(item(table, vendor, caller)) == {"id", "expires"} for vendor in VENDORS)


def test_unblocking_a_caller_that_was_not_blocked_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    block.main(["unblock", *ALICE])
    assert "was not blocked" in capsys.readouterr().out


@pytest.mark.parametrize("member", ["token_sha256", "subject"])
def test_a_leaked_token_leads_to_its_caller(table: Any, member: str) -> None:
    fingerprint = hashlib.sha256(b"a leaked token").hexdigest()
    value = fingerprint if member == "token_sha256" else f"token#{fingerprint}"
    log(json.dumps({member: value, "caller": {"iss": "https://i.example", "sub": "lms", "user": "learner-7"}}))
    block.main(["block", "--token-sha256", fingerprint])
    assert "blocked" in item(table, "convai", Caller("https://i.example", "lms", "learner-7"))


def test_a_fingerprint_in_capitals_leads_to_the_same_caller(table: Any) -> None:
    log(json.dumps({"token_sha256": "a" * 64, "caller": {"iss": "https://i.example", "sub": "mallory"}}))
    block.main(["block", "--token-sha256", "A" * 64])
    assert "blocked" in item(table, "convai", Caller("https://i.example", "mallory"))


def test_a_caller_whose_use_of_anothers_token_was_refused_is_not_blocked(table: Any) -> None:
    caller = {"iss": "https://i.example", "sub": "bob"}
    log(json.dumps({"subject": f"token#{'0' * 64}", "caller": caller, "status": 404, "fault": "caller"}))
    assert "no record of avatar-mint has the fingerprint" in failing(["block", "--token-sha256", "0" * 64])
    assert table.scan()["Items"] == []


def test_a_line_that_only_looks_like_json_is_passed_over(table: Any) -> None:
    log('{"token_sha256": "' + "0" * 64)
    assert "no record of avatar-mint has the fingerprint" in failing(["block", "--token-sha256", "0" * 64])


def test_a_token_that_is_in_no_record_blocks_nobody(table: Any) -> None:
    log(f"not JSON, and it names {'0' * 64}")
    assert "no record of avatar-mint has the fingerprint" in failing(["block", "--token-sha256", "0" * 64])
    assert table.scan()["Items"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["--sub", "alice"], ["--iss", "i"], ["--user", "u"]),
        *(
            [*ALICE, "--token-sha256", "0"],
            ["--token-sha256", "0", "--iss", "i"],
            ["--token-sha256", "0", "--user", "u"],
        ),
    ],
)
def test_a_command_that_names_no_caller_or_two_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(["block", *arguments]) == "2"
    assert "name the caller: either --iss and --sub, or --token-sha256" in capsys.readouterr().err


def test_an_unknown_stack_is_named_in_one_line() -> None:
    said = failing(["block", "--stack", "another", *ALICE])
    assert said.startswith("block: ")
    assert "another" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EndpointConnectionError(endpoint_url="https://dynamodb.example"), "Could not connect to the endpoint URL"),
        (NoCredentialsError(), "Unable to locate credentials"),
        (NoRegionError(), "You must specify a region"),
    ],
)
def test_what_keeps_the_command_from_aws_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def unreachable(*_: object) -> None:
        raise error

    monkeypatch.setattr(block.Stack, "table", unreachable)
    told = failing(["block", *ALICE])
    assert said in told
    assert "\n" not in told
