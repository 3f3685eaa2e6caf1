"""Blocks a caller at every vendor of a stack, or unblocks it. docs/operating.md says how to find the caller.

Usage: make block ARGS="--iss ISSUER --sub SUBJECT [--user USER]", or with --token-sha256 FINGERPRINT
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import time
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from minting.callers import Caller

DECLARED = Path(__file__).parents[1] / "functions/catalogue/declared.json"

GONE = timedelta(days=2)
"""How long the item of an unblocked caller stays: as long as after a mint."""


class StackError(Exception):
    """The stack does not have what the command needs. The text says so in one line."""


class Stack:
    """A deployed stack: its table of limits and its log."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._resources = boto3.client("cloudformation")

    def table(self) -> Any:
        """The table of limits."""
        return boto3.resource("dynamodb").Table(self._physical("LimitsTable"))

    def caller_who_got(self, fingerprint: str) -> Caller:
        """The caller to whom a token with this SHA-256 was minted. Raises StackError if no record has it.

        The record of a refused request is left out: its caller tried the token, and another one got it.
        """
        pages = boto3.client("logs").get_paginator("filter_log_events")
        found = pages.paginate(logGroupName=self._physical("FunctionLogGroup"), filterPattern=f'"{fingerprint}"')
        for record in _records(found):
            if "fault" not in record and fingerprint in _fingerprints(record):
                caller = record["caller"]
                return Caller(caller["iss"], caller["sub"], caller.get("user"))
        raise StackError(f"no record of {self._name} has the fingerprint {fingerprint}. It may be older than the log.")

    def _physical(self, logical: str) -> str:
        found = self._resources.describe_stack_resource(StackName=self._name, LogicalResourceId=logical)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


def _fingerprints(record: dict[str, Any]) -> set[str]:
    """Of the token that the caller got, and of the one that it named."""
    return {str(record.get("token_sha256")), str(record.get("subject")).removeprefix("token#")}


def _records(pages: Any) -> Iterator[dict[str, Any]]:
    """The JSON lines of the functions' log."""
    for page in pages:
        for event in page["events"]:
            if event["message"].startswith("{"):
                with suppress(ValueError):  # a library's line may only look like JSON
                    yield json.loads(event["message"])


def block(table: Any, caller: Caller) -> str:
    """Blocks the caller. DynamoDB must not expire the item, because the block would end with it."""
    for key in keys(caller):
        table.update_item(
            Key={"id": key},
            UpdateExpression="SET blocked = :now REMOVE expires",
            ExpressionAttributeValues={":now": int(time())},
        )
    return f"Blocked {named(caller)}. The caller's next request is refused."


def unblock(table: Any, caller: Caller) -> str:
    """Ends the caller's block."""
    values = {":gone": int(time() + GONE.total_seconds())}
    before = [
        table.update_item(
            Key={"id": key},
            UpdateExpression="REMOVE blocked SET expires = :gone",
            ExpressionAttributeValues=values,
            ReturnValues="ALL_OLD",
        )
        for key in keys(caller)
    ]
    if not any("blocked" in answer.get("Attributes", {}) for answer in before):
        return f"{named(caller)} was not blocked."
    return f"Unblocked {named(caller)}. The caller's next request counts again."


def keys(caller: Caller) -> list[str]:
    """The caller's items, one for each vendor, deployed or not."""
    return [f"{vendor}#caller#{caller.digest}" for vendor in json.loads(DECLARED.read_bytes())]


def named(caller: Caller) -> str:
    user = f", user {caller.user!r}" if caller.user else ""
    return f"sub {caller.sub!r} of {caller.iss}{user}"


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line. Ends the program unless it names one caller."""
    parser = argparse.ArgumentParser(prog="tools.block", description=__doc__)
    parser.add_argument("action", choices=["block", "unblock"])
    parser.add_argument("--stack", default="avatar-mint", help="the stack's name (avatar-mint)")
    parser.add_argument("--iss", help="the iss claim of the caller's JWT, to the letter")
    parser.add_argument("--sub", help="the sub claim")
    parser.add_argument("--user", help="the user for whom a backend asked: Mint-On-Behalf-Of")
    parser.add_argument("--token-sha256", type=str.lower, help="the fingerprint of a token that the caller got")
    told = parser.parse_args(arguments)
    claims = (told.iss, told.sub)
    if any((*claims, told.user)) if told.token_sha256 else not all(claims):
        parser.error("name the caller: either --iss and --sub, or --token-sha256")
    return told


def main(arguments: Sequence[str]) -> None:
    told = parsed(arguments)
    try:
        stack = Stack(told.stack)
        caller = stack.caller_who_got(told.token_sha256) if told.token_sha256 else Caller(told.iss, told.sub, told.user)
        print((block if told.action == "block" else unblock)(stack.table(), caller))
    except (StackError, BotoCoreError, ClientError) as error:
        sys.exit(f"{told.action}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
