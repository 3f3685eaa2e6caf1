"""The table of limits as tests see it: what it holds, what is asked of it, and what it says when it is in trouble."""

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from minting import aws
from minting.replies import Reply
from tests.conftest import client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.bundle import Bundle

CHANGE, TRANSACTION, READ = "dynamodb.UpdateItem", "dynamodb.TransactWriteItems", "dynamodb.GetItem"
SECRET = "secretsmanager.GetSecretValue"


class Wire:
    """What functions send to AWS: `sent` names each request, `answers` are given in AWS's place.

    An answer is taken for a request to the table; None, or none left, lets the request pass.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[str] = []
        self.answers: Iterator[Reply | None] = iter(())
        send = aws.Client._send

        def listened(client: aws.Client, operation: str, *rest: Any) -> Reply:
            self.sent.append(f"{client._service.name}.{operation}")
            answer = next(self.answers, None) if client._service is aws.DYNAMODB else None
            return answer or send(client, operation, *rest)

        monkeypatch.setattr(aws.Client, "_send", listened)


def trouble(code: str, status: int = 400, **members: object) -> Reply:
    """DynamoDB's answer to a request that it does not do."""
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", **members}).encode()
    return Reply(status, {}, body)


def cancelled(*reasons: str) -> Reply:
    """DynamoDB's answer to a transaction of which nothing was done."""
    return trouble("TransactionCanceledException", CancellationReasons=[{"Code": reason} for reason in reasons])


@cache
def dynamodb(bundle: "Bundle") -> Any:
    """A client of the table's stand-in; to make one takes a tenth of a second."""
    return client(bundle, "dynamodb")


def items(bundle: "Bundle", table: str) -> dict[str, dict[str, Any]]:
    """All items by their keys, as DynamoDB types them."""
    scanned = dynamodb(bundle).scan(TableName=table)["Items"]
    return {item["id"]["S"]: item for item in scanned}


def used(bundle: "Bundle", table: str, budget: str = "mints") -> dict[str, int]:
    """How much of a budget is taken: "hour" and "callers" of all callers' hours and days, "day" of the vendor's day."""
    kinds = {"hour": r"caller#.*/\d{10}", "callers": r"caller#.*/\d{8}", "day": r"vendor/\d{8}"}
    taken = dict.fromkeys(kinds, 0)
    for key, item in items(bundle, table).items():
        for name in item:
            path = f"{key.partition('#')[2]}/{name.removeprefix(f'{budget}_')}"
            for kind, pattern in kinds.items():
                taken[kind] += int(item[name]["N"]) if re.fullmatch(pattern, path) else 0
    return taken


def taken(mints: int) -> dict[str, int]:
    """What `used` finds when so many requests are counted, each in a block of its own."""
    return {"hour": mints, "callers": mints, "day": mints}


EXACT = {"VENDOR_PER_DAY": "99"}
"""So few that no block is larger than one mint, and the day's count is exact."""


def stop(bundle: "Bundle", table: str, vendor: str) -> None:
    """docs/operating.md has this command for operators."""
    _update(
        bundle, table, vendor, UpdateExpression="SET stopped = :yes", ExpressionAttributeValues={":yes": {"BOOL": True}}
    )


def resume(bundle: "Bundle", table: str, vendor: str) -> None:
    """docs/operating.md has this command for operators."""
    _update(bundle, table, vendor, UpdateExpression="REMOVE stopped")


def _update(bundle: "Bundle", table: str, vendor: str, **update: Any) -> None:
    dynamodb(bundle).update_item(TableName=table, Key={"id": {"S": f"{vendor}#vendor"}}, **update)
