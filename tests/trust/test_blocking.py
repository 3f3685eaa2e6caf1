"""A caller whom the team has blocked gets nothing from the next request on."""

from typing import TYPE_CHECKING

import pytest

from minting.callers import Caller
from tests.functions.contract import Fresh
from tests.trust.table import CHANGE, SECRET, Wire, dynamodb, used
from tests.trust.vendors import ALL, Vendor

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer

ISSUER = "https://issuer.example.com"
ALICE = Caller(ISSUER, "alice")
NOT_ALLOWED = (403, "not_allowed")


def block(bundle: "Bundle", table: str, vendor: str, caller: Caller = ALICE) -> None:
    """What `make block` does to one vendor's item of the caller."""
    update = {
        "UpdateExpression": "SET blocked = :now REMOVE expires",
        "ExpressionAttributeValues": {":now": {"N": "1"}},
    }
    dynamodb(bundle).update_item(TableName=table, Key=key(vendor, caller), **update)


def unblock(bundle: "Bundle", table: str, vendor: str, caller: Caller = ALICE) -> None:
    """What `make unblock` does, but for the item's new expiry."""
    dynamodb(bundle).update_item(TableName=table, Key=key(vendor, caller), UpdateExpression="REMOVE blocked")


def key(vendor: str, caller: Caller) -> dict[str, dict[str, str]]:
    return {"id": {"S": f"{vendor}#caller#{caller.digest}"}}


def said(answer: "Answer") -> tuple[int, str]:
    return answer.status, answer.body["code"]


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_a_block_meets_the_callers_next_mint_and_nobody_elses(
    function: Fresh, bundle: "Bundle", table: str, vendor: Vendor
) -> None:
    made = function(vendor.name)
    assert made.ask(vendor.event).status == 201
    block(bundle, table, vendor.name)
    made.twin.calls.clear()
    another = {"content-type": "application/json", "idempotency-key": "another mint, and no repeat"}
    refused = made.ask(vendor.event, headers=another)
    assert said(refused) == NOT_ALLOWED
    assert refused.body["retryable"] is False
    assert made.twin.calls == []
    assert made.ask(vendor.event, sub="bob").status == 201
    unblock(bundle, table, vendor.name)
    assert made.ask(vendor.event, headers=another).status == 201


@pytest.mark.parametrize("event", ["convai-extend", "convai-revoke"])
def test_a_blocked_caller_can_do_nothing_with_a_token_it_has(
    function: Fresh, bundle: "Bundle", table: str, event: str
) -> None:
    convai = function("convai")
    token = {"apiAuthToken": convai.ask("convai-mint").body["apiAuthToken"]}
    block(bundle, table, "convai")
    assert said(convai.ask(event, token)) == NOT_ALLOWED


def test_a_blocked_caller_reaches_no_session_that_is_there(function: Fresh, bundle: "Bundle", table: str) -> None:
    odyssey = function("odyssey")
    odyssey.ask("odyssey-mint")
    block(bundle, table, "odyssey")
    assert said(odyssey.ask("odyssey-mint")) == NOT_ALLOWED


def test_a_block_names_one_user_of_a_backend(function: Fresh, bundle: "Bundle", table: str) -> None:
    convai = function("convai", BACKEND_SCOPE="mint:on-behalf")
    block(bundle, table, "convai", Caller(ISSUER, "lms", "learner-1"))

    def mint(user: str) -> int:
        event = bundle.event("convai-mint", sub="lms")
        event["requestContext"]["authorizer"]["jwt"]["claims"]["scope"] = "mint:on-behalf"
        event["headers"]["mint-on-behalf-of"] = user
        return convai.send(event).status

    assert [mint("learner-1"), mint("learner-2")] == [403, 201]


def test_a_blocked_caller_costs_one_write_and_counts_nothing(
    function: Fresh, bundle: "Bundle", table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    convai = function("convai")
    block(bundle, table, "convai")
    wire.sent.clear()
    assert said(convai.ask("convai-mint")) == NOT_ALLOWED
    assert wire.sent == [CHANGE]
    assert SECRET not in wire.sent
    assert used(bundle, table) == {"hour": 0, "callers": 0, "day": 0}
