"""What the gateway and the functions do is one readable line a request, with the reason that AWS hides."""

import io
import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from local.console import Console
from local.hosts import Hosts
from tests.local.conftest import ORIGIN, Served

RECORD = {
    "mint_id": "5b1c7f0e-0000-4000-8000-000000000000",
    "route": "POST /v1/convai/tokens",
    "outcome": "minted",
    "status": 201,
    "caller": {"iss": "https://issuer.example", "sub": "alice"},
    "duration_ms": 34.2,
}
METRICS = {"_aws": {"Timestamp": 0}, "minted": [1.0]}


def printed(*texts: str, verbose: bool = False) -> list[str]:
    """The lines of the console, without the time."""
    out = io.StringIO()
    console = Console(out, verbose=verbose)
    for text in texts:
        console.write(text)
    lines = out.getvalue().splitlines()
    return [re.sub(r"^\d\d:\d\d:\d\d {2}", "", line) for line in lines]


def of(record: dict[str, Any]) -> str:
    """The console's line of a record, with single spaces."""
    (line,) = printed(json.dumps(record) + "\n")
    return " ".join(line.split())


def test_a_record_is_one_line_with_caller_route_status_code_and_time() -> None:
    assert of(RECORD) == "201 minted POST /v1/convai/tokens alice 34 ms"


def test_a_backends_user_is_named() -> None:
    caller = {"iss": "https://issuer.example", "sub": "lms", "user": "learner-7"}
    assert of(RECORD | {"caller": caller}) == "201 minted POST /v1/convai/tokens lms for learner-7 34 ms"


def test_a_refusal_says_why_and_what_the_operator_is_told() -> None:
    refused = {
        "status": 503,
        "outcome": "not_configured",
        "detail": "The team must set the key.",
        "notes": ["no value"],
    }
    assert of(RECORD | refused).endswith("The team must set the key.; no value")


def test_a_request_without_a_known_caller_has_a_line_too() -> None:
    unknown = {name: value for name, value in RECORD.items() if name != "caller"}
    assert of(unknown | {"status": 401, "outcome": "unauthenticated"}) == (
        "401 unauthenticated POST /v1/convai/tokens - 34 ms"
    )


def test_metrics_are_left_out_and_other_text_passes() -> None:
    assert printed(json.dumps(METRICS) + "\n", "ready\n", '["a list"]\n', "17\n") == ["ready", '["a list"]', "17"]


def test_verbose_shows_records_and_metrics_as_they_are() -> None:
    lines = printed(json.dumps(RECORD) + "\n", json.dumps(METRICS) + "\n", verbose=True)
    assert [json.loads(line) for line in lines[1:]] == [RECORD, METRICS]


def test_text_in_parts_is_written_once_its_line_is_whole() -> None:
    assert printed("rea", "dy", "\n", "not yet") == ["ready"]


def test_lines_of_threads_that_write_at_once_do_not_mix() -> None:
    out = io.StringIO()
    console, start = Console(out), threading.Barrier(4)

    def write(letter: str) -> None:
        start.wait()
        for _ in range(50):
            for _ in range(3):
                console.write(letter)
            console.write("\n")

    threads = [threading.Thread(target=write, args=[letter]) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(out.getvalue().split()) == sorted(letter * 3 for letter in "abcd" for _ in range(50))


@pytest.mark.parametrize("path", ["/v1/\x1b[2J", "/v1/\r\nfake", "/v1/\u202e"])
def test_a_path_from_outside_cannot_steer_the_terminal(path: str) -> None:
    out = io.StringIO()
    Console(out).report("GET", path, 404, "no route has this path")
    assert out.getvalue().count("\n") == 1
    assert out.getvalue()[:-1].isprintable()


def test_a_long_text_is_cut() -> None:
    out = io.StringIO()
    Console(out).report("GET", "/" + "x" * 9999, 404, "y" * 9999)
    assert len(out.getvalue()) < 450


type Ask = Callable[[Served], object]


def bearer(served: Served, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.issuer.token('alice', **claims)}"}


ASKED: dict[str, tuple[Ask, tuple[str, str, int, str]]] = {
    "no token": (
        lambda served: served.send("POST", "/v1/things", headers={}),
        ("POST", "/v1/things", 401, "there is no Authorization header"),
    ),
    "expired": (
        lambda served: served.send("POST", "/v1/things", headers=bearer(served, exp=1)),
        ("POST", "/v1/things", 401, "the token has expired"),
    ),
    "not a JWT": (
        lambda served: served.send("POST", "/v1/things", headers={"Authorization": "Bearer x"}),
        ("POST", "/v1/things", 401, "the token is not valid: Not enough segments"),
    ),
    "another issuer": (
        lambda served: served.send("POST", "/v1/things", headers=bearer(served, iss="https://other.example")),
        ("POST", "/v1/things", 401, "the token is not valid: Invalid issuer"),
    ),
    "another audience": (
        lambda served: served.send("POST", "/v1/things", headers=bearer(served, aud="other")),
        ("POST", "/v1/things", 401, "the token's audience is ['other'], and must be one of ['app', 'other-app']"),
    ),
    "no scope": (
        lambda served: served.send("GET", "/scoped"),
        ("GET", "/scoped", 403, "the token has none of the scopes: avatars admin"),
    ),
    "unknown path": (
        lambda served: served.send("GET", "/v2?token=secret"),
        ("GET", "/v2", 404, "no route has this path"),
    ),
    "unknown method": (
        lambda served: served.send("PUT", "/v1/things"),
        ("PUT", "/v1/things", 404, "this path takes POST"),
    ),
    "another origin's preflight": (
        lambda served: served.send(
            "OPTIONS", "/open", headers={"Origin": "http://other", "Access-Control-Request-Method": "GET"}
        ),
        ("OPTIONS", "/open", 204, "the browser keeps this from the page: http://other is not in AllowedOrigins"),
    ),
    "another origin": (
        lambda served: served.send("GET", "/open", headers={"Origin": "http://other"}),
        ("GET", "/open", 200, "the browser keeps this from the page: http://other is not in AllowedOrigins"),
    ),
    "another host": (
        lambda served: served.send("GET", "/open", headers={"Host": "other.example"}),
        ("GET", "/open", 421, Hosts().refusal("other.example")),
    ),
    "sign-in": (
        lambda served: served.send("POST", "/_local/token", data="{}"),
        ("POST", "/_local/token", 200, "the gateway's own"),
    ),
}


@pytest.mark.parametrize(("ask", "told"), ASKED.values(), ids=ASKED)
def test_what_no_function_records_is_told_with_the_reason(
    ask: Ask, told: tuple[str, str, int, str], served: Served
) -> None:
    ask(served)
    assert served.told == [told]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (KeyError("x"), "Recorder crashed: KeyError"),
        (
            {"statusCode": "x"},
            "Recorder gave a reply that API Gateway cannot send: invalid literal for int() with base 10: 'x'",
        ),
    ],
)
def test_a_functions_failure_is_told_with_its_kind(reply: object, reason: str, served: Served) -> None:
    served.reply = reply
    served.send("GET", "/open")
    assert served.told == [("GET", "/open", 500, reason)]


def test_what_a_function_answers_to_a_page_that_may_read_it_is_left_to_its_record(served: Served) -> None:
    served.send("GET", "/open", headers={"Origin": ORIGIN})
    served.send("GET", "/open")
    assert served.told == []
