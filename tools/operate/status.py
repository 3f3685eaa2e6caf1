"""`status`: what is used, stopped, paused and ringing, and how old the keys are."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

from botocore.exceptions import ClientError

from minting.counts import MINTS, today
from minting.credentials import rfc3339
from minting.gate import VENDOR
from tools.operate.stack import Stack

HEAD = ("vendor", "used today", "live slots", "key", "state")
PER_DAY, SLOTS, PAUSE = "_PER_DAY", "_SLOTS", "paused_"
EXPIRY = "key_expires_in"
"""The metric of a key that expires. SpatialGen's function writes it at each use, and every 12 hours."""


def status(stack: Stack) -> None:
    """Prints a row for each deployed vendor, and the alarms that ring."""
    rows = [HEAD, *(_row(stack, vendor, stack.settings[vendor]) for vendor in stack.vendors)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
    print(f"alarms: {', '.join(_ringing(stack)) or 'none rings'}")


def _row(stack: Stack, vendor: str, settings: Mapping[str, str]) -> tuple[str, ...]:
    item = _item(stack, f"{vendor}#{VENDOR}")
    return vendor, ", ".join(_used(item, settings)), _live(stack, vendor, settings), _key(stack, vendor), _state(item)


def _used(item: Mapping[str, Any], settings: Mapping[str, str]) -> Iterator[str]:
    """Each budget of the day, such as `3/2000` or `reads 7/50000`."""
    for name, limit in settings.items():
        if name.endswith(PER_DAY) and not name.startswith("CALLER"):
            budget = name.removesuffix(PER_DAY).lower()
            budget = MINTS if budget == VENDOR else budget
            used = int(item.get(today(budget, "", int(limit)).attribute, 0))
            yield f"{'' if budget == MINTS else f'{budget} '}{used}/{limit}"


def _live(stack: Stack, vendor: str, settings: Mapping[str, str]) -> str:
    """The sessions whose slots are taken. Each entry begins with the Unix second at which it is free again."""
    limit = settings.get(vendor.upper() + SLOTS)
    if limit is None:
        return ""
    live = _item(stack, f"{vendor}#live").get("live", ())
    return f"{sum(int(lease.partition('#')[0]) > time() for lease in live)}/{limit}"


def _state(item: Mapping[str, Any]) -> str:
    now = time()
    pauses = {name.removeprefix(PAUSE): int(until) for name, until in item.items() if name.startswith(PAUSE)}
    paused = [f"{operation} paused for {int(until - now) + 1} s" for operation, until in pauses.items() if until > now]
    return ", ".join([*(["STOPPED"] if "stopped" in item else []), *paused]) or "running"


def _key(stack: Stack, vendor: str) -> str:
    """The age of the secret, never its value."""
    try:
        secret = stack.client("secretsmanager").describe_secret(SecretId=stack.secret(vendor))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return "NO SECRET"
    if not secret.get("VersionIdsToStages"):
        return "NO KEY"
    days = (datetime.now(UTC) - secret["LastChangedDate"]).days
    expiry = _expiry(stack, vendor)
    return f"{days} d old{f', expires {rfc3339(expiry)}' if expiry else ''}"


def _expiry(stack: Stack, vendor: str) -> datetime | None:
    """The key's expiry by its last metric of the past day, to the hour. None if there is no such metric."""
    points = stack.client("cloudwatch").get_metric_statistics(
        Namespace=stack.settings[vendor]["METRICS_NAMESPACE"],
        MetricName=EXPIRY,
        Dimensions=[{"Name": "service", "Value": vendor}],
        StartTime=datetime.now(UTC) - timedelta(days=1),
        EndTime=datetime.now(UTC),
        Period=3600,
        Statistics=["Minimum"],
    )["Datapoints"]
    if not points:
        return None
    last = max(points, key=lambda point: point["Timestamp"])
    moment: datetime = last["Timestamp"] + timedelta(seconds=last["Minimum"])
    return moment


def _ringing(stack: Stack) -> list[str]:
    """The names of the stack's alarms that are on. CloudWatch lists at most 100 at once."""
    if not stack.alarms:
        return []
    found = stack.client("cloudwatch").describe_alarms(AlarmNames=stack.alarms[:100], StateValue="ALARM")
    return [alarm["AlarmName"] for alarm in found["MetricAlarms"]]


def _item(stack: Stack, key: str) -> Mapping[str, Any]:
    item: Mapping[str, Any] = stack.table.get_item(Key={"id": key}, ConsistentRead=True).get("Item", {})
    return item
