"""The console of `make run`: one line for each request, with the reason that AWS hides."""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stdout
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec

from local.bundle import Bundle
from local.console import Console, line
from local.journal import Exchange, Journal
from local.records import Records
from tests.local.conftest import CORS, ORIGIN, Served

ELSEWHERE = "https://elsewhere.example"
ASKS = {"Access-Control-Request-Method": "POST"}


def bearer(**claims: Any) -> Callable[[Served], dict[str, str]]:
    return lambda served: {"Authorization": f"Bearer {served.issuer.token('alice', **claims)}"}


def headers(**sent: str) -> Callable[[Served], dict[str, str]]:
    return lambda _: {name.replace("_", "-"): value for name, value in sent.items()}


def opaque(_: Served) -> dict[str, str]:
    return {"Authorization": "Bearer opaque"}


def elliptic(served: Served) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    return {"Authorization": f"Bearer {jwt.encode({'iss': served.issuer.url}, key, 'ES256', {'kid': 'x'})}"}


def shown(served: Served) -> str:
    (exchange,) = served.journal.since(0, 0)
    return line(exchange)


@pytest.mark.parametrize(
    ("method", "path", "sends", "columns", "reason"),
    [
        ("POST", "/v1/things", bearer(), "alice POST /v1/things 200 OK", ""),
        ("GET", "/v1/things/7", bearer(), "alice GET /v1/things/{id} 200 OK", ""),
        ("POST", "/v1/things", headers(), "- POST /v1/things 401 Unauthorized", "no Authorization header"),
        ("POST", "/v1/things", bearer(exp=1), "- POST /v1/things 401 Unauthorized", "the token has expired"),
        ("POST", "/v1/things", bearer(aud="x"), "- POST /v1/things 401 Unauthorized", "aud is not app or other-app"),
        ("POST", "/v1/things", bearer(iss="x"), "- POST /v1/things 401 Unauthorized", "the token's iss is not http://"),
        ("POST", "/v1/things", opaque, "- POST /v1/things 401 Unauthorized", "an invalid number of segments"),
        (
            "POST",
            "/v1/things",
            elliptic,
            "- POST /v1/things 401 Unauthorized",
            "ES256 is invalid: API Gateway takes RSA",
        ),
        (
            "POST",
            "/v1/things",
            bearer(aud=None, client_id="x"),
            "- POST /v1/things 401 Unauthorized",
            "no aud, and its client_id",
        ),
        ("POST", "/v1/things", bearer(exp=None), "- POST /v1/things 401 Unauthorized", 'missing the "exp" claim'),
        ("GET", "/scoped", bearer(), "- GET /scoped 403 Forbidden", "none of the scopes avatars admin"),
        ("PUT", "/v1/things", bearer(), "- PUT /v1/things 404 Not Found", "this path takes POST, not PUT"),
        ("POST", "/v1/thing", bearer(), "- POST /v1/thing 404 Not Found", "the nearest is POST /v1/things"),
        ("GET", "/open", headers(Host="rebound.example"), "- GET /open 421 Misdirected Request", "'rebound.example'"),
        ("POST", "/_local/token", headers(), "- POST /_local/token 200 OK", ""),
        ("GET", "/open", headers(Origin=ORIGIN), "- GET /open 200 OK", ""),
        ("GET", "/open", headers(Origin=ELSEWHERE), "- GET /open 200 OK", f"AllowedOrigins lacks {ELSEWHERE}"),
    ],
)
def test_a_request_is_one_line_with_the_reason_of_a_refusal(  # noqa: PLR0913, PLR0917 - the columns of a table
    method: str, path: str, sends: Callable[[Served], dict[str, str]], columns: str, reason: str, served: Served
) -> None:
    served.send(method, path, headers=sends(served))
    found = re.fullmatch(r"\d\d:\d\d:\d\d +(.*?) +\d+ ms(?:  (.*))?", shown(served))
    assert found
    assert " ".join(found[1].split()) == columns
    assert reason in (found[2] or "")
    assert bool(reason) is bool(found[2])


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"Origin": ORIGIN, **ASKS}, ""),
        ({"Origin": ELSEWHERE, **ASKS}, f"AllowedOrigins lacks {ELSEWHERE}"),
        ({"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}, "AllowMethods lacks PATCH"),
        ({"Origin": ORIGIN, **ASKS, "Access-Control-Request-Headers": "content-type,x-b, X-A"}, "lacks x-a, x-b"),
    ],
)
def test_a_preflight_that_the_browser_refuses_says_why(sent: dict[str, str], reason: str, served: Served) -> None:
    assert "PATCH" not in CORS["AllowMethods"]  # type: ignore[operator]
    served.send("OPTIONS", "/v1/things", headers=sent)
    (exchange,) = served.journal.since(0, 0)
    assert reason in exchange.reason
    assert bool(reason) is bool(exchange.reason)


def test_a_page_of_the_gateway_itself_needs_no_cors(served: Served) -> None:
    served.send("GET", "/open", headers={"Origin": served.url})
    assert shown(served).endswith(" ms")


def test_a_crash_names_the_function_and_not_the_message(served: Served) -> None:
    served.reply = RuntimeError("the api key is k-123")
    served.send("POST", "/v1/things")
    assert "500 Internal Server Error" in shown(served)
    assert shown(served).endswith("Recorder crashed")


def test_a_line_holds_no_query_and_no_control_characters(served: Served) -> None:
    served.send("GET", "/absent?token=sekret")
    assert "sekret" not in shown(served)
    assert line(Exchange("GET /\x1b[31m\r\n")).count("\n") == line(Exchange("GET /\x1b[31m")).count("\x1b") == 0


def test_a_sign_in_without_claims_says_what_the_body_must_be(served: Served) -> None:
    served.send("POST", "/_local/token", data="[]")
    assert shown(served).endswith("ms  The body must be a JSON object of claims")


def test_a_reason_is_told_once(served: Served) -> None:
    served.send("GET", "/open", headers={"Host": "rebound.example"})
    assert shown(served).count("rebound.example") == 1


def test_a_body_that_is_too_large_is_a_line_too(bundle: Bundle) -> None:
    answer = requests.post(f"{bundle.url}/v1/convai/tokens?a=b", headers={"Content-Length": "99999999"}, timeout=5)
    (exchange,) = bundle.journal.since(0, 0)[-1:]
    assert answer.status_code == exchange.status == 413
    assert exchange.route == "POST /v1/convai/tokens"


@pytest.fixture
def journal(bundle: Bundle) -> Iterator[Journal]:
    """The bundle's, without listeners afterwards."""
    yield bundle.journal
    bundle.journal.listeners.clear()


def mint(bundle: Bundle, body: str = "{}") -> requests.Response:
    sent = {"Authorization": f"Bearer {bundle.token('alice')}", "Content-Type": "application/json"}
    return requests.post(f"{bundle.url}/v1/convai/tokens", body, headers=sent, timeout=10)


@pytest.mark.parametrize("verbose", [False, True])
def test_the_raw_records_are_shown_if_asked_for(verbose: bool, bundle: Bundle, journal: Journal) -> None:
    out = io.StringIO()
    journal.listeners.append(Console(out).show)
    with redirect_stdout(Records(journal, out, verbose=verbose)):
        token = mint(bundle).json()["apiAuthToken"]
        sys.stdout.write("a word of a developer\n")
    lines = out.getvalue().splitlines()
    raw = [json.loads(found) for found in lines if found.startswith("{")]
    assert [found["outcome"] for found in raw if "outcome" in found] == ["minted"] * verbose
    assert [found for found in raw if "_aws" in found] == raw[1:]
    assert [found for found in lines if "alice  " in found and "201 minted" in found] == lines[-2:-1]
    assert lines[-1] == "a word of a developer"
    assert token not in out.getvalue()


def test_a_request_has_the_record_of_its_function(bundle: Bundle, journal: Journal) -> None:
    with redirect_stdout(Records(journal, io.StringIO())):
        minted, refused = mint(bundle).json(), mint(bundle, '{"wrong": 1}').json()
    first, second = journal.since(0, 0)[-2:]
    assert (first.id, first.record["mint_id"]) == (minted["mint"]["id"],) * 2
    assert (second.code, second.record["outcome"]) == (refused["code"],) * 2
    assert second.reason == "wrong: Unknown field"


def test_a_body_that_is_no_json_is_told_without_a_field(bundle: Bundle, journal: Journal) -> None:
    mint(bundle, "{")
    assert journal.since(0, 0)[-1].reason == "The body is not JSON in UTF-8"


def test_a_record_that_comes_after_the_answer_is_shown_by_itself() -> None:
    journal = Journal()
    record = {"mint_id": "m-1", "route": "POST /v1/x", "status": 201, "outcome": "minted", "duration_ms": 9.0}
    Records(journal, io.StringIO()).write(json.dumps(record | {"caller": {"sub": "lms", "user": "ann"}}) + "\n")
    (exchange,) = journal.since(0, 0)
    assert (exchange.id, exchange.caller, exchange.status) == ("m-1", "ann", 201)
    assert exchange.reason == "nobody waited for this answer"


@pytest.mark.parametrize(
    ("requests_open", "by_function", "inside"),
    [
        (["POST /v1/convai/tokens"], True, True),
        (["POST /v1/convai/tokens", "POST /v1/livekit/tokens", "POST /_local/token"], True, True),
        (["POST /v1/convai/tokens"], False, False),
        (["POST /v1/convai/tokens", "POST /v1/convai/tokens"], True, False),
        (["POST /v1/odyssey/broadcasts"], True, False),
        ([], True, False),
    ],
)
def test_a_vendors_call_is_in_a_request_that_alone_can_have_made_it(
    requests_open: list[str], by_function: bool, inside: bool
) -> None:
    journal, call = Journal(), Exchange("POST /user/connect", vendor="convai")
    with ExitStack() as exits:
        asking = [exits.enter_context(journal.exchange(*route.split())) for route in requests_open]
        journal.called(call, by_function=by_function)
        assert [exchange.calls for exchange in asking[:1]] == [[call] if inside else []][: len(asking)]
    assert (call in journal.since(0, 0)) is not inside
