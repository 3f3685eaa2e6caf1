"""`set-key` and `rotate-key`: put a vendor's key into its secret, once the vendor has accepted it. No value is printed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from minting.credentials import rfc3339
from minting.decoding import DECODE_ERRORS
from minting.keyring import MAX_AGE
from minting.keys import Key
from minting.problems import Problem
from tools.operate import asking, vendors
from tools.operate.stack import Stack, StackError

LONGEST_REQUEST = 30
"""Seconds. API Gateway waits no longer, so a request with the old key has ended by then."""

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
"""Secrets Manager's names of the two versions of a secret that it keeps."""


def set_key(stack: Stack, vendor: str, *, tested: bool = True) -> None:
    """Puts a key. Raises StackError or InputError, and then nothing is written."""
    secret = stack.secret(vendor)
    stack.client("secretsmanager").describe_secret(SecretId=secret)  # before it asks for anything
    _put(stack, vendor, tested=tested, kept=False)
    print(f"Written to {secret}. {vendor} mints with it from the next request on, or within {MAX_AGE // 60} minutes.")


def rotate_key(stack: Stack, vendor: str, *, tested: bool = True) -> None:
    """Puts another key in the place of one. A group of the secret that is not given stays as it is."""
    secret = _versioned(stack, vendor)
    _put(stack, vendor, tested=tested, kept=True)
    print(f"Written to {secret}. {_overlap('old')} Then revoke the old key at the vendor.")


def put_back(stack: Stack, vendor: str) -> None:
    """Makes the previous version of the secret the current one again. Raises StackError."""
    secret = _versioned(stack, vendor)
    client = stack.client("secretsmanager")
    versions = client.describe_secret(SecretId=secret)["VersionIdsToStages"]
    current, previous = (_version(versions, stage) for stage in (CURRENT, PREVIOUS))
    if not previous:
        raise StackError(
            f"{secret} has no previous key to put back. Put one: make rotate-key VENDOR={vendor} STAGE={stack.stage}"
        )
    client.update_secret_version_stage(
        SecretId=secret, VersionStage=CURRENT, MoveToVersionId=previous, RemoveFromVersionId=current
    )
    print(f"The previous key is the current one of {secret} again. {_overlap('replaced')}")


def _put(stack: Stack, vendor: str, *, tested: bool, kept: bool) -> None:
    function = _function(stack, vendor)
    shape = vendors.shape_of(function)
    given = asking.secret(shape)
    if kept and isinstance(given, dict):
        given = _groups(stack, vendor, shape) | given
    key = asking.key_of(shape, given)
    print(_tested(vendor, function, key) if tested else f"not tested: {vendor} was not asked (--no-test)")
    value = msgspec.json.encode(key).decode()
    stack.client("secretsmanager").put_secret_value(SecretId=stack.secret(vendor), SecretString=value)


def _groups(stack: Stack, vendor: str, shape: type[Key]) -> dict[str, Any]:
    """What the secret holds of the groups that may be absent. A secret without groups is not read."""
    groups = [member.name for member in asking.members(shape) if member.group]
    if not groups:
        return {}
    held = stack.client("secretsmanager").get_secret_value(SecretId=stack.secret(vendor), VersionStage=CURRENT)
    try:
        key = msgspec.json.decode(held["SecretString"], type=shape)
    except DECODE_ERRORS:
        return {}
    return {name: value for name, value in msgspec.to_builtins(key).items() if name in groups and value}


def _function(stack: Stack, vendor: str) -> Any:
    try:
        return vendors.load(vendor, stack.settings[vendor])
    except ValueError as error:
        raise StackError(
            f"The function of {vendor} does not start with the settings of {stack.name}: {error}"
        ) from None


def _tested(vendor: str, function: Any, key: Key) -> str:
    """What the vendor says to the key. Raises StackError unless it accepts the key or cannot tell."""
    try:
        vendors.try_key(vendor, function, key)
    except vendors.UntestedError as reason:
        return f"not tested: {reason}"
    except Problem as problem:
        raise StackError(_refusal(vendor, problem)) from None
    return f"tested: {vendor} accepts the key"


def _refusal(vendor: str, problem: Problem) -> str:
    status = f" with status {problem.vendor_status}" if problem.vendor_status else ""
    if problem.code == "vendor_key_rejected":
        return f"{vendor} rejects this key{status}. Nothing is written. Copy the key again from the vendor's dashboard."
    return (
        f"The test at {vendor} failed{status} ({problem.code}): {problem.detail} Nothing is written. "
        "Correct that, or write the key without a test: ARGS=--no-test"
    )


def _versioned(stack: Stack, vendor: str) -> str:
    """The name of the vendor's secret. Raises StackError if it has no key yet."""
    secret = stack.secret(vendor)
    if not stack.client("secretsmanager").describe_secret(SecretId=secret).get("VersionIdsToStages"):
        raise StackError(f"{secret} has no key yet. Set one: make set-key VENDOR={vendor} STAGE={stack.stage}")
    return secret


def _version(versions: Mapping[str, list[str]], stage: str) -> str:
    return next((version for version, stages in versions.items() if stage in stages), "")


def _overlap(which: str) -> str:
    until = datetime.now(UTC) + timedelta(seconds=MAX_AGE + LONGEST_REQUEST)
    return f"No function uses the {which} key any more after {rfc3339(until)}."
