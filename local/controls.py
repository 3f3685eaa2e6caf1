"""What the page's buttons do, each as a call with a JSON object."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.faults import Faults
from local.leaks import Leaks
from local.limits import Limits
from local.parameters import PAIRS
from local.twins.twin import Twin
from local.uses import CALLS, use

HANDED_OUT = {"spatialgen-local-readonly"}
"""Keys that a credential may be, by design."""


@dataclass(frozen=True)
class Controls:
    """environment: the environment variables of a vendor's function. vendors: those with limits."""

    twins: Mapping[str, Twin]
    vendors: list[str]
    environment: Callable[[str], Mapping[str, str]]
    faults: Faults
    limits: Limits
    leaks: Leaks

    def calls(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        """By name. Each raises KeyError, TypeError or ValueError for an object that it does not understand."""
        return {
            "use": self.use,
            "state": self.state,
            "fault": lambda asked: self.faults.arm(asked["vendor"], asked["kind"], asked["times"]),
            "kill-key": lambda asked: self.faults.kill_key(asked["vendor"]),
            "rotate": lambda asked: self.faults.rotate(asked["vendor"]),
            "clear": lambda _: self.faults.clear(),
            "stop": lambda asked: self.limits.stop(self._known(asked), stopped=asked["on"]),
            "block": lambda asked: self.limits.block(self.vendors, asked["person"], blocked=asked["on"]),
        }

    def use(self, asked: dict[str, Any]) -> dict[str, int]:
        """{vendor, credential, changed?, later?} -> {status}."""
        options = {name: asked[name] for name in ("changed", "later") if name in asked}
        return {"status": use(self.twins[asked["vendor"]], asked["credential"], **options)}

    def state(self, asked: dict[str, Any]) -> dict[str, Any]:
        """{vendor, person} -> the vendor's limits, faults and keys, and the leaks."""
        vendor = self._known(asked)
        limits = self.limits.state(vendor, self.environment(vendor), asked["person"])
        usable = vendor in self.twins and vendor in CALLS
        shown = {"usable": usable, "armed": self.faults.count(), "leaks": self.leaks.state()}
        return limits | shown | {"faults": self.faults.state(vendor)}

    def _known(self, asked: dict[str, Any]) -> str:
        vendor = asked["vendor"]
        if vendor not in self.vendors:
            raise ValueError(vendor)
        return str(vendor)


def keys(twins: Mapping[str, Twin]) -> Iterator[str]:
    """The keys that must not reach a client."""
    for twin in twins.values():
        yield from set(twin.keys) - HANDED_OUT
    for pair in PAIRS.values():
        yield from (value for name, value in pair.items() if name in {"api_secret", "app_certificate"})
