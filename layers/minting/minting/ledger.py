"""The one DynamoDB table: conditional writes, all or nothing, and what it says when a condition does not hold.

Every item's key begins with the vendor's name, and a function's role reaches no other vendor's items.
Items hold counts, hashes of callers and of tokens, session ids and times; never a credential that the table alone could open.
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
"""Two transactions on one item at the same moment: DynamoDB lets one pass and asks the other to come again."""

LONGEST_PAUSE = 0.5
"""Seconds between two tries, at most."""

CONFLICTS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

type Item = dict[str, Any]


NAME = re.compile(r"#(\w+)")


class Change(NamedTuple):
    """A change of one item; without an update it only checks its condition.

    Attributes are written `#name`, for DynamoDB reserves hundreds of words. `values` are str, int, bytes or a set of str.
    """

    key: str
    update: str
    condition: str = ""
    values: Mapping[str, Any] = MappingProxyType({})


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """A condition did not hold, so nothing was changed. `index` is the first such change, `item` what its item holds."""

    def __init__(self, index: int, item: Item) -> None:
        super().__init__(index)
        self.index = index
        self.item = item


class Ledger:
    """One vendor's items."""

    def __init__(self, vendor: str, table: str) -> None:
        self._vendor = vendor
        self._table = table
        self._client = aws.client("dynamodb")

    def change(self, changes: Sequence[Change], deadline: Deadline) -> None:
        """Makes all changes or none. Raises Refused or `limits_unavailable`.

        The problem is ambiguous when the table does not answer in time: then the changes may be made, now or later.
        """
        writes = [self._write(change) for change in changes]
        for attempt in count():
            try:
                aws.ask(self._client.transact_write_items, deadline, TransactItems=writes)
            except aws.NotDone as fault:
                _raise_unless_conflict(fault)
                pause = random.uniform(0, min(CONFLICT_SECONDS * 2**attempt, LONGEST_PAUSE))  # noqa: S311 - spreads, hides nothing
                if deadline.left() <= pause:
                    raise _unavailable(fault) from None
                sleep(pause)
            else:
                return

    def read(self, key: str, deadline: Deadline) -> Item:
        """An item as it is now, empty where there is none. Raises `limits_unavailable`."""
        wanted = {"TableName": self._table, "Key": self._key(key), "ConsistentRead": True}
        try:
            answer = aws.ask(self._client.get_item, deadline, **wanted)
        except aws.NotDone as fault:
            raise _unavailable(fault) from None
        return _plain(answer.get("Item", {}))

    def _write(self, change: Change) -> dict[str, Any]:
        common: dict[str, Any] = {"TableName": self._table, "Key": self._key(change.key)}
        if change.condition:
            common |= {"ConditionExpression": change.condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        names = NAME.findall(f"{change.update} {change.condition}")
        if names:
            common["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
        if change.values:
            common["ExpressionAttributeValues"] = {f":{name}": _typed(value) for name, value in change.values.items()}
        if not change.update:
            return {"ConditionCheck": common}
        return {"Update": common | {"UpdateExpression": change.update}}

    def _key(self, key: str) -> dict[str, Any]:
        return {"id": {"S": f"{self._vendor}#{key}"}}


def _unavailable(fault: aws.NotDone, said: str = "") -> Problem:
    """The limits cannot be checked, so the request is refused. `said` is for the operator."""
    kind = Problem if fault.code else Ambiguous
    problem = kind("limits_unavailable", "This deployment cannot check its limits right now. Try again.", retry_after=2)
    problem.add_note(said or fault.reason)
    return problem


def _raise_unless_conflict(fault: aws.NotDone) -> None:
    reasons = fault.answer.get("CancellationReasons")
    if reasons is None:
        raise _unavailable(fault) from None
    for index, reason in enumerate(reasons):
        if reason["Code"] == "ConditionalCheckFailed":
            raise Refused(index, _plain(reason.get("Item", {}))) from None
    unforeseen = {reason["Code"] for reason in reasons} - CONFLICTS - {"None"}
    if unforeseen:
        raise _unavailable(fault, ", ".join(sorted(unforeseen))) from None


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
