"""The load's stand-in for DynamoDB refuses what DynamoDB refuses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bench.dynamodb import ITEM_UNITS, RefusedError, Rules

type Json = dict[str, Any]


def write(key: str, condition: str = "") -> Json:
    """One more on the count of an item."""
    request: Json = {
        "Key": {"id": {"S": key}},
        "UpdateExpression": "ADD #n :one",
        "ExpressionAttributeNames": {"#n": "n"},
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    return request | ({"ConditionExpression": condition} if condition else {})


def transaction(*keys: str, condition: str = "") -> Json:
    return {"TransactItems": [{"Update": write(key, condition)} for key in keys]}


def tried(story: Callable[[Rules], Awaitable[object]]) -> Rules:
    """The table after the story. It waits for nothing, and its clock stands still."""

    async def run() -> Rules:
        rules = Rules(lambda _: asyncio.sleep(0), lambda: 5.0)
        await story(rules)
        return rules

    return asyncio.run(run())


async def during_a_transaction(rules: Rules, operation: str, request: Json) -> tuple[object, object]:
    """The outcomes of a transaction on `a` and `b`, and of a request that comes meanwhile."""
    outcomes = await asyncio.gather(
        rules.answer("TransactWriteItems", transaction("a", "b")),
        rules.answer(operation, request),
        return_exceptions=True,
    )
    return outcomes[0], outcomes[1]


def test_of_two_overlapping_transactions_one_is_cancelled_with_the_item_that_met() -> None:
    async def story(rules: Rules) -> None:
        first, second = await during_a_transaction(rules, "TransactWriteItems", transaction("c", "b"))
        assert first == {}
        assert isinstance(second, RefusedError)
        reasons = [reason["Code"] for reason in second.members["CancellationReasons"]]
        assert (second.code, reasons) == ("TransactionCanceledException", ["None", "TransactionConflict"])

    assert tried(story).count["conflicts"] == 1


def test_a_single_write_to_an_item_of_a_transaction_is_refused_and_to_another_one_is_not() -> None:
    async def story(rules: Rules) -> None:
        _, refused = await during_a_transaction(rules, "UpdateItem", write("a"))
        assert isinstance(refused, RefusedError)
        assert refused.code == "TransactionConflictException"
        _, made = await during_a_transaction(rules, "UpdateItem", write("c"))
        assert made == {"Attributes": {"id": {"S": "c"}, "n": {"N": "1"}}}

    tried(story)


def test_a_condition_that_fails_changes_nothing_and_tells_the_item() -> None:
    async def story(rules: Rules) -> None:
        await rules.answer("UpdateItem", write("a"))
        with pytest.raises(RefusedError, match="ConditionalCheckFailedException") as single:
            await rules.answer("UpdateItem", write("a", "attribute_not_exists(#n)"))
        with pytest.raises(RefusedError, match="TransactionCanceledException") as whole:
            await rules.answer("TransactWriteItems", transaction("b", "a", condition="attribute_not_exists(#n)"))
        item = {"id": {"S": "a"}, "n": {"N": "1"}}
        assert single.value.members == {"Item": item}
        assert whole.value.members["CancellationReasons"] == [
            {"Code": "None"},
            {"Code": "ConditionalCheckFailed", "Item": item},
        ]
        assert await rules.answer("GetItem", {"Key": {"id": {"S": "b"}}}) == {}

    tried(story)


def test_a_transaction_costs_two_units_for_each_item_and_a_single_write_one() -> None:
    async def story(rules: Rules) -> None:
        await rules.answer("TransactWriteItems", transaction("a", "b"))
        await rules.answer("UpdateItem", write("c"))

    assert tried(story).count["units"] == 5


def test_an_item_takes_a_thousand_units_in_a_second() -> None:
    async def story(rules: Rules) -> None:
        for _ in range(ITEM_UNITS):
            await rules.answer("UpdateItem", write("a"))
        with pytest.raises(RefusedError, match="ThrottlingException"):
            await rules.answer("UpdateItem", write("a"))
        await rules.answer("UpdateItem", write("b"))

    assert tried(story).count["throttled"] == 1
