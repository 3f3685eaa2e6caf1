"""The base of every vendor's twin: its web app, clock, faults and calls, and the `/_twin` routes that control it."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, NamedTuple

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from local.server import Server
from local.twins.wire import BEGAN, FAULTS, NO_FAULT, Fault, TwinConnection

__all__ = ["Call", "Fault", "MintCall", "Routes", "Twin"]

Routes = Mapping[str, Callable[..., ResponseReturnValue]]
CONTROL = "/_twin/"
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}


@dataclass(frozen=True)
class Call:
    """A request that the twin got. headers: the names in lower case. connection: the client's port.

    status: None if the twin sent no answer. answer: the whole body, before a fault damaged it.
    at: when it came, in Unix seconds. seconds: from then to the answer.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    connection: int
    status: int | None
    answer: bytes
    at: float
    seconds: float


class MintCall(NamedTuple):
    """A call that a mint makes. token: the field of the answer that a mint needs.

    header: the name of the header with the key, in lower case. "" if the key is in the body.
    """

    path: str
    token: str
    header: str


class Twin:
    """One vendor, as its page in docs/vendors describes it. A setting is an attribute. `reset` restores its default.

    Requests run one at a time under `lock`, so routes need no locks. They take microseconds, and delays are outside the lock.
    mint_calls: the calls of a mint to this vendor, in order. local_key: an API key that is valid after a reset.
    parameters: of template.yaml, so that mints on this machine name resources that the vendor has.
    web_paths: where the vendor's web client calls. Pages of any origin may (A: all vendors with such a client allow that).
    listeners: called with each call, and with the fault that it met.
    skew: seconds that this vendor's clock is ahead. omit: a top-level field that the vendor's JSON answers lack.
    """

    vendor: ClassVar[str]
    url_variable: ClassVar[str]
    mint_calls: ClassVar[tuple[MintCall, ...]]
    local_key: ClassVar[str]
    parameters: ClassVar[Mapping[str, str]] = {}
    base_path: ClassVar[str] = ""
    web_paths: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ()
    skew: float = 0.0
    omit: str = ""
    keys: dict[str, Any]

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.calls: list[Call] = []
        self.listeners: list[Callable[[Call, Fault | None], None]] = []
        self._faults: list[Fault] = []
        self._hits: dict[str, list[float]] = {}
        self._server: Server | None = None
        self.app = self._build_app()
        self.reset()

    # Each vendor defines these

    def seed(self) -> None:
        """Sets `keys` and all state to those of a fresh vendor."""
        raise NotImplementedError

    def routes(self) -> Routes:
        """The functions that answer, by 'METHOD /rule'. Rules have Flask's syntax. WEBSOCKET is for a handshake."""
        raise NotImplementedError

    @classmethod
    def secret(cls) -> dict[str, Any]:
        """The value of the vendor's secret, as an operator would set it."""
        return {"api_key": cls.local_key}

    def carried_key(self) -> str:
        """The API key in the current request, or the token that the vendor gave for it. '' if there is none."""
        raise NotImplementedError

    def refuse_route(self, status: int) -> ResponseReturnValue:
        """The vendor's answer to an unknown path (404) or method (405)."""
        raise NotImplementedError

    # Starting and stopping

    def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = Server(host, port, connection=TwinConnection)
        self._server.start(self)

    def stop(self) -> None:
        """Also closes open connections and ends waiting faults. A later start may use the same port."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def hang_up(self) -> None:
        """Closes the connections that clients keep open, as a vendor does with idle ones."""
        self._running().hang_up()

    @property
    def url(self) -> str:
        return self._running().url

    @property
    def base_url(self) -> str:
        """The value of the vendor's environment variable."""
        return self.url + self.base_path

    def environment(self) -> dict[str, str]:
        """The environment variables with which a function calls this twin."""
        return {self.url_variable: self.base_url}

    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError(f"the {self.vendor} twin is not running")
        return self._server

    # State

    def now(self) -> float:
        """Unix seconds on this vendor's clock."""
        return time.time() + self.skew

    def fault(self, fault: Fault) -> None:
        with self.lock:
            self._faults.append(fault)

    @property
    def faults(self) -> list[Fault]:
        """Those that wait for a request."""
        with self.lock:
            return list(self._faults)

    def end(self, *faults: Fault) -> None:
        """Forgets these faults."""
        with self.lock:
            self._faults = [fault for fault in self._faults if fault not in faults]

    def issue_key(self, like: str) -> str:
        """A new key with the rights of `like`, which keeps working."""
        with self.lock:
            new = f"{self.local_key}-{secrets.token_hex(8)}"
            self.keys[new] = self.keys[like]
            return new

    def drop_key(self, key: str) -> None:
        """The key stops working at once."""
        with self.lock:
            self.keys.pop(key, None)

    def reset(self) -> None:
        """Restores settings, state and clock, and forgets faults and calls."""
        with self.lock:
            for name in self._setting_names():
                vars(self).pop(name, None)
            self._faults.clear()
            self.calls.clear()
            self._hits.clear()
            self.seed()

    def seconds_over_rate(self, who: str, per_minute: int) -> float:
        """0.0 if the call is allowed, which counts it. Otherwise the seconds until `who` may call again.

        per_minute: 0 is no limit.
        """
        now = self.now()
        recent = self._hits[who] = [hit for hit in self._hits.get(who, []) if hit > now - 60]
        if per_minute and len(recent) >= per_minute:
            return recent[0] + 60 - now
        recent.append(now)
        return 0.0

    def body(self) -> dict[str, Any] | None:
        """The request's JSON object. None if the body is anything else, or is not sent as application/json."""
        sent = request.get_json(silent=True)
        return sent if isinstance(sent, dict) else None

    # The app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        with self.lock:
            return self.app(environ, start_response)

    def _build_app(self) -> Flask:
        app = Flask(__name__, static_folder=None)
        app.url_map.merge_slashes = False
        for route, answer in {**self._control_routes(), **self.routes()}.items():
            method, rule = route.split()
            kind = {"websocket": True} if method == "WEBSOCKET" else {"methods": [method]}
            app.add_url_rule(rule, route, answer, provide_automatic_options=False, **kind)
        for status in (404, 405):
            app.register_error_handler(status, lambda error: self.refuse_route(error.code))
        app.before_request(self._answer_preflight)
        app.before_request(self._meet_fault)
        app.after_request(self._finish)
        return app

    def _answer_preflight(self) -> ResponseReturnValue | None:
        """A browser asks before a page of another origin calls."""
        return ("", 204) if request.method == "OPTIONS" and request.path in self.web_paths else None

    def _meet_fault(self) -> ResponseReturnValue | None:
        if request.path.startswith(CONTROL):
            return None
        fault = self._spend_fault(request.path)
        request.environ[FAULTS].append(fault)
        if fault.status is None and fault.body is None:
            return None
        return self._answer_of(fault)

    def _spend_fault(self, path: str) -> Fault:
        for place, fault in enumerate(self._faults):
            if path.startswith(fault.path):
                if fault.times is not None:
                    rest = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    self._faults[place : place + 1] = rest
                return fault
        return NO_FAULT

    def _answer_of(self, fault: Fault) -> Response:
        plain = fault.body is None or isinstance(fault.body, str)
        text = (fault.body or "") if plain else json.dumps(fault.body)
        content_type = "text/html; charset=utf-8" if plain else "application/json"
        return Response(str(text).replace("{key}", self.carried_key()), fault.status or 200, content_type=content_type)

    def _finish(self, response: Response) -> Response:
        if request.path in self.web_paths:
            response.headers.update(ANY_ORIGIN)
        if not request.environ[FAULTS]:  # a preflight, or a call that controls the twin
            return response
        fault: Fault = request.environ[FAULTS][0]
        response.headers.update(fault.headers)
        if self.omit and fault.status is None and fault.body is None:
            self._leave_out(response)
        call = self._record(response, fault)
        for listener in self.listeners:
            listener(call, None if fault is NO_FAULT else fault)
        return response

    def _leave_out(self, response: Response) -> None:
        answer = response.get_json(silent=True)
        if isinstance(answer, dict) and self.omit in answer:
            del answer[self.omit]
            response.set_data(json.dumps(answer))

    def _record(self, response: Response, fault: Fault) -> Call:
        headers = {name.lower(): value for name, value in request.headers.items()}
        port = int(request.environ["REMOTE_PORT"])
        query = request.query_string.decode("latin-1")
        sent = request.get_data()
        status = None if fault.mode == "drop" else response.status_code
        at = request.environ[BEGAN]
        seconds = time.time() - at + fault.delay
        call = Call(request.method, request.path, query, headers, sent, port, status, response.get_data(), at, seconds)
        self.calls.append(call)
        return call

    # Control over HTTP

    def _control_routes(self) -> Routes:
        return {
            "POST /_twin/faults": self._add_fault,
            "GET /_twin/calls": self._list_calls,
            "POST /_twin/reset": self._reset,
            "POST /_twin/settings": self._change_settings,
        }

    def _add_fault(self) -> ResponseReturnValue:
        try:
            self.fault(Fault(**(self.body() or {})))
        except TypeError as error:
            return {"error": str(error)}, 400
        return "", 204

    def _list_calls(self) -> ResponseReturnValue:
        return [asdict(call) | {"body": _text(call.body), "answer": _text(call.answer)} for call in self.calls]

    def _reset(self) -> ResponseReturnValue:
        self.reset()
        return "", 204

    def _change_settings(self) -> ResponseReturnValue:
        wanted = self.body() or {}
        wrong = [name for name, value in wanted.items() if not self._takes(name, value)]
        if wrong:
            return {"error": f"unknown setting, or a value of the wrong type: {', '.join(wrong)}"}, 400
        for name, value in wanted.items():
            setattr(self, name, value)
        return "", 204

    def _setting_names(self) -> tuple[str, ...]:
        return ("skew", "omit", *self.settings)

    def _takes(self, name: str, value: object) -> bool:
        if name not in self._setting_names():
            return False
        default = getattr(type(self), name)
        return type(value) is type(default) or (isinstance(default, float) and type(value) is int)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
