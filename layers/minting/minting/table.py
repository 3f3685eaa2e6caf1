"""The one DynamoDB table. Writes are conditional, and a transaction makes all its writes or none.

Every item's key begins with the vendor's name, and a function's role cannot reach another vendor's
items. Items hold counts, hashes of callers and of tokens, session ids and times. They never hold a
credential that the table alone could open.
"""

import random
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from secrets import token_hex
from time import sleep
from types import MappingProxyType
from typing import Any, NamedTuple

from minting import aws
from minting.deadline import Deadline
from minting.problems import Ambiguous, Problem

CONFLICT_SECONDS = 0.02
"""The first pause after a conflict.

DynamoDB lets one of two overlapping transactions pass and cancels the other. It also refuses a
single write to an item that a transaction is changing.
"""

MAX_PAUSE = 0.5
"""Seconds. The longest pause between two tries."""

CONFLICTS = {
    *("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"),
    *("TransactionConflictException", "ThrottlingException", "ProvisionedThroughputExceededException"),
}
"""DynamoDB's codes of a busy item: the reasons of a cancelled transaction, and a single write's errors."""

TRANSACTION = "TransactWriteItems"

NAME = re.compile(r"#(\w+)")

type Item = dict[str, Any]


class Write(NamedTuple):
    """A conditional update of one item.

    Expressions name attributes as `#name`, because DynamoDB reserves hundreds of words. `values`
    are str, int, bytes or a set of str.
    """

    key: str
    update: str
    condition: str = ""
    values: Mapping[str, Any] = MappingProxyType({})


class ConditionFailed(Exception):  # noqa: N818 - an outcome, not an error
    """A condition did not hold, so nothing was written.

    `index` is that of the first such write, and `item` holds its current values.
    """

    def __init__(self, index: int, item: Item) -> None:
        super().__init__(index)
        self.index = index
        self.item = item


class Table:
    """One vendor's items."""

    def __init__(self, vendor: str, table: str) -> None:
        self._vendor = vendor
        self._table = table
        self._client = aws.Client(aws.DYNAMODB)

    def update(self, write: Write, deadline: Deadline, *, once: bool = False) -> Item:
        """Makes one write and returns the item as it is then.

        `once`: the write is not sent again after a lost answer, as others are. A write that takes
        something off a count would take it off twice.

        Raises ConditionFailed or `limits_unavailable`. That problem is ambiguous when the table does
        not answer in time: the write is made, or not, or it will be.
        """
        request = {"ReturnValues": "ALL_NEW", **self._update(write)}
        try:
            answer = self._send("UpdateItem", request, deadline, once=once)
        except aws.CallFailed as failure:
            if failure.code == "ConditionalCheckFailedException":
                raise ConditionFailed(0, _plain(failure.answer.get("Item", {}))) from None
            raise _unavailable(failure) from None
        return _plain(answer.get("Attributes", {}))

    def transact(self, writes: Sequence[Write], deadline: Deadline) -> None:
        """Makes all writes or none. Raises as `update`, for the first write whose condition does not hold."""
        request = {"TransactItems": [{"Update": self._update(write)} for write in writes]}
        try:
            self._send(TRANSACTION, request, deadline)
        except aws.CallFailed as failure:
            for index, reason in enumerate(failure.answer.get("CancellationReasons", [])):
                if reason["Code"] == "ConditionalCheckFailed":
                    raise ConditionFailed(index, _plain(reason.get("Item", {}))) from None
            raise _unavailable(failure) from None

    def get(self, key: str, deadline: Deadline) -> Item:
        """The item as it is now; empty if there is none. Raises `limits_unavailable`."""
        wanted = {"TableName": self._table, "Key": self._key(key), "ConsistentRead": True}
        try:
            answer = self._client.call("GetItem", wanted, deadline)
        except aws.CallFailed as failure:
            raise _unavailable(failure) from None
        return _plain(answer.get("Item", {}))

    def _send(self, operation: str, request: dict[str, Any], deadline: Deadline, *, once: bool = False) -> aws.Answer:
        """Calls the operation, and again after a conflict until the deadline. Raises CallFailed."""
        longest = CONFLICT_SECONDS
        while True:
            try:
                return self._client.call(operation, request | _token(operation), deadline, once=once)
            except aws.CallFailed as failure:
                pause = random.uniform(0, longest)  # noqa: S311 - no secret
                if not _is_conflict(failure) or deadline.seconds_left() <= pause:
                    raise
            sleep(pause)
            longest = min(2 * longest, MAX_PAUSE)

    def _update(self, write: Write) -> dict[str, Any]:
        """The write as UpdateItem and TransactWriteItems take it."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "Key": self._key(write.key),
            "UpdateExpression": write.update,
        }
        if write.condition:
            request |= {"ConditionExpression": write.condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        names = NAME.findall(f"{write.update} {write.condition}")
        if names:
            request["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
        if write.values:
            request["ExpressionAttributeValues"] = {f":{name}": _typed(value) for name, value in write.values.items()}
        return request

    def _key(self, key: str) -> dict[str, Any]:
        return {"id": {"S": f"{self._vendor}#{key}"}}


def _token(operation: str) -> dict[str, str]:
    """Makes a transaction that is sent again after a lost answer count once (DynamoDB's API reference)."""
    return {"ClientRequestToken": token_hex(16)} if operation == TRANSACTION else {}


def _unavailable(failure: aws.CallFailed) -> Problem:
    """Fails closed: an outage of the table must not lift the limits."""
    kind = Ambiguous if failure.unsure else Problem
    problem = kind("limits_unavailable", "This deployment cannot check its limits right now. Try again.", retry_after=2)
    unexpected = {reason["Code"] for reason in failure.answer.get("CancellationReasons", [])} - CONFLICTS - {"None"}
    problem.add_note(", ".join(sorted(unexpected)) or failure.reason)
    return problem


def _is_conflict(failure: aws.CallFailed) -> bool:
    """Whether the write met another one, or the table was busy, so that the same write may pass soon."""
    reasons = {reason["Code"] for reason in failure.answer.get("CancellationReasons", [])}
    return (reasons - {"None"} or {failure.code}) <= CONFLICTS


def _typed(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case _:
            return {"SS": sorted(value)}


def _plain(item: dict[str, dict[str, Any]]) -> Item:
    plain: dict[str, Callable[[Any], Any]] = {"S": str, "N": int, "B": b64decode, "SS": frozenset, "BOOL": bool}
    return {name: plain[kind](value) for name, typed in item.items() for kind, value in typed.items()}
