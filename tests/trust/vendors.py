"""What the tests of this folder need to know of each vendor, found where it is declared: its twin, its events, its function.

`tests/vendors.py` says what is missing of a vendor, and where to add it.
"""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from local import parameters
from local.twins import twins
from tests.vendors import DECLARED, EVENTS, MINTS, VENDORS


@dataclass(frozen=True)
class Vendor:
    """A folder of functions/ whose function has a key."""

    name: str

    @property
    def event(self) -> str:
        """The event that mints."""
        return MINTS[self.name]

    @property
    def events(self) -> list[str]:
        """One for every route."""
        return [event for event in EVENTS if event.partition("-")[0] == self.name]

    @property
    def acting(self) -> list[str]:
        """The events that act on a credential that the vendor can still change."""
        sent = {event: json.loads(EVENTS[event].get("body") or "{}") for event in self.events}
        return [event for event, body in sent.items() if self.revocable and self.field in body]

    @property
    def body(self) -> dict[str, Any]:
        """What the event that mints asks for."""
        body: dict[str, Any] = json.loads(EVENTS[self.event]["body"])
        return body

    @property
    def field(self) -> str:
        """The field of a mint's answer that holds the credential: the one that is sent back to revoke it."""
        [field] = json.loads(EVENTS[f"{self.name}-revoke"]["body"])
        return str(field)

    @property
    def paths(self) -> list[str]:
        """What a mint asks of the vendor, in order; empty where a key is leased or a token signed here."""
        return [call.path for call in twins()[self.name].mint_calls] if self.name in twins() else []

    @property
    def tokens(self) -> dict[str, str]:
        """The field of the vendor's answer that is a secret, by path: what clients get beside the credential is none."""
        calls = twins()[self.name].mint_calls if self.name in twins() else ()
        return {call.path: call.token for call in calls if call.token not in self._public}

    @property
    def declared(self) -> dict[str, Any]:
        """What its function says of its credentials."""
        return DECLARED[self.name]

    @property
    def revocable(self) -> bool:
        return bool(self.declared["revocable"])

    def secret(self, key: str) -> dict[str, Any]:
        """Its secret with `key` in it, and with others made of `key` where it holds more than one."""
        keys = itertools.chain([key], (f"{key}-{number}" for number in itertools.count(2)))
        return {name: self._keyed(name, value, keys) for name, value in parameters.secret(self.name).items()}

    def _keyed(self, name: str, value: Any, keys: Iterator[str]) -> Any:
        if isinstance(value, dict):
            return {member: self._keyed(member, inner, keys) for member, inner in value.items()}
        if _plain(name) in map(_plain, self._public):
            return value
        return next(keys) if self.name in twins() else _fitted(next(keys), value)

    @property
    def _public(self) -> set[str]:
        """What clients get beside the credential."""
        return set(self.declared["client_fields"]) - {self.field}


def _plain(name: str) -> str:
    """`app_id` in a secret is `appId` in an answer."""
    return name.replace("_", "").lower()


def _fitted(key: str, model: str) -> str:
    """A key that signs has to be of the vendor's form: as long as the model, and hexadecimal if that is."""
    if re.fullmatch(r"[0-9a-f]+", model):
        return key.encode().hex().ljust(len(model), "0")[: len(model)]
    return key.ljust(len(model), "-")


ALL = [Vendor(name) for name in VENDORS]

ASKED = [vendor for vendor in ALL if vendor.paths]
"""Those whose functions call the vendor to mint."""


def operation(made: Any, event: str) -> Any:
    """What a function declares for the route of an event."""
    declared, _ = made.module.vendor.routes[EVENTS[event]["routeKey"]]
    return declared


def fields(made: Any, event: str) -> dict[str, msgspec.inspect.Type]:
    """The fields of the body that a function declares for an event, and their types."""
    declared = msgspec.inspect.type_info(operation(made, event).body)
    assert isinstance(declared, msgspec.inspect.StructType)
    return {field.encode_name: field.type for field in declared.fields}


def listed(made: Any, vendor: Vendor) -> dict[str, str]:
    """The fields of a mint that are held to a list, and for each a value on it that is the same for every caller."""
    settings = made.module.vendor.settings
    lists = {field: sorted(getattr(settings, name)) for field, name in operation(made, vendor.event).allow.items()}
    plain = {field: [value for value in values if "{" not in value and value != "*"] for field, values in lists.items()}
    return {field: values[0] for field, values in plain.items() if values}


def admit(twin: Any, key: str) -> None:
    """The vendor issues another key, as good as the one it was seeded with."""
    twin.keys[key] = next(iter(twin.keys.values()))
