"""The routes of every function, as the function declares them."""

import json
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple, NoReturn, get_args, get_origin, get_type_hints

from local.bundle import Bundle
from local.functions import ROOT, load_module
from minting.credentials import Credential
from minting.function import Function
from minting.operations import Handler, Operation


class Declared(NamedTuple):
    """One route. name: of its event (`convai-mint`). owner: its function (`Convai`). asked: whether the vendor has a twin."""

    name: str
    route: str
    owner: str
    asked: bool
    operation: Operation
    handler: Handler

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0].lower()

    @property
    def path(self) -> str:
        return self.route.partition(" ")[2]

    @property
    def has_body(self) -> bool:
        return self.method not in {"get", "delete"}

    @property
    def answer(self) -> Any:
        """The type of the response: the body of a Credential, None without a body, NoReturn if it is always a problem."""
        hint = get_type_hints(self.handler)["return"]
        if hint is NoReturn:
            return NoReturn
        return get_args(hint)[0] if self.mints else hint

    @property
    def mints(self) -> bool:
        """Whether the response carries a Credential."""
        return get_origin(get_type_hints(self.handler)["return"]) is Credential


class Owner(NamedTuple):
    """A function: its folder, its name in the template, its module and its routes."""

    folder: str
    name: str
    module: ModuleType
    routes: list[Declared]

    @property
    def about(self) -> str:
        """The first line of the module's docstring."""
        return (self.module.__doc__ or "").partition("\n")[0]


def owners(bundle: Bundle) -> Iterator[Owner]:
    """Every function of the bundle, and its routes, in the template's order.

    Raises LookupError for a route without an event, and ValueError for one that the template lacks.
    """
    events = {json.loads(path.read_bytes())["routeKey"]: path.stem for path in (ROOT / "events").glob("*.json")}
    for folder, deployed in bundle.functions.items():
        module = load_module(folder, bundle.environment(folder))
        name = deployed.name.removesuffix("Function")
        order = _routes(bundle, deployed.name)
        routes = [
            Declared(_event(route, events), route, name, folder in bundle.twins, operation, handler)
            for route, (operation, handler) in sorted(
                function_of(module).routes.items(), key=lambda declared: order.index(declared[0])
            )
        ]
        yield Owner(folder, name, module, routes)


def function_of(module: ModuleType) -> Function:
    """The function whose `handler` the module exports."""
    function: Function = module.handler.__self__
    return function


def _routes(bundle: Bundle, function: str) -> list[str]:
    """The routes that the template gives a function."""
    events = [event for event in bundle.template.properties(function)["Events"].values() if event["Type"] == "HttpApi"]
    return [f"{event['Properties']['Method']} {event['Properties']['Path']}" for event in events]


def _event(route: str, events: Mapping[str, str]) -> str:
    if route not in events:
        raise LookupError(f"no file in events/ has the routeKey {route!r}: add one")
    return events[route]
