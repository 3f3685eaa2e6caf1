"""The catalogue: which vendors this deployment serves, and what a client needs to know of their credentials.

declared.json is written from the vendors' own functions by `make generate`; what callers may choose is this deployment's.
"""

from pathlib import Path

import msgspec

from minting.audit import Record
from minting.bodies import Body, decode_request
from minting.callers import acting_for, caller_of
from minting.deadline import Deadline
from minting.function import Event, Function, Response, response
from minting.settings import AllowList, FunctionSettings, load, setting


class Ttl(msgspec.Struct, frozen=True):
    """How long a credential lives, in seconds. `field` of the request chooses it; without one it is fixed."""

    minimum: int
    maximum: int
    default: int
    field: str | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a vendor's credentials. `mint` are the routes that mint; `client_fields` are what the client's SDK takes.

    ends_session: whether what was opened with a credential ends with it. `ttl` is null where that is the vendor's own affair.
    """

    mint: list[str]
    client_fields: list[str]
    single_use: bool
    extendable: bool
    revocable: bool
    takes_slot: bool
    ends_session: bool
    ttl: Ttl | None


class Offer(Facts, frozen=True, kw_only=True):
    """A vendor that is deployed.

    `choices`: request fields held to a list, where `*` is anything and `{caller}` one's own id. `public`: ids that clients need
    before they mint; one that this deployment does not set is absent.
    """

    vendor: str
    choices: dict[str, list[str]]
    public: dict[str, str]


class Vendors(msgspec.Struct, frozen=True):
    """The answer."""

    vendors: list[Offer]


class Declared(Facts, frozen=True, kw_only=True):
    """What a vendor's function declares: the settings that hold its choices, its public ids and, where it is one, its `ttl`."""

    choices: dict[str, str]
    public: dict[str, str]
    ttl_setting: str | None


DECLARED = msgspec.json.decode((Path(__file__).parent / "declared.json").read_bytes(), type=dict[str, Declared])


def ttl_of(declared: Declared) -> Ttl | None:
    """The vendor's own, or this deployment's."""
    if declared.ttl_setting is None:
        return declared.ttl
    seconds = int(setting(declared.ttl_setting))
    return Ttl(seconds, seconds, seconds)


def offer(vendor: str, declared: Declared) -> Offer:
    """What a vendor declares, with this deployment's settings in the place of their names."""
    shared = {name: getattr(declared, name) for name in Facts.__struct_fields__}
    choices = {field: sorted(AllowList(setting(name))) for field, name in declared.choices.items()}
    public = {field: value for field, name in declared.public.items() if (value := setting(name))}
    return Offer(**shared | {"vendor": vendor, "ttl": ttl_of(declared), "choices": choices, "public": public})


class ListRequest(Body, frozen=True):
    """Nothing can be chosen."""


SETTINGS = load(FunctionSettings)
DEPLOYED = AllowList(setting("VENDORS"))
OFFERS = Vendors([offer(vendor, declared) for vendor, declared in DECLARED.items() if vendor in DEPLOYED])


def list_vendors(_: ListRequest) -> Vendors:
    """The vendors that this deployment serves, and the facts of their credentials."""
    return OFFERS


class Catalogue(Function):
    """It needs no key, no table and no vendor."""

    def answer(self, event: Event, record: Record, deadline: Deadline) -> Response:  # noqa: ARG002 - nothing is waited for
        record.caller = caller_of(event, SETTINGS.backend_scope)
        record.caller = acting_for(event, record.caller)
        answer = list_vendors(decode_request(event, ListRequest))
        record.outcome = "listed"
        return response(200, answer)


handler = Catalogue("catalogue", SETTINGS).handler
