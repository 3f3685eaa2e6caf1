"""`block` and `unblock`: whether a caller gets anything, at every vendor."""

from datetime import timedelta
from time import time

from minting.callers import Caller
from minting.quotas import key_of
from tools.operate.stack import Stack
from tools.operate.vendors import DECLARED

GONE = timedelta(days=2)
"""How long the item of an unblocked caller stays: as long as after a mint."""


def block(stack: Stack, caller: Caller) -> None:
    """Blocks the caller. DynamoDB must not expire the item, because the block would end with it."""
    for key in _keys(caller):
        stack.table.update_item(
            Key={"id": key},
            UpdateExpression="SET blocked = :now REMOVE expires",
            ExpressionAttributeValues={":now": int(time())},
        )
    print(f"Blocked {_named(caller)}. The caller's next request is refused.")


def unblock(stack: Stack, caller: Caller) -> None:
    """Ends the caller's block."""
    values = {":gone": int(time() + GONE.total_seconds())}
    before = [
        stack.table.update_item(
            Key={"id": key},
            UpdateExpression="REMOVE blocked SET expires = :gone",
            ExpressionAttributeValues=values,
            ReturnValues="ALL_OLD",
        )
        for key in _keys(caller)
    ]
    if not any("blocked" in answer.get("Attributes", {}) for answer in before):
        print(f"{_named(caller)} was not blocked.")
        return
    print(f"Unblocked {_named(caller)}. The caller's next request counts again.")


def _keys(caller: Caller) -> list[str]:
    """The caller's items, one for each vendor, deployed or not."""
    return [f"{vendor}#{key_of(caller)}" for vendor in DECLARED]


def _named(caller: Caller) -> str:
    user = f", user {caller.user!r}" if caller.user else ""
    return f"sub {caller.sub!r} of {caller.iss}{user}"
