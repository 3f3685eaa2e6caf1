"""The routes of the template's HTTP API: their functions, and who may call them."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import unquote

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from local.authorizer import Authorizer
from local.functions import Function
from local.template import Template

STAGE = "/$default"
"""Stands before every path, because werkzeug drops slashes at the start of a path and API Gateway does not."""


class Route(NamedTuple):
    """`path` is the template's, such as `/v1/videos/{id}`. `authorizer` is None on an open route."""

    method: str
    path: str
    function: Function
    authorizer: Authorizer | None

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"


class Match(NamedTuple):
    """`path_parameters` are decoded."""

    route: Route
    path_parameters: dict[str, str]


class Routes:
    """Finds routes as API Gateway does: a plain segment wins over `{name}`, that over `{name+}`, and a method over ANY."""

    def __init__(self, routes: Iterable[Route]) -> None:
        ordered = sorted(routes, key=lambda route: route.method == "ANY")  # of rules with one path, the first wins
        self._keys = [route.key for route in ordered]
        self._urls = Map(map(_rule, ordered), merge_slashes=False).bind("")

    def find(self, method: str, path: str) -> Match | None:
        """The route of a request. `path` is as sent, still percent-encoded."""
        try:
            route, found = self._urls.match(STAGE + path, method)
        except HTTPException:  # an unknown path, or an unknown method: API Gateway has one answer for both
            return None
        return Match(route, {name: unquote(value) for name, value in found.items()})

    def nearest(self, method: str, path: str) -> str:
        """Why a request has no route. API Gateway says `Not Found` both for an unknown path and for a wrong method."""
        methods = sorted(self._urls.allowed_methods(STAGE + path))
        if methods:
            return f"this path takes {' and '.join(methods)}, not {method}"
        near = get_close_matches(f"{method} {path}", self._keys, 1)
        return f"no such route; the nearest is {near[0]}" if near else "no such route"


def _rule(route: Route) -> Rule:
    path = re.sub(r"{(\w+)\+}", r"<path:\1>", route.path)
    path = re.sub(r"{(\w+)}", r"<\1>", path)
    rule = Rule(STAGE + path, methods=None if route.method == "ANY" else [route.method], endpoint=route)
    if rule.methods and route.method != "HEAD":
        rule.methods.discard("HEAD")  # werkzeug adds it to GET, and API Gateway does not
    return rule


def api_of(template: Template) -> dict[str, Any]:
    """The properties of the bundle's one HTTP API, resolved, over SAM's Globals."""
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
    """The authorizers by name. None is for a route that names none, "NONE" for an open route."""
    named = {
        name: Authorizer(**made["JwtConfiguration"], scopes=made.get("AuthorizationScopes"))
        for name, made in auth.get("Authorizers", {}).items()
    }
    return {**named, None: named.get(auth.get("DefaultAuthorizer", "")), "NONE": None}


def _route(properties: dict[str, Any], function: Function, authorizers: Authorizers) -> Route:
    authorizer = authorizers[properties.get("Auth", {}).get("Authorizer")]
    return Route(properties["Method"].upper(), properties["Path"], function, authorizer)
