"""The whole bundle in this process: gateway, sign-in, functions, and stand-ins for AWS and the vendors."""

import json
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from werkzeug.wrappers import Request

from local import aws, parameters
from local.controls import Controls, keys
from local.cors import Cors
from local.faults import Faults
from local.functions import ROOT, Function, Handler, load
from local.gateway import MAX_BODY_BYTES, Gateway
from local.hosts import Hosts
from local.issuer import Issuer
from local.journal import Exchange, Journal
from local.leaks import Leaks
from local.limits import Limits
from local.page import Page
from local.routes import Routes, api_of, routes_of
from local.seed import seed
from local.server import Response, Server
from local.stack import Stack, stack_of
from local.stream import StreamingConnection
from local.template import Template, read
from local.twins import twins

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.twins.twin import Call, Fault, Twin

FUNCTIONS = "avatar-mint"
"""The User-Agent of the functions' calls. The page uses credentials at the stand-ins too."""

AS_IT_IS: Any = object()
"""Stands for the body of the sample event."""


class Bundle:
    """A context manager. The attributes exist after it is entered.

    root: the folder of template.yaml, functions/ and events/.
    host, port: of the gateway. 0 takes a free port. Raises OSError if the port is taken.
    stand_ins: the host of the stand-ins for AWS and the vendors.
    given: environment variables that win over the template's. A vendor whose URL or key (`CONVAI_API_KEY`) is given gets no
      twin. A given AWS_ENDPOINT_URL replaces moto.
    stack: the name of the CloudFormation stack. The default is unique, because all bundles of a process share moto's memory.
    journal: gets every request that the gateway answers.
    """

    def __init__(  # noqa: PLR0913 - each has a default and is passed by name
        self,
        root: Path = ROOT,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        stand_ins: str = "127.0.0.1",
        given: Mapping[str, str] | None = None,
        stack: str = "",
        journal: Journal | None = None,
    ) -> None:
        self._root, self._host, self._port, self._stand_ins = root, host, port, stand_ins
        self._given = {name: value for name, value in (given or {}).items() if value}
        self.journal = journal or Journal()
        self._stack_name = stack or f"local-{uuid.uuid4().hex[:8]}"
        self.twins: dict[str, Twin] = {}
        self.replaced: dict[str, str] = {}
        self._stacks: dict[str, Stack] = {}

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self._start(exits)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def token(self, sub: str = "local-user", **claims: Any) -> str:
        """A caller's JWT. A claim that is None is removed."""
        return self.issuer.token(sub, **claims)

    def environment(self, vendor: str) -> dict[str, str]:
        """The environment variables of the vendor's function."""
        properties = self._properties(self._function_names[vendor])
        variables = {name: str(value) for name, value in properties["Environment"]["Variables"].items()}
        twin = self.twins[vendor].environment() if vendor in self.twins else {}
        wins = {name: value for name, value in self._given.items() if name in variables and name != "API_KEY_SECRET"}
        return self._aws_environment | variables | twin | wins

    def event(self, name: str, *, body: Any = AS_IT_IS, sub: str | None = None) -> dict[str, Any]:
        """events/<name>.json, with another body (a string as it is, anything else as JSON) or another caller."""
        event: dict[str, Any] = json.loads((self._root / "events" / f"{name}.json").read_bytes())
        if body is not AS_IT_IS:
            event |= {"body": body if isinstance(body, str) else json.dumps(body), "isBase64Encoded": False}
        if sub is not None:
            event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = sub
        return event

    def _start(self, exits: ExitStack) -> None:
        # first, to see at once if the port is taken
        server = Server(
            self._host, self._port, connection=StreamingConnection, max_body=MAX_BODY_BYTES, refused=self._refused
        )
        exits.callback(server.server_close)
        self.url = server.url
        self.issuer = Issuer(parameters.AUDIENCE)
        self.issuer.start()
        exits.callback(self.issuer.stop)
        self.template = self._read_template()
        self._start_aws(exits)
        self._start_twins(exits)
        urls = {name: url for twin in self.twins.values() for name, url in twin.environment().items()}
        self._stacks[self._stack_name] = stack_of(self.template, self._parameters, urls, self.url)
        self._api, self._leaks = self._gateway(), Leaks(lambda: [*keys(self.twins), *self._real_keys.values()])
        self._page = Page(server.port, self.journal, self._leaks, self._controls().calls())
        server.start(Request.application(self._answer))
        exits.callback(server.stop)

    def _answer(self, request: Request) -> Response:
        response = self._page.answer(request) or self._api.answer(request)
        if request.headers.get("sec-fetch-site") == "same-origin":
            self._leaks.scan(response.get_data())
        return response

    def _controls(self) -> Controls:
        environments = {vendor: self.environment(vendor) for vendor in self.functions}
        limited = {vendor: variables for vendor, variables in environments.items() if "LIMITS_TABLE" in variables}
        tables = {variables["LIMITS_TABLE"] for variables in limited.values()}
        secrets = {vendor: variables.get("API_KEY_SECRET", "") for vendor, variables in environments.items()}
        limits = Limits(next(iter(tables), ""), self.issuer.url, self.aws)
        faults = Faults(self.twins, secrets, self.aws)
        return Controls(self.twins, list(limited), self.environment, faults, limits, self._leaks)

    def _read_template(self) -> Template:
        document = read(self._root / "template.yaml")
        given = parameters.parameters(document, self.issuer.url, self._given.get("ORIGINS"))
        self._parameters = given
        template = Template(document, given | {"AWS::StackName": self._stack_name})
        names = template.resources("AWS::Serverless::Function")
        self._function_names = {template.properties(name)["Handler"].partition(".")[0]: name for name in names}
        return template

    def _start_aws(self, exits: ExitStack) -> None:
        endpoint = self._given.get("AWS_ENDPOINT_URL") or exits.enter_context(
            aws.running(self._stand_ins, self._stacks)
        )
        held = {name: self._given.get(name, value) for name, value in aws.ACCOUNT.items()}
        self._aws_environment = held | {"AWS_ENDPOINT_URL": endpoint}
        self.aws = {
            "endpoint_url": endpoint,
            "region_name": held["AWS_DEFAULT_REGION"],
            "aws_access_key_id": held["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": held["AWS_SECRET_ACCESS_KEY"],
        }
        self._real_keys = {
            vendor: self._given[name]
            for vendor, kind in twins().items()
            if "api_key" in kind.secret() and (name := _key_variable(vendor)) in self._given
        }
        seed(self.template, self.aws, self._real_keys)

    def _start_twins(self, exits: ExitStack) -> None:
        kinds = {vendor: kind for vendor, kind in sorted(twins().items()) if vendor in self._function_names}
        self.replaced = {vendor: name for vendor, kind in kinds.items() if (name := self._replaced(vendor, kind))}
        self.twins = {vendor: kind() for vendor, kind in kinds.items() if vendor not in self.replaced}
        for number, vendor in enumerate(kinds, 1):  # a vendor without a twin counts, so the others keep their ports
            if twin := self.twins.get(vendor):
                twin.listeners.append(self._heard(vendor))
                self._start_twin(twin, self._port + number if self._port else 0)
                exits.callback(twin.stop)

    def _replaced(self, vendor: str, kind: "type[Twin]") -> str:
        """The given variable that calls another server than the twin. Empty if none does."""
        if kind.url_variable in self._given:
            return kind.url_variable
        return _key_variable(vendor) if vendor in self._real_keys else ""

    def _start_twin(self, twin: "Twin", port: int) -> None:
        """On `port`, so that it has the same address at each start; on a free one if that is taken."""
        try:
            twin.start(self._stand_ins, port)
        except (OSError, OverflowError):
            twin.start(self._stand_ins)

    def _heard(self, vendor: str) -> "Callable[[Call, Fault | None], None]":
        def heard(call: "Call", fault: "Fault | None") -> None:
            route, code = f"{call.method} {call.path}", "injected" if fault else ""
            ms = round(call.seconds * 1000, 1)
            exchange = Exchange(route, at=call.at, status=call.status or 0, code=code, ms=ms, vendor=vendor)
            self.journal.called(exchange, by_function=call.headers.get("user-agent") == FUNCTIONS)

        return heard

    def _gateway(self) -> Gateway:
        self.functions = {vendor: self._function(vendor) for vendor in self._function_names}
        routes = routes_of(self.template, {function.name: function for function in self.functions.values()})
        cors = Cors(api_of(self.template).get("CorsConfiguration", {}))
        own = {"POST /_local/token": self.issuer.answer_token, "GET /_local/stand-ins": self._answer_stand_ins}
        return Gateway(Routes(routes), cors, own, hosts=Hosts(self._host), journal=self.journal)

    def _answer_stand_ins(self, _request: Request) -> Response:
        """Vendor -> the address of its stand-in, for pages that call a vendor themselves."""
        urls = {vendor: twin.url for vendor, twin in self.twins.items()}
        return Response(json.dumps(urls), 200, [("content-type", "application/json")])

    def _refused(self, method: str, path: str, status: int, why: str) -> None:
        with self.journal.exchange(method, path) as exchange:
            exchange.status, exchange.code = status, why

    def _function(self, vendor: str) -> Function:
        name = self._function_names[vendor]
        properties = self._properties(name)
        handler: Handler = load(vendor, self.environment(vendor), self._root)
        return Function(name, handler, float(properties["Timeout"]), int(properties["MemorySize"]))

    def _properties(self, name: str) -> dict[str, Any]:
        """The properties of a function that count here, over SAM's Globals, resolved."""
        shared, own = self.template.globals("Function"), self.template.properties(name)
        variables = [part.get("Environment", {}).get("Variables", {}) for part in (shared, own)]
        environment = {"Variables": variables[0] | variables[1]}
        wanted = {"Timeout": 3, "MemorySize": 128} | shared | own | {"Environment": environment}
        properties: dict[str, Any] = self.template.resolve(
            {member: wanted[member] for member in ("Timeout", "MemorySize", "Environment")}
        )
        return properties


def _key_variable(vendor: str) -> str:
    """The variable of the shell in which a developer gives the vendor's real key."""
    return f"{vendor.upper()}_API_KEY"
