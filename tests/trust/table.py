"""The table of limits as tests see it: what it holds, what is asked of it, and what it says when it is in trouble."""

import inspect
import json
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from minting import aws
from tests.conftest import client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.bundle import Bundle

CHANGE, READ, SECRET = "dynamodb.TransactWriteItems", "dynamodb.GetItem", "secrets-manager.GetSecretValue"


class Wire:
    """What the functions made after it send to AWS: `sent` names each request, `answers` are given in AWS's place.

    An answer is taken for a request to the table; None, or none left, lets the request pass.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[str] = []
        self.answers: Iterator[AWSResponse | None] = iter(())
        self._make = inspect.unwrap(aws.client)  # a client of its own, because it is listened to
        monkeypatch.setattr(aws, "client", self._client)

    def _client(self, service: str, tries: int = 2) -> Any:
        made = self._make(service, tries)
        made.meta.events.register("before-send", self._send)
        return made

    def _send(self, event_name: str, **_: Any) -> AWSResponse | None:
        request = event_name.removeprefix("before-send.")
        self.sent.append(request)
        return next(self.answers, None) if request.startswith("dynamodb.") else None


def trouble(code: str, status: int = 400, **members: object) -> AWSResponse:
    """DynamoDB's answer to a request that it does not do."""
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", **members}).encode()
    return AWSResponse("", status, HTTPHeaders(), HTTPResponse(BytesIO(body), preload_content=False))


def cancelled(*reasons: str) -> AWSResponse:
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


def used(bundle: "Bundle", table: str) -> dict[str, int]:
    """How much of each window is taken: "hour" (of the only caller) and "day"."""
    windows = {key.split("#")[1]: item for key, item in items(bundle, table).items() if "used" in item}
    return {name: int(item["used"]["N"]) for name, item in windows.items()}
