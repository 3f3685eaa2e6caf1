"""Real requests and answers, to show in the contract: every event through the gateway, and failures that are quick to provoke."""

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
"""What a bundle is told whose samples are taken: with it, the second session of a caller is one too many."""

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
"""What goes on with another operation's answer: members of the path or of the body, and where in the answer they are."""

PART_BYTES = 5 * 1024 * 1024
"""Of an upload; S3 takes no smaller ones but the last."""


class Sample(NamedTuple):
    """One request, as the client says it, and its answer. `parameters` are those of the path and of the query."""

    parameters: Json
    body: Any
    answer: Any


class Samples(NamedTuple):
    """By operation; failures by code; API Gateway's own words by status."""

    seen: Mapping[str, Sample]
    problems: Mapping[str, Json]
    messages: Mapping[int, Json]


class Provoked(NamedTuple):
    """A request that fails, because of what is in it, of another one `before` it, or of a fault of the vendor's."""

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
"""By the code that they are answered with. The rest would take a vendor's silence, a race, or an outage of AWS."""


def samples(bundle: Bundle, routes: Iterable[Declared]) -> Samples:
    """Asks everything once, in the order in which it is declared. Raises ValueError for an answer that is not as declared."""
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
        """Sends a request to an operation; `options` are those of `requests`."""
        method, _, route = self._bundle.event(name)["routeKey"].partition(" ")
        url = self._bundle.url + route.format(**{field: quote(str(value), safe="") for field, value in path.items()})
        headers = {"Authorization": f"Bearer {self._bundle.token(sub)}"} | options.pop("headers", {})
        return self._session.request(method, url, headers=headers, timeout=30, **options)

    def sample(self, declared: Declared, seen: Mapping[str, Sample]) -> Sample:
        """An operation's event, with what it takes from earlier answers."""
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
        """What a client does before it completes a file: the bytes of each part go to its URL."""
        parts = signed.answer["parts"]
        etags = [self._session.put(part["url"], data=bytes(part["sizeBytes"])).headers["ETag"] for part in parts]
        return [{"partNumber": part["partNumber"], "etag": etag} for part, etag in zip(parts, etags, strict=True)]

    def problem(self, code: str, provoked: Provoked) -> Json:
        """A failure's answer."""
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
        """Of API Gateway's own answers, those that need no load."""
        unsigned = self.ask("convai-mint", {}, headers={"Authorization": ""})
        unknown = self._session.get(f"{self._bundle.url}/v1/unknown", timeout=30)
        return {answer.status_code: answer.json() for answer in (unsigned, unknown)}


def _query(event: Json) -> Json:
    """A parameter that is there twice is a list."""
    given = parse_qs(event.get("rawQueryString", ""))
    return {field: values if len(values) > 1 else values[0] for field, values in given.items()}


def at(answer: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901; no escapes) leads to."""
    for part in pointer.split("/")[1:]:
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer
