"""DynamoDB with its rules about conflicts and its limit of writes, which moto does not have.

Sources, in the DynamoDB developer guide: "Transaction conflict handling in DynamoDB" (an overlapping
transaction, condition checks included, is cancelled, and a single write to an item of a running
transaction is refused), "Provisioned throughput" (a transactional write costs two units for each
kilobyte, a failed condition costs as much as the write), and "Best practices for designing
partition keys" (an item takes at most 1,000 write units in a second). moto evaluates expressions.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from moto.dynamodb.comparisons import create_condition_expression_parser
from moto.dynamodb.models import DynamoDBBackend

TRANSACTION_SECONDS, WRITE_SECONDS, READ_SECONDS = 0.012, 0.004, 0.004
"""How long a transaction holds its items, and how long a single write and a read take. We measured none of them on AWS."""

ITEM_UNITS = 1000
"""Write units that one item takes in a second."""

TABLE = "limits"
type Json = dict[str, Any]


class RefusedError(Exception):
    """DynamoDB's error. `members` are what its body has besides the type."""

    def __init__(self, code: str, **members: Any) -> None:
        super().__init__(code)
        self.code = code
        self.members = members


class Rules:
    """One table. `sleep` waits so many seconds, and `now` tells them."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]], now: Callable[[], float]) -> None:
        self._sleep, self._now = sleep, now
        self._moto = DynamoDBBackend("us-east-1", "123456789012")
        schema = [{"AttributeName": "id", "KeyType": "HASH"}]
        attributes = [{"AttributeName": "id", "AttributeType": "S"}]
        self._moto.create_table(
            TABLE, schema=schema, throughput=None, attr=attributes, global_indexes=[], indexes=[], streams={},
            billing_mode="PAY_PER_REQUEST", sse_specification=None, tags=[], deletion_protection_enabled=False,
            warm_throughput=None,
        )  # fmt: skip
        self._held: set[str] = set()
        self._units: dict[tuple[str, int], int] = defaultdict(int)
        self.count = Counter[str]()
        """Requests by operation, write `units`, `conflicts` and `throttled` requests."""

    async def answer(self, operation: str, request: Json) -> Json:
        """Does one request. Raises RefusedError."""
        self.count[operation] += 1
        match operation:
            case "GetItem":
                item = self._item(request["Key"])
                await self._sleep(READ_SECONDS)
                return {"Item": item} if item else {}
            case "UpdateItem":
                return await self._update(request)
            case "TransactWriteItems":
                return await self._transact(request["TransactItems"])
        raise RefusedError("UnknownOperationException")

    async def _update(self, request: Json) -> Json:
        if _key(request) in self._held:
            self.count["conflicts"] += 1
            raise RefusedError("TransactionConflictException")
        self._charge(_key(request), 1)
        reason = self._reason(request)
        if reason["Code"] == "None":
            self._write(request)
        written = self._item(request["Key"])
        await self._sleep(WRITE_SECONDS)
        if reason.pop("Code") != "None":
            raise RefusedError("ConditionalCheckFailedException", **reason)
        return {"Attributes": written}

    async def _transact(self, parts: list[Json]) -> Json:
        requests = [next(iter(part.values())) for part in parts]
        keys = {_key(request) for request in requests}
        if met := keys & self._held:
            self.count["conflicts"] += 1
            await self._sleep(WRITE_SECONDS)
            raise _cancelled([{"Code": "TransactionConflict" if _key(each) in met else "None"} for each in requests])
        self._held |= keys
        try:
            await self._sleep(TRANSACTION_SECONDS)
            self._commit(requests)
        finally:
            self._held -= keys
        return {}

    def _commit(self, requests: list[Json]) -> None:
        for request in requests:
            self._charge(_key(request), 2)
        reasons = [self._reason(request) for request in requests]
        if any(reason["Code"] != "None" for reason in reasons):
            raise _cancelled(reasons)
        for request in requests:
            if "UpdateExpression" in request:
                self._write(request)

    def _reason(self, request: Json) -> Json:
        """Whether the condition of one part holds, as a cancelled transaction says it."""
        parser = create_condition_expression_parser(
            request.get("ConditionExpression"),
            request.get("ExpressionAttributeNames", {}),
            request.get("ExpressionAttributeValues", {}),
        )
        if parser.parse().expr(self._moto.get_item(TABLE, request["Key"])):
            return {"Code": "None"}
        item = self._item(request["Key"])
        return {"Code": "ConditionalCheckFailed"} | ({"Item": item} if item else {})

    def _write(self, request: Json) -> None:
        self._moto.update_item(
            TABLE,
            request["Key"],
            request["UpdateExpression"],
            request.get("ExpressionAttributeNames", {}),
            request.get("ExpressionAttributeValues", {}),
        )

    def _item(self, key: Json) -> Json:
        found = self._moto.get_item(TABLE, key)
        attributes: Json = found.to_json()["Attributes"] if found else {}
        return attributes

    def _charge(self, key: str, units: int) -> None:
        second = (key, int(self._now()))
        if self._units[second] + units > ITEM_UNITS:
            self.count["throttled"] += 1
            raise RefusedError("ThrottlingException")
        self._units[second] += units
        self.count["units"] += units


def _key(request: Json) -> str:
    key: str = request["Key"]["id"]["S"]
    return key


def _cancelled(reasons: list[Json]) -> RefusedError:
    return RefusedError("TransactionCanceledException", CancellationReasons=reasons)


class Server:
    """Serves the rules as DynamoDB's HTTP API, and one secret as Secrets Manager's."""

    def __init__(self, secret: str, now: Callable[[], float]) -> None:
        self._secret = secret
        self.rules = Rules(asyncio.sleep, now)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for as many requests as the client sends."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = (line.partition(b": ") for line in head.split(b"\r\n")[1:-2])
                headers = {name.lower(): value for name, _, value in lines}
                body = await reader.readexactly(int(headers[b"content-length"]))
                writer.write(await self._reply(headers[b"x-amz-target"].decode(), json.loads(body)))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _reply(self, target: str, request: Json) -> bytes:
        operation = target.rpartition(".")[2]
        try:
            return _http("200 OK", await self._answer(operation, request))
        except RefusedError as refused:
            return _http("400 Bad Request", {"__type": f"com.amazonaws.dynamodb#{refused.code}", **refused.members})

    async def _answer(self, operation: str, request: Json) -> Json:
        if operation == "GetSecretValue":
            return {"SecretString": self._secret, "VersionId": "one"}
        return await self.rules.answer(operation, request)


def _http(status: str, body: Json) -> bytes:
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {len(data)}\r\n\r\n"
    return head.encode() + data
