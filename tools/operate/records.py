"""`who-got`: the records of a token, by its fingerprint."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from minting.callers import Caller
from tools.operate import asking
from tools.operate.stack import Stack, StackError

FINGERPRINT = re.compile(r"[0-9a-f]{64}")

SHOWN = ("timestamp", "vendor", "outcome", "caller", "mint_id", "ttl_seconds")
"""The members of a record that are printed, in this order."""


def fingerprint_of(given: str | None) -> str:
    """The SHA-256 that is given, or that of a token typed or piped in. Raises InputError.

    A text that is no fingerprint is not repeated: it may be a token.
    """
    if given is None:
        return hashlib.sha256(asking.hidden("token").encode()).hexdigest()
    if not FINGERPRINT.fullmatch(given.lower()):
        raise asking.InputError(
            "That is no SHA-256 in hex (64 digits). If it is a token, leave it out: the command then asks for it. "
            "The shell's history may hold it now."
        )
    return given.lower()


def who_got(stack: Stack, fingerprint: str) -> None:
    """Prints the records that name the token, the oldest first. Raises StackError if there are none."""
    for record in found(stack, fingerprint):
        print(json.dumps({name: record[name] for name in SHOWN if record.get(name) is not None}, ensure_ascii=False))


def holder(stack: Stack, fingerprint: str) -> Caller:
    """The caller to whom the token was minted. Raises StackError if no record has it, or the records of several callers.

    The record of a refused request is left out: its caller tried the token, and another one got it.
    """
    callers = {
        Caller(record["caller"]["iss"], record["caller"]["sub"], record["caller"].get("user"))
        for record in found(stack, fingerprint)
        if "fault" not in record
    }
    if not callers:
        raise _unknown(stack, fingerprint)
    if len(callers) > 1:
        raise StackError(f"{len(callers)} callers got this token: SpatialGen leases one key to all. Name one caller.")
    return callers.pop()


def found(stack: Stack, fingerprint: str) -> list[dict[str, Any]]:
    """The records that name the token. Raises StackError if there are none."""
    pages = stack.client("logs").get_paginator("filter_log_events")
    matching = pages.paginate(logGroupName=stack.log_group, filterPattern=f'"{fingerprint}"')
    records = [record for record in _records(matching) if fingerprint in _fingerprints(record)]
    if not records:
        raise _unknown(stack, fingerprint)
    return records


def _unknown(stack: Stack, fingerprint: str) -> StackError:
    return StackError(
        f"No record of {stack.name} has the fingerprint {fingerprint}. It may be older than the log, "
        "or of another stage."
    )


def _fingerprints(record: dict[str, Any]) -> set[str]:
    """Of the token that the caller got, and of the one that it named."""
    return {str(record.get("token_sha256")), str(record.get("subject")).removeprefix("token#")}


def _records(pages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The JSON lines of the functions' log."""
    for page in pages:
        for event in page["events"]:
            if event["message"].startswith("{"):
                with suppress(ValueError):  # a library's line may only look like JSON
                    yield json.loads(event["message"])
