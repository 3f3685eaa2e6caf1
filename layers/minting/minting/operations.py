"""What a vendor declares for each route: the request, and the checks before its handler runs."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from minting.allow import Allow
from minting.bodies import MAX_BODY_BYTES, Body
from minting.callers import Caller
from minting.counts import MINTS
from minting.credentials import Credential, CredentialTraits
from minting.deadline import Deadline
from minting.keys import UsesKey, whole_key
from minting.problems import FieldError

if TYPE_CHECKING:
    from minting.slots import Slots


class Request[K](NamedTuple):
    """One caller's request.

    `key` is the vendor's API key, or None for an operation that needs none.
    """

    caller: Caller
    deadline: Deadline
    idempotency_key: str | None
    key: K

    def with_key[V](self, key: V) -> "Request[V]":
        """The same request, with the vendor's API key."""
        return Request(self.caller, self.deadline, self.idempotency_key, key)


type Handler = Callable[[Any, Request[Any]], Credential[Any] | msgspec.Struct | None]
"""Takes the decoded body and the request. Its return annotation is the shape of the response."""


def nothing_forbidden(_: Body, __: Caller) -> Iterable[FieldError]:
    """The allow-lists are all that is checked."""
    return ()


def nobody_exempt(_: Body, __: Caller) -> bool:
    """Every request is held to the allow-lists."""
    return False


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """The request of a route, and the checks before its handler runs.

    body: the shape of the request; max_body_bytes: its largest size.
    outcome, status: what the record and the response say when the handler succeeds.
    traits: what holds for the credential that the handler returns.
    allow: fields that must be on an allow-list, each with the setting that holds the list.
    forbidden_fields: yields an error for every other field that this deployment does not let the
    caller set.
    exempt: whether a request of the team's own backend skips the allow-lists.
    public: ids that clients need before they mint, each with its setting.
    resource: the name of what the request acts on, for the record.
    owner_only: only the caller who created the resource may act on it.
    budget: the budget that the request counts in. Empty: nothing counts it.
    needs_key: the handler gets the API key.
    uses_key: which key it uses, if the secret holds several.
    """

    body: type[Body]
    max_body_bytes: int = MAX_BODY_BYTES
    outcome: str = "served"
    status: int = 200
    traits: CredentialTraits = CredentialTraits()
    allow: Allow = {}
    forbidden_fields: Callable[[Any, Caller], Iterable[FieldError]] = nothing_forbidden
    exempt: Callable[[Any, Caller], bool] = nobody_exempt
    public: Mapping[str, str] = {}
    resource: Callable[[Any], str] | None = None
    owner_only: bool = False
    budget: str = ""
    needs_key: bool = True
    uses_key: UsesKey[Any] = whole_key


class Mint(Operation, frozen=True, kw_only=True):
    """An operation that hands out a new credential."""

    outcome: str = "minted"
    status: int = 201
    budget: str = MINTS


class SessionMint(Mint, frozen=True, kw_only=True):
    """A mint for a session, which takes one of the vendor's slots.

    `open_session` asks the vendor for a new session. The route's handler then gets the session in
    place of the body.
    """

    open_session: Handler
    slots: "Slots[Any]"
