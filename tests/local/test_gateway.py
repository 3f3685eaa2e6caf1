"""The gateway changes requests and replies as API Gateway's HTTP APIs do."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request

from local.cors import Cors
from local.functions import Function
from local.gateway import MAX_BODY_BYTES, Gateway
from local.hosts import Hosts
from local.routes import Route, Routes
from tests.local.conftest import ORIGIN, Served

EVENTS = Path(__file__).parents[2] / "events"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}


# Routes


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/v1/things"), ("POST", "/v1/things/"), ("POST", "//v1/things"), ("GET", "/v1/things/a/b")],
)
def test_an_unknown_route_is_not_found_with_or_without_a_token(method: str, path: str, served: Served) -> None:
    for answer in (served.send(method, path), served.send(method, path, headers={})):
        assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})
    assert served.events == []


@pytest.mark.parametrize(
    ("path", "route_key", "parameters"),
    [
        ("/v1/things/42", "GET /v1/things/{id}", {"id": "42"}),
        ("/v1/things/a%2Fb%20c", "GET /v1/things/{id}", {"id": "a/b c"}),
        ("/v1/things/latest", "GET /v1/things/latest", None),
        ("/v1/files/a/b", "ANY /v1/files/{path+}", {"path": "a/b"}),
    ],
)
def test_the_most_specific_route_wins(
    path: str, route_key: str, parameters: dict[str, str] | None, served: Served
) -> None:
    event = served.event("GET", path)
    assert event["routeKey"] == event["requestContext"]["routeKey"] == route_key
    assert event.get("pathParameters") == parameters


def test_a_named_method_wins_over_any_in_either_order() -> None:
    function = Function("None", lambda _event, _context: None)
    routes = Routes(Route(method, "/v1/things", function, None) for method in ("ANY", "GET"))
    matches = [routes.find(method, "/v1/things") for method in ("GET", "PUT")]
    assert [match and match.route.method for match in matches] == ["GET", "ANY"]


def test_a_get_route_does_not_answer_head(served: Served) -> None:
    assert served.send("HEAD", "/open").status_code == 404
    assert served.send("HEAD", "/v1/files/a").status_code == 200
    assert [event["requestContext"]["http"]["method"] for event in served.events] == ["HEAD"]


def test_an_unreadable_target_is_refused(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as client:
        client.sendall(b"GET //[ HTTP/1.1\r\n\r\n")
        assert client.recv(99).startswith(b"HTTP/1.1 400")
    assert served.events == []


# Events


@pytest.mark.parametrize("sample", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_an_event_has_the_members_of_the_sample_events(sample: Path, served: Served) -> None:
    documented = json.loads(sample.read_bytes())
    body = documented.get("body")
    path = "/v1/files/a" + "?" * bool(documented["rawQueryString"]) + documented["rawQueryString"]
    event = served.event("PUT", path, {"content-type": "application/json"}, data=body)
    assert event.keys() == documented.keys() | {"pathParameters"}
    assert event.get("queryStringParameters") == documented.get("queryStringParameters")
    assert event["requestContext"].keys() == documented["requestContext"].keys()
    assert event["requestContext"]["http"].keys() == documented["requestContext"]["http"].keys()
    assert event["requestContext"]["authorizer"]["jwt"].keys() == {"claims", "scopes"}
    assert types_of(event["requestContext"]) == types_of(documented["requestContext"])


def types_of(context: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in context.items()}


def test_claims_are_strings_and_scopes_are_null(served: Served) -> None:
    wanted = {"exp": 4102444800, "iat": 1, "groups": ["a", "b"], "admin": True, "address": {"city": "Ulm"}}
    headers = {"Authorization": served.issuer.token("alice", **wanted)}
    jwt = served.event("POST", "/v1/things", headers)["requestContext"]["authorizer"]["jwt"]
    texts = {"exp": "4102444800", "iat": "1", "groups": "[a b]", "admin": "true", "address": "map[city:Ulm]"}
    assert jwt["claims"] == {"iss": served.issuer.url, "sub": "alice", "aud": "app"} | texts
    assert jwt["scopes"] is None


def test_header_names_are_in_lower_case_and_repeated_headers_are_joined(served: Served) -> None:
    token = served.issuer.token()
    lines = ["GET /v1/things/1 HTTP/1.1", "Host: LocalHost:81", f"AUTHORIZATION: {token}", "X-Tag: a", "x-tag: b"]
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as client:
        client.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        assert client.recv(99).startswith(b"HTTP/1.1 200")
    headers = served.events[0]["headers"]
    assert (headers["x-tag"], headers["authorization"], headers["host"]) == ("a,b", token, "LocalHost")
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-port"] == "81"


def test_cookies_are_a_list_and_not_a_header(served: Served) -> None:
    event = served.event("POST", "/v1/things", {"Cookie": "a=1; b=2"})
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]


def test_the_query_is_given_raw_and_decoded(served: Served) -> None:
    event = served.event("POST", "/v1/things?a=1&a=2&b=%20x&c=")
    assert event["rawQueryString"] == "a=1&a=2&b=%20x&c="
    assert event["queryStringParameters"] == {"a": "1,2", "b": " x", "c": ""}


def test_members_that_a_request_does_not_have_are_absent(served: Served) -> None:
    event = served.event("POST", "/v1/things")
    assert event.keys().isdisjoint({"body", "cookies", "queryStringParameters", "pathParameters", "stageVariables"})
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("content_type", "body", "in_base64"),
    [
        ("application/json", b'{"a": "\xc3\xa9"}', False),
        ("application/json; charset=utf-8", b"{}", False),
        ("text/plain", b"hi", False),
        ("Application/XML", b"<a/>", False),
        ("application/x-www-form-urlencoded", b"a=1", True),
        ("application/problem+json", b"{}", True),
        ("application/octet-stream", b"\x00\xff", True),
        ("application/json", b"\xff\xfe", True),
    ],
)
def test_a_body_that_is_not_text_is_in_base64(content_type: str, body: bytes, in_base64: bool, served: Served) -> None:
    event = served.event("POST", "/v1/things", {"Content-Type": content_type}, data=body)
    assert event["isBase64Encoded"] is in_base64
    assert (base64.b64decode(event["body"]) if in_base64 else event["body"].encode()) == body


def test_a_chunked_body_arrives_whole(served: Served) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (b'{"a":', b"1}")

    event = served.event("POST", "/v1/things", {"Content-Type": "application/json"}, data=chunks())
    assert event["body"] == '{"a":1}'


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_ten_megabytes_is_refused(chunked: bool, served: Served) -> None:
    announced = ["Transfer-Encoding: chunked", "", "A00001"] if chunked else ["Content-Length: 10485761", ""]
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as client:
        client.sendall("\r\n".join(["POST /v1/things HTTP/1.1", *announced, ""]).encode())
        assert client.recv(99).startswith(b"HTTP/1.1 413")
    assert served.events == []


@pytest.mark.parametrize(
    "announced", ["Content-Length: -1", "Content-Length: x", "Transfer-Encoding: chunked\r\n\r\nZ"]
)
def test_a_body_of_unreadable_length_is_refused(announced: str, served: Served) -> None:
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as client:
        client.sendall(f"POST /v1/things HTTP/1.1\r\n{announced}\r\n\r\n".encode())
        assert client.recv(99).startswith(b"HTTP/1.1 400")
    assert served.events == []


# Replies


def test_a_reply_is_sent_with_its_status_headers_cookies_and_body(served: Served) -> None:
    served.reply = {
        "statusCode": 201,
        "headers": {"Content-Type": "application/json", "X-Number": 7, "X-Flag": True},
        "cookies": ["a=1; Secure", "b=2"],
        "body": '{"a": "é"}',
    }
    answer = served.send("POST", "/v1/things")
    assert (answer.status_code, answer.json()) == (201, {"a": "é"})
    assert (answer.headers["x-number"], answer.headers["x-flag"]) == ("7", "true")
    assert answer.raw.headers.getlist("set-cookie") == ["a=1; Secure", "b=2"]
    assert answer.headers["apigw-requestid"] == served.events[0]["requestContext"]["requestId"]


def test_the_length_is_that_of_the_body_and_not_the_functions_claim(served: Served) -> None:
    served.reply = {"statusCode": 200, "headers": {"Content-Length": "1"}, "body": "whole"}
    answer = served.send("POST", "/v1/things")
    assert (answer.content, answer.raw.headers.getlist("content-length")) == (b"whole", ["5"])


def test_a_body_in_base64_is_decoded(served: Served) -> None:
    served.reply = {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\x00\xff").decode()}
    assert served.send("POST", "/v1/things").content == b"\x00\xff"


@pytest.mark.parametrize(("reply", "body"), [({"a": 1}, b'{"a": 1}'), ([1], b"[1]"), ("hi", b"hi"), (None, b"null")])
def test_a_reply_without_a_status_is_the_json_body_of_a_200(reply: object, body: bytes, served: Served) -> None:
    served.reply = reply
    answer = served.send("POST", "/v1/things")
    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["content-type"] == "application/json"


def test_a_204_has_no_body_and_the_connection_stays_usable(served: Served) -> None:
    served.reply = {"statusCode": 204}
    headers = {"Authorization": served.issuer.token()}
    with requests.Session() as session:
        answers = [session.post(f"{served.url}/v1/things", headers=headers, timeout=5) for _ in range(3)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 3
    assert not any("content-length" in answer.headers for answer in answers)  # RFC 9110 section 8.6
    assert len({event["headers"]["x-amzn-trace-id"] for event in served.events}) == 3


@pytest.mark.parametrize(
    "reply",
    [
        RuntimeError("the api key is k-123"),
        SystemExit(3),
        {"statusCode": "many"},
        {"statusCode": None},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
        {"statusCode": 200, "headers": {"x": "a\r\nset-cookie: b"}},
        {"statusCode": 200, "headers": {"x": ["a"]}},
        {"a": {1, 2}},
    ],
    ids=repr,
)
def test_a_crash_or_a_malformed_reply_is_a_500_without_details(reply: object, served: Served) -> None:
    served.reply = reply
    answer = served.send("POST", "/v1/things")
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("timeout", "patience", "status", "text"),
    [(0.01, 30, 500, "Internal Server Error"), (25, 0.01, 503, "Service Unavailable")],
    ids=["the function's timeout", "the gateway's patience"],
)
def test_the_gateway_does_not_wait_for_a_late_reply(timeout: float, patience: float, status: int, text: str) -> None:
    replies = threading.Event()
    function = Function("Late", lambda _event, _context: replies.wait(5), timeout)
    gateway = Gateway(Routes([Route("GET", "/late", function, None)]), Cors({}), {}, patience)
    answer = gateway.answer(Request.from_values("/late"))
    replies.set()
    assert (answer.status_code, answer.json) == (status, {"message": text})


# CORS


@pytest.mark.parametrize("path", ["/v1/things", "/v1/nowhere", "/_local/token"])
def test_a_preflight_is_answered_without_a_token(path: str, served: Served) -> None:
    answer = served.send("OPTIONS", path, headers=PREFLIGHT)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == "GET,POST"
    assert answer.headers["access-control-allow-headers"] == "Authorization,Content-Type"
    assert answer.headers["access-control-max-age"] == "3600"
    assert served.events == []


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", f"{ORIGIN}.evil.example.com", "null", "http://localhost"]
)
def test_an_origin_that_is_not_allowed_gets_no_cors_headers(origin: str, served: Served) -> None:
    preflight = served.send("OPTIONS", "/v1/things", headers=PREFLIGHT | {"Origin": origin})
    asked = served.send("POST", "/v1/things", headers={"Authorization": served.issuer.token(), "Origin": origin})
    for answer in (preflight, asked):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_an_options_request_that_is_not_a_preflight_is_not_found(served: Served) -> None:
    assert served.send("OPTIONS", "/v1/things", headers={"Origin": ORIGIN}).status_code == 404


def test_the_gateways_cors_headers_replace_the_functions(served: Served) -> None:
    served.reply = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "Retry-After": "1"}}
    headers = {"Authorization": served.issuer.token(), "Origin": ORIGIN}
    answer = served.send("POST", "/v1/things", headers=headers)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
    assert answer.headers["retry-after"] == "1"


def test_a_browser_can_read_a_refusal(served: Served) -> None:
    answer = served.send("POST", "/v1/things", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, ORIGIN)


# Many at once


def test_many_clients_connect_at_once(served: Served) -> None:
    token = served.issuer.token()
    clients = [socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) for _ in range(300)]
    request = (
        f"POST /v1/things HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n".encode()
    )
    for client in clients:
        client.sendall(request)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(_status, clients))
    assert statuses == [b"HTTP/1.1 200"] * 300


def _status(client: socket.socket) -> bytes:
    with client:
        return client.recv(12, socket.MSG_WAITALL)


# Host names


@pytest.mark.parametrize(
    ("listening", "host"),
    [
        *[
            ("127.0.0.1", host)
            for host in ("127.0.0.1", "127.0.0.1:3000", "localhost:3000", "LOCALHOST", "[::1]:3000", "10.0.2.2:3000")
        ],
        *[("my-machine.lan", host) for host in ("my-machine.lan:3000", "localhost", "192.168.1.5:3000")],
        *[("::", host) for host in (socket.gethostname(), f"{socket.gethostname().upper()}:3000", "192.168.1.5")],
    ],
)
def test_the_gateway_answers_its_own_names_and_any_address(listening: str, host: str) -> None:
    assert Hosts(listening).own(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "rebound.example",
            "rebound.example:3000",
            "localhost.rebound.example",
            "127.0.0.1.rebound.example",
            "0x7f.1",
        ),
        *(
            "localhost:3000,localhost:3000",
            "localhost:",
            ":3000",
            "",
            "::1",
            "[localhost]",
            "[127.0.0.1]",
            "[::1",
            "127.1",
            "127.0.0.1:a",
        ),
        *("2130706433", "localhost@rebound.example", None),
    ],
)
@pytest.mark.parametrize("listening", ["127.0.0.1", "::"])
def test_the_gateway_does_not_answer_another_name(listening: str, host: str | None) -> None:
    assert not Hosts(listening).own(host)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/_local/token"), ("POST", "/v1/things"), ("GET", "/open"), ("GET", "/absent")]
)
def test_a_web_page_whose_name_resolves_to_this_machine_gets_no_token(method: str, path: str, served: Served) -> None:
    headers = {
        "Host": "rebound.example:3000",
        "Origin": ORIGIN,
        "Authorization": f"Bearer {served.issuer.token('alice')}",
    }
    answer = served.send(method, path, headers=headers, json={})
    assert answer.status_code == 421
    assert "'rebound.example:3000'" in answer.json()["message"]
    assert "access-control-allow-origin" not in answer.headers
    assert served.send("OPTIONS", path, headers=PREFLIGHT | {"Host": "rebound.example"}).status_code == 421
    assert served.events == []


def test_the_limit_of_a_body_holds_for_the_sum_of_its_chunks(served: Served) -> None:
    headers = {"Authorization": served.issuer.token()}
    half = bytes(MAX_BODY_BYTES // 2)
    answers = [
        served.send("POST", "/v1/things", headers=headers, data=iter(chunks))
        for chunks in ([half] * 2, [half, half, b"1"])
    ]
    assert [answer.status_code for answer in answers] == [200, 413]
