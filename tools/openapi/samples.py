"""Real requests and responses for the contract: every event, and the failures that are quick to provoke."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NoReturn
from urllib.parse import parse_qs, quote

import requests

from local.bundle import Bundle
from local.twins.twin import Fault
from tools.openapi.schemas import Json
from tools.operations import Declared

GIVEN = {"ODYSSEY_SLOTS_PER_CALLER": "1"}
"""The bundle's settings for the samples. With them, the second session of a caller is over the limit."""

UPLOAD = {"path.sessionId": "/uploadSessionId"}
FILE = UPLOAD | {"path.uploadId": "/files/0/uploadId"}

FOLLOWS: dict[str, tuple[str, Mapping[str, str]]] = {
    "convai-extend": ("convai-mint", {"apiAuthToken": "/apiAuthToken"}),
    "convai-revoke": ("convai-mint", {"apiAuthToken": "/apiAuthToken"}),
    "odyssey-release": ("odyssey-mint", {"session_id": "/session_id"}),
    "odyssey-watch": ("odyssey-register", {"path.id": "/id"}),
    "odyssey-end": ("odyssey-register", {"path.id": "/id"}),
    "spatialgen-streams": ("spatialgen-videos", {"path.id": "/videos/0/library/id"}),
    "spatialgen-part-urls": ("spatialgen-start", FILE),
    "spatialgen-complete": ("spatialgen-start", FILE),
    "spatialgen-cancel": ("spatialgen-start", UPLOAD),
    "spatialgen-cancel-post": ("spatialgen-start", UPLOAD),
}
"""Operations that continue with another one's response: members of the path or the body, and their places in the response."""

PART_BYTES = 5 * 1024 * 1024
"""Of a part of an upload. Only the last part may be smaller at S3."""


class Sample(NamedTuple):
    """One request and its response. `parameters`: of the path and of the query."""

    parameters: Json
    body: Any
    answer: Any


class Samples(NamedTuple):
    """seen: by operation. problems: by code. messages: of API Gateway itself, by status."""

    seen: Mapping[str, Sample]
    problems: Mapping[str, Json]
    messages: Mapping[int, Json]


class Provoked(NamedTuple):
    """A request that fails: because of its content, of the request `before` it, or of a fault of the vendor."""

    name: str
    body: Any = None
    sub: str = "alice"
    headers: Mapping[str, str] = {}
    fault: Fault | None = None
    before: str = ""


PROVOKED = {
    "invalid_request": Provoked("convai-mint", {"ttl_seconds": 60}),
    "unauthenticated": Provoked("convai-mint", sub="Zoë"),
    "not_allowed": Provoked("trulience-mint", {"avatar_id": "another-teams-avatar"}),
    "not_found": Provoked("convai-extend", {"apiAuthToken": "a token that another caller has minted"}),
    "not_revocable": Provoked("trulience-revoke", {"jwt": "a credential that is out"}),
    "body_too_large": Provoked("convai-extend", {"apiAuthToken": "x" * 20_000}),
    "not_json": Provoked("convai-mint", "ttl_seconds=60", headers={"Content-Type": "text/plain"}),
    "quota_exceeded": Provoked("odyssey-mint", headers={"Idempotency-Key": "another"}, before="odyssey-mint"),
    "vendor_error": Provoked("convai-mint", fault=Fault(status=418)),
    "vendor_malformed": Provoked("convai-mint", fault=Fault(body="<html>")),
    "vendor_busy": Provoked("convai-mint", fault=Fault(status=429, headers={"Retry-After": "30"})),
    "no_capacity": Provoked(
        "odyssey-mint", sub="bob", fault=Fault("/sessions", status=429, body={"error": "CONCURRENT_LIMIT_REACHED"})
    ),
    "vendor_key_rejected": Provoked("trulience-mint", {"avatar_id": "4386676996480451678"}, fault=Fault(status=401)),
}
"""The requests by the code of their problem. Other codes need a silent vendor, a race or an outage of AWS."""


def samples(bundle: Bundle, routes: Iterable[Declared]) -> Samples:
    """Calls every operation once, in the order of `routes`. Raises ValueError for a response that is not as declared."""
    vars(bundle.twins["spatialgen"])["part_bytes"] = PART_BYTES
    with requests.Session() as session:
        session.trust_env = False
        client = Client(bundle, session)
        seen: dict[str, Sample] = {}
        for declared in routes:
            seen[declared.name] = client.sample(declared, seen)
        problems = {code: client.problem(code, provoked) for code, provoked in PROVOKED.items()}
        return Samples(seen, problems, client.messages())


class Client:
    """A caller of the bundle."""

    def __init__(self, bundle: Bundle, session: requests.Session) -> None:
        self._bundle, self._session = bundle, session

    def ask(self, name: str, path: Json, sub: str = "alice", **options: Any) -> requests.Response:
        """Sends a request to an operation. `options` are those of `requests`."""
        method, _, route = self._bundle.event(name)["routeKey"].partition(" ")
        url = self._bundle.url + route.format(**{field: quote(str(value), safe="") for field, value in path.items()})
        headers = {"Authorization": f"Bearer {self._bundle.token(sub)}"} | options.pop("headers", {})
        return self._session.request(method, url, headers=headers, timeout=30, **options)

    def sample(self, declared: Declared, seen: Mapping[str, Sample]) -> Sample:
        """Sends an operation's event, with the values that it takes from earlier responses."""
        event = self._bundle.event(declared.name)
        path, query = event.get("pathParameters", {}), _query(event)
        body: Any = json.loads(event["body"]) if "body" in event else None
        for field, value in self._earlier(declared.name, seen).items():
            (path if field.startswith("path.") else body)[field.removeprefix("path.")] = value
        response = self.ask(declared.name, path, params=query, json=body)
        answer = response.json() if response.content else None
        if declared.answer is not NoReturn and response.status_code != declared.operation.status:
            raise ValueError(f"{declared.name}: {response.status_code} {answer}")
        return Sample(path | query, body, answer)

    def _earlier(self, name: str, seen: Mapping[str, Sample]) -> Json:
        first, fields = FOLLOWS.get(name, ("", {}))
        found = {field: at(seen[first].answer, pointer) for field, pointer in fields.items()}
        return found | ({"parts": self._put(seen["spatialgen-part-urls"])} if name == "spatialgen-complete" else {})

    def _put(self, signed: Sample) -> list[Json]:
        """Uploads each part to its URL, as a client does before it completes a file."""
        parts = signed.answer["parts"]
        etags = [self._session.put(part["url"], data=bytes(part["sizeBytes"])).headers["ETag"] for part in parts]
        return [{"partNumber": part["partNumber"], "etag": etag} for part, etag in zip(parts, etags, strict=True)]

    def problem(self, code: str, provoked: Provoked) -> Json:
        """The problem of a request that fails. Raises ValueError for another code."""
        twin = self._bundle.twins[provoked.name.partition("-")[0]]
        if provoked.fault:
            twin.fault(provoked.fault)
        if provoked.before:
            self.ask(provoked.before, {}, provoked.sub)
        sent = {"data": provoked.body} if isinstance(provoked.body, str) else {"json": provoked.body}
        problem: Json = self.ask(provoked.name, {}, provoked.sub, headers=provoked.headers, **sent).json()
        if provoked.fault:
            twin.reset()
        if problem.get("code") != code:
            raise ValueError(f"{code}: {problem}")
        return problem

    def messages(self) -> dict[int, Json]:
        """The responses of API Gateway itself that need no load."""
        unsigned = self.ask("convai-mint", {}, headers={"Authorization": ""})
        unknown = self._session.get(f"{self._bundle.url}/v1/unknown", timeout=30)
        return {answer.status_code: answer.json() for answer in (unsigned, unknown)}


def _query(event: Json) -> Json:
    """A parameter that occurs twice is a list."""
    given = parse_qs(event.get("rawQueryString", ""))
    return {field: values if len(values) > 1 else values[0] for field, values in given.items()}


def at(answer: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901) without escapes."""
    for part in pointer.split("/")[1:]:
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer
