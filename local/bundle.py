"""The whole bundle on one machine: gateway, sign-in, vendors' twins, Secrets Manager and DynamoDB, all in this process."""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from local import aws, parameters
from local.cors import Cors
from local.functions import ROOT, Function, Handler, load
from local.gateway import Gateway
from local.hosts import Hosts
from local.issuer import Issuer
from local.routes import Routes, api_of, routes_of
from local.seed import seed
from local.server import Server
from local.template import Template, read
from local.twins import TWINS

if TYPE_CHECKING:
    from local.twins.twin import Twin

AS_IT_IS: Any = object()


class Bundle:
    """A context manager; everything below is there once it is entered.

    root: where template.yaml, functions/ and events/ are.
    port: the gateway's; 0 takes any free one. Raises OSError if it is taken.
    stand_ins: where AWS and the vendors listen.
    given: environment variables that win over the functions' own. A vendor whose URL is given gets no twin, and a given
      AWS_ENDPOINT_URL is used instead of moto.
    stack: the CloudFormation stack's name, unique unless it is given: all bundles of a process share moto's memory.
    """

    def __init__(  # noqa: PLR0913 - each has a default, and is given by name
        self,
        root: Path = ROOT,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        stand_ins: str = "127.0.0.1",
        given: Mapping[str, str] | None = None,
        stack: str = "",
    ) -> None:
        self._root, self._host, self._port, self._stand_ins = root, host, port, stand_ins
        self._given = {name: value for name, value in (given or {}).items() if value}
        self._stack_name = stack or f"local-{uuid.uuid4().hex[:8]}"
        self.twins: dict[str, Twin] = {}

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self._start(exits)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def token(self, sub: str = "local-user", **claims: Any) -> str:
        """A caller's JWT; None takes a claim away."""
        return self.issuer.token(sub, **claims)

    def environment(self, vendor: str) -> dict[str, str]:
        """What the vendor's function finds in its environment."""
        properties = self._properties(self._function_names[vendor])
        variables = {name: str(value) for name, value in properties["Environment"]["Variables"].items()}
        twin = self.twins[vendor].environment() if vendor in self.twins else {}
        wins = {name: value for name, value in self._given.items() if name in variables and name != "API_KEY_SECRET"}
        return self._aws_environment | variables | twin | wins

    def event(self, name: str, *, body: Any = AS_IT_IS, sub: str | None = None) -> dict[str, Any]:
        """events/<name>.json with another body (text, or anything else as JSON) and another caller."""
        event: dict[str, Any] = json.loads((self._root / "events" / f"{name}.json").read_bytes())
        if body is not AS_IT_IS:
            event |= {"body": body if isinstance(body, str) else json.dumps(body), "isBase64Encoded": False}
        if sub is not None:
            event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = sub
        return event

    def _start(self, exits: ExitStack) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's request log
        server = Server(self._host, self._port)  # first, so that a taken port is known at once
        exits.callback(server.stop)
        self.url = server.url
        self.issuer = Issuer(parameters.AUDIENCE)
        exits.callback(self.issuer.stop)
        self.issuer.start()
        self.template = self._read_template()
        self._start_aws(exits)
        self._start_twins(exits)
        server.start(self._gateway().answer)

    def _read_template(self) -> Template:
        document = read(self._root / "template.yaml")
        given = parameters.parameters(document, self.issuer.url)
        template = Template(document, given | {"AWS::StackName": self._stack_name})
        names = template.resources("AWS::Serverless::Function")
        self._function_names = {template.properties(name)["Handler"].partition(".")[0]: name for name in names}
        return template

    def _start_aws(self, exits: ExitStack) -> None:
        endpoint = self._given.get("AWS_ENDPOINT_URL") or aws.start(exits, self._stand_ins)
        held = {name: self._given.get(name, value) for name, value in aws.ACCOUNT.items()}
        self._aws_environment = held | {"AWS_ENDPOINT_URL": endpoint}
        self.aws = {
            "endpoint_url": endpoint,
            "region_name": held["AWS_DEFAULT_REGION"],
            "aws_access_key_id": held["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": held["AWS_SECRET_ACCESS_KEY"],
        }
        seed(self.template, self.aws)

    def _start_twins(self, exits: ExitStack) -> None:
        wanted = TWINS.keys() & self._function_names
        self.twins = {
            vendor: TWINS[vendor]() for vendor in sorted(wanted) if TWINS[vendor].url_variable not in self._given
        }
        exits.callback(_together, [twin.stop for twin in self.twins.values()])
        for twin in self.twins.values():
            twin.start(self._stand_ins)

    def _gateway(self) -> Gateway:
        self.functions = {vendor: self._function(vendor) for vendor in self._function_names}
        routes = routes_of(self.template, {function.name: function for function in self.functions.values()})
        cors = Cors(api_of(self.template).get("CorsConfiguration", {}))
        own = {"POST /_local/token": self.issuer.answer_token}
        return Gateway(Routes(routes), cors, own, hosts=Hosts(self._host))

    def _function(self, vendor: str) -> Function:
        name = self._function_names[vendor]
        properties = self._properties(name)
        handler: Handler = load(vendor, self.environment(vendor), self._root)
        return Function(name, handler, float(properties["Timeout"]), int(properties["MemorySize"]))

    def _properties(self, name: str) -> dict[str, Any]:
        """A function's properties over SAM's Globals, as far as they matter here, resolved."""
        shared, own = self.template.globals("Function"), self.template.properties(name)
        variables = [part.get("Environment", {}).get("Variables", {}) for part in (shared, own)]
        environment = {"Variables": variables[0] | variables[1]}
        wanted = {"Timeout": 3, "MemorySize": 128} | shared | own | {"Environment": environment}
        properties: dict[str, Any] = self.template.resolve(
            {member: wanted[member] for member in ("Timeout", "MemorySize", "Environment")}
        )
        return properties


def _together(stops: list[Callable[[], None]]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda stop: stop(), stops))
