"""Keys and tokens go where they are meant to go and nowhere else.

Every API key, caller's token and minted token is a canary here. Whatever happens, none is found in what a function writes
(standard output and error, log records of every library), nor in its answer but for the one field that is meant for it.
"""

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec
import pytest

from local.bundle import AS_IT_IS, Bundle
from local.functions import ROOT
from local.twins import twins
from local.twins.twin import Fault
from minting import aws
from minting.replies import Reply
from tests.conftest import client
from tests.functions.contract import Fresh
from tests.trust.unlimited import replies
from tests.trust.vendors import ALL, ASKED, Vendor, fields, operation
from tests.vendors import EVENTS

if TYPE_CHECKING:
    from tests.conftest import Function

type Drive = Callable[["Function", Vendor], None]

KEY, TOKEN, CALLER = "canary-key-5fe1c0", "canary-token-93bb27", "canary-caller-d04a6e"
TEXT = f"{KEY} {TOKEN} {{key}}"  # the twin puts in the key that it was sent
LIBRARIES = ("aws_lambda_powertools", "urllib3")


def _forms(plain: bytes) -> list[str]:
    """A text and the ways in which it may be hidden: base64 at each of its three places, hex, backwards."""
    shifted = [base64.b64encode(b"\0" * shift + plain).decode() for shift in range(3)]
    cut = [text[(shift * 8 + 5) // 6 : (shift + len(plain)) * 8 // 6] for shift, text in enumerate(shifted)]
    return [plain.decode(), plain.hex(), plain.decode()[::-1], *cut]


MARKS = (b"canary-", b"canary-".hex().encode(), b"007eJ")
"""What a canary is known by; Agora's certificate is in hexadecimal digits, and its tokens, packed, all begin alike."""

FORMS = [form for mark in MARKS for form in _forms(mark)]


def traces(text: str) -> list[str]:
    """Where canaries are in a text: a little of what is around each."""
    places = [text.find(form) for form in FORMS if form in text]
    return [text[max(0, place - 60) : place + 60] for place in places]


class Collector(logging.Handler):
    """Keeps every log record as text, with all that it carries."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts += [self.format(record), repr(vars(record))]


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What reaches a root logger at DEBUG."""
    root, collector = logging.getLogger(), Collector()
    collector.addFilter(lambda record: not record.name.startswith("botocore"))  # the tests' own client of AWS
    level = root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    yield collector.texts
    root.removeHandler(collector)
    root.setLevel(level)


@pytest.fixture
def talkative() -> Iterator[None]:
    """Every library's loggers at DEBUG, as somebody who looks for a fault sets them."""
    known = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in LIBRARIES]
    loggers = [logging.getLogger(name) for name in {*known, *LIBRARIES}]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries pass at once."""
    monkeypatch.setattr("urllib3.util.retry.Retry._sleep_backoff", lambda _: None)


class Replaced:
    """Stands in for Secrets Manager: gives `value`, or answers as a Reply does."""

    def __init__(self, value: object) -> None:
        self.value = value

    def call(self, *_: object) -> Any:
        return aws._answer(self.value) if isinstance(self.value, Reply) else {"SecretString": self.value}


def refusal(code: str, status: int) -> Reply:
    return Reply(status, {}, json.dumps({"__type": code, "Message": KEY, KEY: TOKEN}).encode())


def successes(made: "Function", vendor: Vendor) -> dict[str, dict[str, Any]]:
    """By path: what the vendor answers when a mint goes well, with the canary in the place of each of its tokens."""
    told = {path: dict(reply) for path, reply in replies(made._bundle, vendor).items()}
    for path, field in vendor.tokens.items():
        told[path][field] = canary_like(told[path][field])
    return told


def canary_like(token: str) -> str:
    """The canary; where the vendor's token is a JWT, that JWT with the canary for its signature."""
    return token.rpartition(".")[0] + f".{TOKEN}" if token.count(".") == 2 else TOKEN


def succeed(made: "Function", vendor: Vendor) -> None:
    for path, reply in successes(made, vendor).items():
        made.twin.fault(Fault(path=path, status=200, body=reply))


def meet(**fault: Any) -> Drive:
    """Every step of a mint in turn meets the fault, after those before it went well."""

    def drive(made: "Function", vendor: Vendor) -> None:
        for path in vendor.paths:
            renew(made)
            made.twin.fault(Fault(path=path, **fault))
            succeed(made, vendor)
            ask(made, vendor)

    return drive


def of_another_type(made: "Function", vendor: Vendor) -> None:
    for path, reply in successes(made, vendor).items():
        for field in reply:
            renew(made)
            made.twin.fault(Fault(path=path, status=200, body=reply | {field: {TEXT: [TEXT]}}))
            succeed(made, vendor)
            ask(made, vendor)


def crash(*faults: BaseException) -> Drive:
    """An exception in our own code, once the key and the token are at hand."""

    def drive(made: "Function", vendor: Vendor) -> None:
        for fault in faults:
            renew(made)
            succeed(made, vendor)

            def boom(*parts: object, fault: BaseException = fault) -> None:
                raise fault from ValueError(KEY, parts)

            with ExitStack() as patched:
                for module in made.modules:
                    if hasattr(module, "Credential"):
                        patched.enter_context(patch.object(module, "Credential", boom))
                assert ask(made, vendor) == 500

    return drive


def keep(*values: object) -> Drive:
    """What Secrets Manager holds or says is of no use."""

    def drive(made: "Function", vendor: Vendor) -> None:
        client = made.module.vendor._keyring._client
        for value in values:
            renew(made)
            made.module.vendor._keyring._held = None
            made.module.vendor._keyring._client = Replaced(value)
            ask(made, vendor)
        made.module.vendor._keyring._client = client

    return drive


def noted(fault: Exception) -> Exception:
    fault.add_note(TEXT)
    return fault


def mint(made: "Function", vendor: Vendor) -> None:
    renew(made)
    succeed(made, vendor)
    assert ask(made, vendor, timeout=25) == 201


def be_refused(made: "Function", vendor: Vendor) -> None:
    """Each of the body's fields in turn holds what does not fit or is not offered, and the request a field that there is not."""
    wrong = [vendor.body | {field: value} for field in fields(made, vendor.event) for value in ODD]
    met = {outcome(made, vendor, body) for body in [{"unknown": 1}, *wrong]}
    assert met & {400, 403}
    assert met <= {201, 400, 403}


def outcome(made: "Function", vendor: Vendor, body: Any) -> int:
    """The status of a mint whose vendor has nothing against it."""
    renew(made)
    succeed(made, vendor)
    return ask(made, vendor, body)


ODD: list[Any] = [5, True, "other", "bob", 1001, "", "*", [[]], {"a": []}, None]


ECHO = {
    "error": {"code": TEXT, "message": TEXT, TEXT: TEXT},
    "errors": [{"id": TEXT, "status": TEXT, "code": TEXT, "title": TEXT, "detail": TEXT}],
    "detail": {"error": TEXT, "code": TEXT, "message": TEXT, "details": {"retry_after_seconds": TEXT}},
    **dict.fromkeys(("ERROR", "API_ERROR", "message", "API key", "Reference ID", "sessionToken", "jwt"), TEXT),
}
HEADERS = {"X-Echo": KEY, "WWW-Authenticate": f'Bearer realm="{KEY}"', "Set-Cookie": f"key={KEY}", "Server": TOKEN}
STATUSES = [200, 201, 204, 400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 429, 500, 501, 502, 503, 504, 599]

ECHOED = [200, 400, 401, 403, 404, 429, 500, 503]
"""Of STATUSES, one for each way in which a reply is interpreted. The mints meet all of them in PATHS."""

PATHS: dict[str, Drive] = {
    "success": mint,
    "refused": be_refused,
    **{f"status {status}": meet(status=status, body=ECHO, headers=HEADERS) for status in STATUSES},
    **{
        f"text {status}": meet(status=status, body=f"<html>API key {TEXT}", headers=HEADERS)
        for status in (200, 401, 500)
    },
    "list": meet(status=400, body=[ECHO, TEXT]),
    **{
        f"redirect {status}": meet(status=status, headers={"Location": f"http://127.0.0.1:9/{KEY}?t={TOKEN}"})
        for status in (301, 302, 303, 307, 308)
    },
    "unreadable Retry-After": meet(status=503, headers={"Retry-After": KEY}),
    "unreadable encoding": meet(status=200, body=TEXT, headers={"Content-Encoding": "gzip"}),
    "unknown encoding": meet(status=200, body=TEXT, headers={"Content-Encoding": KEY}),
    "unreadable length": meet(status=200, body=TEXT, headers={"Transfer-Encoding": "chunked"}),
    "half a JSON": meet(status=200, body=f'{{"apiAuthToken": "{TEXT}'),
    "another type": of_another_type,
    "connection dropped": meet(mode="drop"),
    "answer cut": meet(mode="cut", status=200, body=ECHO),
    "answer late": meet(times=1, delay=1, status=200, body=ECHO),
    "exception": crash(
        RuntimeError(TEXT), KeyError(KEY), noted(OSError(5, KEY, KEY)), ExceptionGroup(KEY, [ValueError(KEY)])
    ),
    "undecodable": crash(UnicodeDecodeError("utf-8", KEY.encode(), 0, 1, KEY), json.JSONDecodeError(KEY, KEY, 0)),
    "secret of another form": keep(KEY, f'"{KEY}"', f'["{KEY}"]', f'{{"{KEY}": 1}}', f'{{"api_key": "{KEY} {KEY}"}}'),
    "secret of another kind": keep(
        *(
            f'{{"{field}": {{"key": "{KEY}"}}}}'
            for field in ("api_key", "readonly", "upload", "api_secret", "app_id", "app_certificate")
        )
    ),
    "secret that cannot sign": keep(
        f'{{"api_key": "{KEY}", "api_secret": "{KEY}"}}',
        f'{{"api_key": "{KEY}", "api_secret": ["{KEY}"]}}',
        f'{{"app_id": "{KEY}", "app_certificate": "{KEY}"}}',
        f'{{"app_id": "{"0" * 32}", "app_certificate": "{KEY.encode().hex()}"}}',
        f'{{"app_id": "{"0" * 32}", "app_certificate": "{KEY.encode().hex()[:31]}"}}',
    ),
    "secret denied": keep(refusal("AccessDeniedException", 400)),
    "no secret": keep(refusal("InternalServiceError", 500)),
}
NO_VENDOR = [
    *("success", "refused", "exception", "undecodable", "secret of another form", "secret of another kind"),
    *("secret that cannot sign", "secret denied", "no secret"),
]
"""Where no vendor is asked, it can say nothing."""


def renew(made: "Function") -> None:
    """As if nothing had been asked: the twin's faults are gone, and the key and what came of it are read anew."""
    made.twin.reset()
    made.module.vendor._keyring._held_until = 0.0
    made.module.vendor._keyring._rejections.clear()
    made.forget_sign_in()


def ask(made: "Function", vendor: Vendor, body: Any = AS_IT_IS, *, timeout: float = 1.25) -> int:
    """Sends a caller's request, holds the answer to the promise, and gives its status."""
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {CALLER}",
        "cookie": CALLER,
        "x-api-key": CALLER,
    }
    answer = made.ask(vendor.event, body, headers=headers, cookies=[CALLER], timeout=timeout)
    said = dict(answer.body)
    if answer.status == 201:
        assert traces(said.pop(vendor.field))
    assert traces(json.dumps([said, answer.headers, answer.status])) == []
    return answer.status


def written(capfd: pytest.CaptureFixture[str], logged: list[str]) -> list[str]:
    """Canaries in all that was written since the last time."""
    out, err = capfd.readouterr()
    found = traces(out) + traces(err) + [trace for text in logged for trace in traces(text)]
    logged.clear()
    return found


@pytest.fixture
def start(unlimited: Fresh) -> Callable[[Vendor], "Function"]:
    return lambda vendor: unlimited(vendor.name, vendor.secret(KEY))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_no_path_writes_down_a_key_or_a_token(
    start: Callable[[Vendor], "Function"], vendor: Vendor, logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    made = start(vendor)
    written(capfd, logged)
    found = {}
    for name in PATHS if vendor in ASKED else NO_VENDOR:
        PATHS[name](made, vendor)
        found[name] = written(capfd, logged)
    assert {name: places for name, places in found.items() if places} == {}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_not_even_libraries_at_debug_write_down_a_key_or_a_token(
    start: Callable[[Vendor], "Function"],
    vendor: Vendor,
    talkative: None,
    logged: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = start(vendor)
    written(capfd, logged)  # what the test itself did with the secret
    for name in ("success", "status 401", "redirect 302") if vendor in ASKED else ("success", "refused", "exception"):
        PATHS[name](made, vendor)
    assert written(capfd, logged) == []


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
def test_a_redirect_to_another_host_never_carries_the_key(
    start: Callable[[Vendor], "Function"], bundle: Bundle, vendor: Vendor
) -> None:
    made = start(vendor)
    other = next(twin for name, twin in bundle.twins.items() if name != vendor.name)
    for status in (301, 302, 303, 307, 308):
        meet(status=status, headers={"Location": f"{other.url}/elsewhere"})(made, vendor)
        assert {call.path for call in made.twin.calls} <= set(vendor.paths)
    assert other.calls == []


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
def test_a_vendor_is_sent_its_key_and_nothing_of_the_caller(
    start: Callable[[Vendor], "Function"], vendor: Vendor
) -> None:
    made = start(vendor)
    mint(made, vendor)
    sent = json.dumps([[call.path, call.query, call.headers, call.body.decode()] for call in made.twin.calls])
    assert KEY in sent
    assert CALLER not in sent
    assert "alice" not in sent
    assert KEY not in json.dumps([[call.path, call.query] for call in made.twin.calls])


def test_nothing_secret_is_kept_in_the_table(function: Fresh, bundle: Bundle, table: str) -> None:
    for vendor in ALL:
        mint(function(vendor.name, vendor.secret(KEY)), vendor)
    items = client(bundle, "dynamodb").scan(TableName=table)["Items"]
    assert len(items) > len(ALL)
    assert traces(repr(items)) == []


@pytest.mark.usefixtures("talkative", "quick")
@pytest.mark.parametrize("event", [event for vendor in ALL for event in vendor.events])
def test_no_operation_writes_down_what_it_is_sent_or_what_the_vendor_says(
    start: Callable[[Vendor], "Function"], event: str, logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    vendor = Vendor(event.partition("-")[0])
    made = start(vendor)
    made.module.vendor.owners.require_owner = lambda *_: None  # as if all that is named were the caller's own
    written(capfd, logged)
    heard = 0
    for status in ECHOED if vendor.name in twins() else [200]:
        for body in bodies(made, event):
            renew(made)
            if vendor.name in twins():
                made.twin.fault(Fault(status=status, body=ECHO, headers=HEADERS))
            answer = made.ask(event, body, timeout=1.25)
            assert answer.status < 300 or traces(json.dumps([answer.body, answer.headers])) == []
            heard += len(made.twin.calls)
    assert written(capfd, logged) == []
    assert (heard > 0) is asks(made, event)


def bodies(made: "Function", event: str) -> list[Any]:
    """The event's own body, and the same with the canary in the place of every text that may be any."""
    body = json.loads(EVENTS[event].get("body") or "{}")
    texts = {name for name, kind in fields(made, event).items() if isinstance(kind, msgspec.inspect.StrType)}
    return [AS_IT_IS, body | dict.fromkeys(texts & body.keys(), TOKEN)]


def asks(made: "Function", event: str) -> bool:
    """Whether the vendor is asked: not for a credential that is not the vendor's to give or to take back."""
    vendor = Vendor(made.vendor)
    ours = {event} & {vendor.event if not vendor.paths else "", f"{vendor.name}-revoke" if not vendor.revocable else ""}
    return operation(made, event).needs_key and not ours


@pytest.mark.parametrize("vendor", [vendor for vendor in ALL if not vendor.revocable], ids=lambda vendor: vendor.name)
def test_a_credential_that_cannot_be_revoked_is_not_written_down(
    start: Callable[[Vendor], "Function"], vendor: Vendor, logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    made = start(vendor)
    written(capfd, logged)
    for body in ({vendor.field: TOKEN}, {vendor.field: [TOKEN]}, {vendor.field: TOKEN, "unknown": TOKEN}):
        answer = made.ask(f"{vendor.name}-revoke", body)
        assert answer.status in {400, 409}
        assert traces(json.dumps([answer.body, answer.headers])) == []
    assert written(capfd, logged) == []


STARTED = {"uploadSessionId": "s-1", "files": [{"uploadId": "f-1"}]}
SIGNED = {"partNumber": 1, "sizeBytes": 1, "byteStart": 0, "url": f"https://storage.example/?signature={TOKEN}"}
SESSION = {"sessionId": "s-1"}
FILE = SESSION | {"uploadId": "f-1"}
BROKERED: dict[str, tuple[dict[str, str], Any]] = {
    "spatialgen-start": ({}, STARTED),
    "spatialgen-part-urls": (FILE, {"uploadId": "f-1", "parts": [SIGNED]}),
    "spatialgen-complete": (FILE, {"uploadId": "f-1"}),
    "spatialgen-cancel": (SESSION, {}),
    "spatialgen-cancel-post": (SESSION, {}),
    "spatialgen-videos": ({}, [{"stream": {"streamUrl": TOKEN}, "library": {"folderName": "Home"}}]),
    "spatialgen-streams": ({"id": "1"}, {"streams": [{"streamUrl": TOKEN}], "library": {"folderName": "Home"}}),
    "spatialgen-widevine": ({}, {"license": TOKEN}),
}
"""The path, and what the vendor answers, where it is asked for callers that hold no key."""


@pytest.mark.usefixtures("talkative", "quick")
@pytest.mark.parametrize("event", BROKERED)
def test_what_is_asked_for_callers_without_a_key_is_not_written_down(
    function: Fresh, event: str, logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    made, (path, success) = function("spatialgen", Vendor("spatialgen").secret(KEY)), BROKERED[event]
    made.twin.fault(Fault(status=200, body=STARTED))
    assert made.ask("spatialgen-start").status == 201
    for status in (200, 302, 400, 401, 404, 429, 500, 503):
        renew(made)
        made.twin.fault(Fault(status=status, body=success if status == 200 else ECHO, headers=HEADERS))
        answer = made.ask(event, pathParameters=path)
        assert (answer.status < 300) is (status == 200), answer.body
        assert KEY not in json.dumps(answer.raw)
        assert status == 200 or traces(json.dumps(answer.raw)) == []
    assert written(capfd, logged) == []


def test_a_broadcast_is_not_written_down(
    function: Fresh, talkative: None, logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    made = function("odyssey")
    written(capfd, logged)
    url = f"https://stream.odyssey.ml/{TOKEN}"
    sent = {"webrtc_url": url, "spectator_token": TOKEN, "hls_url": url, "viewers": 1}
    wrong = [
        {"spectator_token": f"{TOKEN} "},
        {"webrtc_url": f"http://{TOKEN}"},
        {"hls_url": f"https://{TOKEN}.example/"},
    ]
    for body in (*(sent | fault for fault in wrong), sent | {TOKEN: TOKEN}, [TOKEN], TOKEN):
        answer = made.ask("odyssey-register", body)
        assert answer.status in {400, 403}
        assert TOKEN not in json.dumps([error["message"] for error in answer.body["errors"]])
    registered = made.ask("odyssey-register", sent).body
    path: dict[str, Any] = {"pathParameters": {"id": registered["id"]}}
    watched = [made.ask("odyssey-watch", sub=sub, **path) for sub in ("alice", "mallory")]
    assert [answer.status for answer in watched] == [200, 429]
    assert [made.ask("odyssey-end", sub=sub, **path).status for sub in ("mallory", "alice")] == [404, 204]
    for place in ("seal", "derived"):
        with patch(f"minting.store.{place}", side_effect=RuntimeError(TEXT)):
            assert made.ask("odyssey-register", sent).status == 500
    everything = "".join([*logged, *capfd.readouterr()])
    assert "watched" in everything
    assert traces(everything) == []
    assert registered["id"] not in everything


def test_the_keys_place_in_memory_has_no_name_that_shows_it(start: Callable[[Vendor], "Function"]) -> None:
    for vendor in ALL:
        made = start(vendor)
        for place in (*made.modules, made.module.vendor, made.module.vendor._keyring):
            assert traces(repr({name: value for name, value in vars(place).items() if name != "__builtins__"})) == []


LOUD = {
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "POWERTOOLS_LOGGER_SAMPLE_RATE": "1",
    "POWERTOOLS_DEV": "true",
    "POWERTOOLS_DEBUG": "true",
    "POWERTOOLS_TRACE_DISABLED": "false",
    "PYTHONDEVMODE": "1",
}

RUN = """
import json, logging, sys
logging.basicConfig(level=logging.DEBUG)
for name in sys.argv[1].split(","):
    logging.getLogger(name).setLevel(logging.DEBUG)
from local.functions import Context, load
vendor, environment, event = json.load(sys.stdin)
handler = load(vendor, environment)
answers = [handler(event, Context()) for _ in range(2)]
open(sys.argv[2], "w").write(json.dumps(answers))
"""


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_a_process_told_to_debug_everything_writes_down_no_key_and_no_token(
    start: Callable[[Vendor], "Function"], bundle: Bundle, vendor: Vendor, tmp_path: Any
) -> None:
    made = start(vendor)
    succeed(made, vendor)
    environment = bundle.environment(vendor.name) | {"API_KEY_SECRET": made.secret_id}
    event = bundle.event(vendor.event)
    event["headers"]["authorization"] = f"Bearer {CALLER}"
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", RUN, ",".join(LIBRARIES), str(tmp_path / "answers")],
        input=json.dumps([vendor.name, environment, event]),
        env=environment | LOUD | {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/minting'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads((tmp_path / "answers").read_text())
    assert [answer["statusCode"] for answer in answers] == [201, 201]
    assert "minted" in done.stdout
    assert traces(done.stdout + done.stderr) == []
