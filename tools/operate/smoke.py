"""`smoke`: mints once from each deployed vendor, as an app does, and says what to fix."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import requests

from tools.operate import asking
from tools.operate.samples import mint_body
from tools.operate.stack import Stack, StackError

SECONDS = 35
"""API Gateway answers within 30 s."""

VIDEOS = "GET /v1/spatialgen/videos?limit=1"
"""SpatialGen's mint asks nobody and is off by default. This read shows that its key works."""

WORKS, FAILED, UNTRIED = "ok", "FAILED", "not tried"
"""The results. UNTRIED: the deployment offers nothing that could be tried without harm."""

FIXES = {
    "vendor_key_rejected": "put a good key: make set-key VENDOR={vendor} STAGE={stage}",
    "not_configured": "put a key: make set-key VENDOR={vendor} STAGE={stage}; the log record has more",
    "vendor_stopped": "if it may mint again: make resume VENDOR={vendor} STAGE={stage}",
    "not_allowed": "this caller or value is not allowed: docs/errors.md#not_allowed",
}
"""What the operator does about a code. docs/errors.md says it for the others."""


class Answer(NamedTuple):
    """body: {} where there is no JSON object."""

    status: int
    body: Mapping[str, Any]


class Result(NamedTuple):
    """One line of the report. mark: WORKS, FAILED or UNTRIED."""

    vendor: str
    mark: str
    text: str


class Api:
    """The stack's API, as one caller sees it."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, route: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Sends a request to `METHOD /path`. Raises RequestException."""
        method, path = route.split()
        answer = self._session.request(method, self._url + path, json=body, timeout=SECONDS, allow_redirects=False)
        try:
            decoded = answer.json()
        except ValueError:
            decoded = None
        return Answer(answer.status_code, decoded if isinstance(decoded, dict) else {})


def smoke(stack: Stack) -> bool:
    """Prints a line for each vendor. Returns whether all of them work. Raises StackError if the API refuses the JWT."""
    api = Api(stack.api, asking.hidden("JWT of a caller"))
    results = [PROBES.get(offer["vendor"], _mint)(api, offer, stack.stage) for offer in _offers(api)]
    for vendor, mark, text in results:
        print(f"{vendor:11} {mark:10} {text}")
    return all(result.mark != FAILED for result in results)


def _offers(api: Api) -> list[Mapping[str, Any]]:
    answer = api.ask("GET /v1/vendors")
    if answer.status != 200:
        raise StackError(_refused(answer))
    offers: list[Mapping[str, Any]] = answer.body["vendors"]
    return offers


def _refused(answer: Answer) -> str:
    if answer.status in {401, 403}:
        why = (
            answer.body.get("detail")
            or "It has expired, or its issuer, audience or scope is another one than the stack's."
        )
        return f"The API refuses this JWT with status {answer.status}. {why} docs/errors.md#errors-from-api-gateway"
    return f"GET /v1/vendors answered with status {answer.status}. docs/errors.md says what that means."


def _mint(api: Api, offer: Mapping[str, Any], stage: str) -> Result:
    route = offer["mint"][0]
    body = mint_body(offer["choices"], offer["public"])
    answer = api.ask(route, body)
    if answer.status == 201:
        _release(api, offer, route, answer)
        return Result(offer["vendor"], WORKS, _lifetime(answer))
    if untried := list(_without_value(offer, answer)):
        return Result(offer["vendor"], UNTRIED, f"the list of {', '.join(untried)} names no value")
    return Result(offer["vendor"], FAILED, _problem(offer["vendor"], answer, stage))


def _release(api: Api, offer: Mapping[str, Any], route: str, answer: Answer) -> None:
    """Frees the slot that the mint took."""
    if offer["takes_slot"]:
        api.ask(f"{route}/release", {"session_id": answer.body["session_id"]})


def _lifetime(answer: Answer) -> str:
    seconds = answer.body["mint"]["expires_in"]
    return "minted; the vendor does not tell the lifetime" if seconds is None else f"minted, valid for {seconds} s"


def _without_value(offer: Mapping[str, Any], answer: Answer) -> Iterator[str]:
    """The fields that the vendor needs and whose lists name no value."""
    if answer.body.get("code") == "invalid_request":
        wrong = {error["field"] for error in answer.body.get("errors", [])}
        yield from (field for field, listed in offer["choices"].items() if field in wrong and not set(listed) - {"*"})


def _problem(vendor: str, answer: Answer, stage: str) -> str:
    """The code, whose turn it is, and what to do."""
    code = answer.body.get("code", "")
    if not code:
        return f"status {answer.status} from API Gateway: docs/errors.md#errors-from-api-gateway"
    fix = FIXES.get(code, f"docs/errors.md#{code}").format(vendor=vendor, stage=stage)
    turn = answer.body["fault"]
    return f"{code} (the {turn} must act): {answer.body['detail']} -> {fix}"


def _read(api: Api, offer: Mapping[str, Any], stage: str) -> Result:
    """SpatialGen: reads a list or, if no folder may be read, leases the key. A deployment may offer neither."""
    answer = api.ask(VIDEOS)
    if answer.status == 200:
        return Result(offer["vendor"], WORKS, "its list can be read")
    if answer.body.get("code") != "not_allowed":
        return Result(offer["vendor"], FAILED, _problem(offer["vendor"], answer, stage))
    leased = _mint(api, offer, stage)
    if leased.mark == FAILED and leased.text.startswith("not_allowed"):
        return Result(offer["vendor"], UNTRIED, "it offers uploads alone, and an upload is not harmless")
    return leased


PROBES: Mapping[str, Callable[[Api, Mapping[str, Any], str], Result]] = {"spatialgen": _read}
"""The harmless request of a vendor whose mint says nothing about its key."""
