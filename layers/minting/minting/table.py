"""The one DynamoDB table. Writes are conditional, and a transaction makes all its writes or none.

Every item's key begins with the vendor's name, and a function's role cannot reach another vendor's
items. Items hold counts, hashes of callers and of tokens, session ids and times. They never hold a
credential that the table alone could open.
"""

import random
import re
from collections.abc import Mapping, Sequence
from itertools import count
from time import sleep
from types import MappingProxyType
from typing import Any, NamedTuple

from minting import aws
from minting.deadline import Deadline
from minting.problems import Ambiguous, Problem

CONFLICT_SECONDS = 0.02
"""The first pause after a conflict.

DynamoDB lets one of two overlapping transactions pass and cancels the other.
"""

MAX_PAUSE = 0.5
"""Seconds. The longest pause between two tries."""

CONFLICTS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

NAME = re.compile(r"#(\w+)")

type Item = dict[str, Any]


class Write(NamedTuple):
    """A conditional update of one item. Without an update it only checks its condition.

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
        self._client = aws.client("dynamodb")

    def transact(self, writes: Sequence[Write], deadline: Deadline) -> None:
        """Makes all writes or none. Raises ConditionFailed or `limits_unavailable`.

        That problem is ambiguous when the table does not answer in time: all writes are made, or
        none, or they will be.
        """
        items = [self._item(write) for write in writes]
        for attempt in count():
            try:
                aws.call(self._client.transact_write_items, deadline, TransactItems=items)
            except aws.CallFailed as failure:
                _raise_unless_conflict(failure)
                pause = random.uniform(0, min(CONFLICT_SECONDS * 2**attempt, MAX_PAUSE))  # noqa: S311 - no secret
                if deadline.seconds_left() <= pause:
                    raise _unavailable(failure) from None
                sleep(pause)
            else:
                return

    def get(self, key: str, deadline: Deadline) -> Item:
        """The item as it is now; empty if there is none. Raises `limits_unavailable`."""
        wanted = {"TableName": self._table, "Key": self._key(key), "ConsistentRead": True}
        try:
            answer = aws.call(self._client.get_item, deadline, **wanted)
        except aws.CallFailed as failure:
            raise _unavailable(failure) from None
        return _plain(answer.get("Item", {}))

    def _item(self, write: Write) -> dict[str, Any]:
        """The write as TransactWriteItems takes it."""
        common: dict[str, Any] = {"TableName": self._table, "Key": self._key(write.key)}
        if write.condition:
            common |= {"ConditionExpression": write.condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        names = NAME.findall(f"{write.update} {write.condition}")
        if names:
            common["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
        if write.values:
            common["ExpressionAttributeValues"] = {f":{name}": _typed(value) for name, value in write.values.items()}
        if not write.update:
            return {"ConditionCheck": common}
        return {"Update": common | {"UpdateExpression": write.update}}

    def _key(self, key: str) -> dict[str, Any]:
        return {"id": {"S": f"{self._vendor}#{key}"}}


def _unavailable(failure: aws.CallFailed, note: str = "") -> Problem:
    """Fails closed: an outage of the table must not lift the limits.

    The note is for the operator.
    """
    kind = Problem if failure.code else Ambiguous
    problem = kind("limits_unavailable", "This deployment cannot check its limits right now. Try again.", retry_after=2)
    problem.add_note(note or failure.reason)
    return problem


def _raise_unless_conflict(failure: aws.CallFailed) -> None:
    reasons = failure.answer.get("CancellationReasons")
    if reasons is None:
        raise _unavailable(failure) from None
    for index, reason in enumerate(reasons):
        if reason["Code"] == "ConditionalCheckFailed":
            raise ConditionFailed(index, _plain(reason.get("Item", {}))) from None
    unexpected = {reason["Code"] for reason in reasons} - CONFLICTS - {"None"}
    if unexpected:
        raise _unavailable(failure, ", ".join(sorted(unexpected))) from None


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
    plain = {"S": str, "N": int, "B": bytes, "SS": frozenset}
    return {name: plain[kind](value) for name, typed in item.items() for kind, value in typed.items()}
