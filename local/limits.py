"""The table of limits, as an operator sees and changes it. Source of its items: docs/operating.md."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import boto3


class Gauge(NamedTuple):
    """A limit and how much of it is used."""

    name: str
    used: int
    limit: int


class Limits:
    """issuer: the `iss` of the callers."""

    def __init__(self, table: str, issuer: str, aws: Mapping[str, str]) -> None:
        self._table = boto3.resource("dynamodb", **aws).Table(table)  # type: ignore[call-overload]
        self._issuer = issuer

    def state(self, vendor: str, settings: Mapping[str, str], sub: str) -> dict[str, Any]:
        """{gauges, stopped, blocked} of a vendor and a caller. settings: the environment of the vendor's function."""
        caller, whole = self._item(f"{vendor}#{self._caller(sub)}"), self._item(f"{vendor}#vendor")
        day, hour = time.strftime("mints_%Y%m%d", time.gmtime()), time.strftime("mints_%Y%m%d%H", time.gmtime())
        per_day = int(settings["VENDOR_PER_DAY"])
        share = int(settings["CALLER_PER_DAY"]) or max(per_day // 10, 5)
        gauges = [
            Gauge("caller_per_hour", int(caller.get(hour, 0)), int(settings["CALLER_PER_HOUR"])),
            Gauge("caller_per_day", int(caller.get(day, 0)), share),
            Gauge("vendor_per_day", int(whole.get(day, 0)), per_day),
            *self._slots(vendor, settings, sub),
        ]
        return {
            "gauges": [gauge._asdict() for gauge in gauges],
            "stopped": "stopped" in whole,
            "blocked": "blocked" in caller,
        }

    def stop(self, vendor: str, *, stopped: bool) -> None:
        self._set(f"{vendor}#vendor", "stopped", stopped)

    def block(self, vendors: Iterable[str], sub: str, *, blocked: bool) -> None:
        for vendor in vendors:
            self._set(f"{vendor}#{self._caller(sub)}", "blocked", blocked)

    def _slots(self, vendor: str, settings: Mapping[str, str], sub: str) -> list[Gauge]:
        name = f"{vendor.upper()}_SLOTS"
        if name not in settings:
            return []
        own = self._live(f"{vendor}#live#{self._digest(sub)}")
        return [
            Gauge("slots_per_caller", own, int(settings[f"{name}_PER_CALLER"])),
            Gauge("slots", self._live(f"{vendor}#live"), int(settings[name])),
        ]

    def _live(self, key: str) -> int:
        """The leases that have not ended. Each is `<Unix seconds of its end>#<id>`."""
        return sum(int(lease.partition("#")[0]) > time.time() for lease in self._item(key).get("live", ()))

    def _item(self, key: str) -> dict[str, Any]:
        item: dict[str, Any] = self._table.get_item(Key={"id": key}, ConsistentRead=True).get("Item", {})
        return item

    def _set(self, key: str, name: str, wanted: bool) -> None:  # noqa: FBT001 - the value to write
        values = {"ExpressionAttributeValues": {":now": int(time.time())}} if wanted else {}
        update = "SET #name = :now" if wanted else "REMOVE #name"
        names = {"#name": name}
        self._table.update_item(Key={"id": key}, UpdateExpression=update, ExpressionAttributeNames=names, **values)

    def _caller(self, sub: str) -> str:
        return f"caller#{self._digest(sub)}"

    def _digest(self, sub: str) -> str:
        return hashlib.sha256(f"{len(self._issuer)}:{self._issuer}{sub}".encode()).hexdigest()
