"""The catalogue: the deployed vendors, and what a client must know about their credentials.

`make generate` writes declared.json from the vendors' own functions. The allow-lists are this
deployment's settings.
"""

from pathlib import Path
from typing import Any

import msgspec

from minting.audit import Record
from minting.bodies import Body, decode_request
from minting.callers import acting_for, caller_of, require_claims
from minting.deadline import Deadline
from minting.function import Event, Function, Response, response
from minting.operations import Operation, Request
from minting.settings import AllowList, FunctionSettings, load, setting


class Ttl(msgspec.Struct, frozen=True):
    """The lifetime of a credential, in seconds. `field` of the request chooses it.

    Without a field it is fixed.
    """

    minimum: int
    maximum: int
    default: int
    field: str | None = None


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a vendor's credentials.

    mint: the routes that mint. client_fields: what the vendor's client SDK takes.
    ends_session: the session ends when the credential expires. ttl: null if the vendor decides it.
    """

    mint: list[str]
    client_fields: list[str]
    single_use: bool
    extendable: bool
    revocable: bool
    takes_slot: bool
    ends_session: bool
    ttl: Ttl | None


class Offer(Traits, frozen=True, kw_only=True):
    """A deployed vendor.

    choices: request fields with an allow-list, in which `*` means any value and `{caller}` means
    the caller's id.
    public: ids that clients need before they mint. An id that this deployment does not set is
    absent.
    """

    vendor: str
    choices: dict[str, list[str]]
    public: dict[str, str]


class Vendors(msgspec.Struct, frozen=True):
    """The response."""

    vendors: list[Offer]


class Declared(Traits, frozen=True, kw_only=True):
    """What a vendor's function declares. `choices`, `public` and `ttl_setting` name settings."""

    choices: dict[str, str]
    public: dict[str, str]
    ttl_setting: str | None


DECLARED = msgspec.json.decode((Path(__file__).parent / "declared.json").read_bytes(), type=dict[str, Declared])


def is_deployed(vendor: str) -> bool:
    """Whether this stack has the vendor's function."""
    return setting(f"DEPLOY_{vendor.upper()}") == "true"


def ttl_of(declared: Declared) -> Ttl | None:
    """The lifetime that the vendor fixes, or the one that this deployment sets."""
    if declared.ttl_setting is None:
        return declared.ttl
    seconds = int(setting(declared.ttl_setting))
    return Ttl(seconds, seconds, seconds)


def offer(vendor: str, declared: Declared) -> Offer:
    """A vendor's declaration, with the values of the settings in place of their names."""
    shared = {name: getattr(declared, name) for name in Traits.__struct_fields__}
    choices = {field: sorted(AllowList(setting(name))) for field, name in declared.choices.items()}
    public = {field: value for field, name in declared.public.items() if (value := setting(name))}
    return Offer(**shared | {"vendor": vendor, "ttl": ttl_of(declared), "choices": choices, "public": public})


class ListRequest(Body, frozen=True):
    """It has no fields."""


class Catalogue(Function):
    """A function that needs no key, no table and no vendor."""

    def answer(self, event: Event, record: Record, deadline: Deadline) -> Response:
        """Three of a vendor's stages: authenticate, validate, respond."""
        operation, handler = self.find(record.route)
        record.caller = caller_of(event, SETTINGS.backend_scope)
        require_claims(event, record.caller, SETTINGS.required_claims)
        record.caller = acting_for(event, record.caller)
        body = decode_request(event, operation.body, operation.max_body_bytes)
        vendors: Any = handler(body, Request(record.caller, deadline, None, None))
        record.outcome = operation.outcome
        return response(operation.status, vendors)


SETTINGS = load(FunctionSettings)
OFFERS = Vendors([offer(vendor, declared) for vendor, declared in DECLARED.items() if is_deployed(vendor)])
catalogue = Catalogue("catalogue", SETTINGS)


@catalogue.route(Operation(body=ListRequest, outcome="listed", needs_key=False), "GET /v1/vendors")
def list_vendors(_: ListRequest, __: Request[None]) -> Vendors:
    """The vendors that this deployment serves, and the traits of their credentials."""
    return OFFERS


handler = catalogue.handler
