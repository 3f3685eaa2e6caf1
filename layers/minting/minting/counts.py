"""Counts of requests in an hour or a day, in UTC. A count is one attribute of an item."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from time import time
from typing import TYPE_CHECKING, NamedTuple

from minting.problems import Problem

if TYPE_CHECKING:
    from minting.table import Item  # the catalogue imports this module, and no table

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

MINTS = "mints"
"""The budget of everything that has no budget of its own."""

GRACE = timedelta(hours=1)
"""How long a count stays after its end, so that an environment whose clock is slow still finds it."""

ATTRIBUTE = re.compile(r"[a-z]+_(?:open_)?(\d{8}|\d{10})")


class Count(NamedTuple):
    """The requests in one hour or day.

    name: the limit's name, for callers. attribute: where the item counts, such as `mints_20261126`.
    """

    name: str
    attribute: str
    limit: int
    ends: datetime

    def exceeded(self) -> Problem:
        """The refusal, with the seconds until the hour or the day ends."""
        wait = max(1, int((self.ends - _now()).total_seconds()) + 1)
        return Problem(
            "quota_exceeded",
            f"The limit {self.name} ({self.limit}) is reached. Try again later.",
            limit=self.name,
            retry_after=wait,
        )


def this_hour(budget: str, limit_name: str, limit: int) -> Count:
    """The count of the current hour."""
    hour = _now().replace(minute=0, second=0, microsecond=0)
    return Count(_named(budget, limit_name), f"{budget}_{hour:%Y%m%d%H}", limit, hour + HOUR)


def today(budget: str, limit_name: str, limit: int) -> Count:
    """The count of the current day."""
    day = _now().replace(hour=0, minute=0, second=0, microsecond=0)
    return Count(_named(budget, limit_name), f"{budget}_{day:%Y%m%d}", limit, day + DAY)


def ended(item: "Item") -> list[str]:
    """The attributes of an item that count an hour or a day which is over since GRACE."""
    hour = f"{_now() - GRACE:%Y%m%d%H}"
    found = [(name, ATTRIBUTE.fullmatch(name)) for name in item]
    return [name for name, match in found if match and match[1] < hour[: len(match[1])]]


def without(attributes: Iterable[str]) -> str:
    """The part of an update that removes attributes."""
    names = ", ".join(f"#{attribute}" for attribute in attributes)
    return f" REMOVE {names}" if names else ""


def _named(budget: str, limit_name: str) -> str:
    return limit_name if budget == MINTS else f"{budget}_{limit_name}"


def _now() -> datetime:
    return datetime.fromtimestamp(time(), UTC)
