"""Which function answers which request, and who may ask, as the template's HttpApi events say."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from local.authorizer import Authorizer
from local.functions import Function
from local.server import Request
from local.template import Template


class Route(NamedTuple):
    """`authorizer` is None on an open route."""

    method: str
    path: str
    function: Function
    authorizer: Authorizer | None

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"


class Match(NamedTuple):
    route: Route
    path_parameters: dict[str, str]


class Routes:
    """API Gateway's choice: a plain segment before `{name}` before `{name+}`, a named method before ANY."""

    def __init__(self, routes: Iterable[Route]) -> None:
        ordered = sorted(
            routes, key=lambda route: ([_rank(part) for part in route.path.split("/")], route.method == "ANY")
        )
        self._patterns = [(route, _pattern(route.path)) for route in ordered]

    def find(self, request: Request) -> Match | None:
        for route, pattern in self._patterns:
            if route.method in {request.method, "ANY"} and (found := pattern.fullmatch(request.path)):
                return Match(route, {name: unquote(value) for name, value in found.groupdict().items()})
        return None


def api_of(template: Template) -> dict[str, Any]:
    """The one HTTP API of the bundle, resolved: its properties over SAM's Globals."""
    (name,) = template.resources("AWS::Serverless::HttpApi")
    api: dict[str, Any] = template.resolve(template.globals("HttpApi") | template.properties(name))
    return api


def routes_of(template: Template, functions: Mapping[str, Function]) -> list[Route]:
    """Every route of `functions`, which are given by logical id."""
    authorizers = _authorizers(api_of(template).get("Auth", {}))
    return [
        _route(template.resolve(event["Properties"]), function, authorizers)
        for name, function in functions.items()
        for event in template.properties(name).get("Events", {}).values()
        if event["Type"] == "HttpApi"
    ]


type Authorizers = dict[str | None, Authorizer | None]


def _authorizers(auth: dict[str, Any]) -> Authorizers:
    """By name; None for a route that names none, "NONE" for an open one."""
    named = {name: Authorizer(**made["JwtConfiguration"]) for name, made in auth.get("Authorizers", {}).items()}
    return {**named, None: named.get(auth.get("DefaultAuthorizer", "")), "NONE": None}


def _route(properties: dict[str, Any], function: Function, authorizers: Authorizers) -> Route:
    authorizer = authorizers[properties.get("Auth", {}).get("Authorizer")]
    return Route(properties["Method"].upper(), properties["Path"], function, authorizer)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\+?\})", path)
    return re.compile("".join(re.escape(part) if not part.startswith("{") else _group(part[1:-1]) for part in parts))


def _group(name: str) -> str:
    return f"(?P<{name[:-1]}>.+)" if name.endswith("+") else f"(?P<{name}>[^/]+)"


def _rank(part: str) -> int:
    if part.endswith("+}"):
        return 2
    return 1 if part.startswith("{") else 0
