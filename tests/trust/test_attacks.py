"""What a hostile caller, or a vendor gone mad, can send; and that it comes to nothing."""

import base64
import json
from collections.abc import Callable
from time import thread_time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.twins.twin import Fault
from minting.problems import CATALOGUE
from tests.functions.contract import Fresh
from tests.trust.vendors import AGORA, ALL, ASKED, CONVAI, LIVEKIT, ODYSSEY, SPATIUS, TRULIENCE, Vendor

if TYPE_CHECKING:
    from tests.conftest import Answer

NASTY = [
    *(
        "",
        " ",
        ".",
        "..",
        "../admin",
        "a/b",
        "a\\b",
        "a?b=c",
        "a&b=c",
        "a#b",
        "a%2fb",
        "a%00",
        "a;b",
        "a,b",
        "a b",
        "a@b",
    ),
    *(
        "a\r\nX-Api-Key: b",
        "a\n",
        "\na",
        "a\r",
        "a\0",
        "\0",
        "\x7f",
        "\x1b[31m",
        "a\tb",
        '"',
        "'",
        "`id`",
        "${x}",
        "{{x}}",
        "<b>",
    ),
    *(
        "é",
        "\u00e0",
        "\u0430dmin",
        "\u202eabc",
        "\u200b",
        "\ufeffa",
        "\uff41",
        "\u0661",
        "\u2028",
        "\U0001f600",
        "a" * 4000,
    ),
    *("http://169.254.169.254/", "//other.example", "file:///etc/passwd", "*", "%s%s%n", "$where"),
]
FIELDS: list[tuple[Vendor, Callable[[str], Any]]] = [
    (SPATIUS, lambda text: {"avatarId": text}),
    (SPATIUS, lambda text: {"region": text}),
    (TRULIENCE, lambda text: {"avatar_id": text}),
    (ODYSSEY, lambda text: {"region_latencies": {text: 5}}),
]


def refused(answer: "Answer", *codes: str) -> None:
    """Holds an answer to be one of our own problems, for which nobody else was asked."""
    assert answer.body["code"] in codes
    assert answer.status == CATALOGUE[answer.body["code"]].status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("vendor", "body"), FIELDS, ids=["avatarId", "region", "avatar_id", "region_latencies"])
def test_nothing_but_plain_ids_reach_a_vendor_even_where_all_are_allowed(
    unlimited: Fresh, vendor: Vendor, body: Callable[[str], Any]
) -> None:
    made = unlimited(vendor.name)
    for text in NASTY:
        refused(made.ask(vendor.event, body(text)), "invalid_request")
    assert made.twin.calls == []


LISTED: list[tuple[Vendor, str, str, dict[str, Any]]] = [
    (SPATIUS, "avatarId", "local-avatar", {}),
    (TRULIENCE, "avatar_id", "4386676996480451678", {}),
    (LIVEKIT, "room_name", "lobby", {}),
    (AGORA, "channel", "lobby", {"role": "subscriber"}),
]
"""A field, what is on its list, and what else the body needs."""


@pytest.mark.parametrize(("vendor", "field", "listed", "rest"), LISTED, ids=[vendor.name for vendor, *_ in LISTED])
def test_an_id_that_is_not_listed_is_refused_however_it_is_written(
    function: Fresh, vendor: Vendor, field: str, listed: str, rest: dict[str, Any]
) -> None:
    made = function(vendor.name)
    for text in (listed + "0", listed.upper() + "A", listed[:-1], "other", f"{listed},{listed}", f"{listed} ", "*"):
        refused(made.ask(vendor.event, rest | {field: text}), "not_allowed", "invalid_request")
    for value in ([listed], {"$eq": listed}, 4386676996480451678, True, {}):
        refused(made.ask(vendor.event, rest | {field: value}), "invalid_request")
    assert made.twin.calls == []
    assert made.ask(vendor.event, rest | {field: listed}).status == 201


def test_of_a_field_sent_twice_the_one_that_is_checked_is_the_one_that_is_used(function: Fresh) -> None:
    made = function("trulience")
    listed, other = '"avatar_id":"4386676996480451678"', '"avatar_id":"999"'
    refused(made.ask(TRULIENCE.event, f"{{{listed},{other}}}"), "not_allowed", "invalid_request")
    assert made.ask(TRULIENCE.event, f"{{{other},{listed}}}").status in {201, 400, 403}
    assert all(b"999" not in call.body for call in made.twin.calls)


NAMES = [
    *(
        "__proto__",
        "constructor",
        "prototype",
        "__class__",
        "__dict__",
        "__init__",
        "mint",
        "api_key",
        "key",
        "expireAt",
    ),
    *("$ref", "$where", "", "\0", "a.b", "a[0]", "Avatar_id", "avatar_id ", "avatar\u200b_id", "url", "callback"),
]


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_a_field_that_is_not_declared_is_refused_by_name(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    answer = made.ask(vendor.event, dict.fromkeys(NAMES, 1))
    refused(answer, "invalid_request")
    assert set(NAMES) <= {error["field"] for error in answer.body["errors"]}
    assert made.twin.calls == []


BOMBS = {
    "deep lists": "[" * 16_000,
    "deep objects": '{"a":' * 3_000,
    "deep and closed": "[" * 8_000 + "]" * 8_000,
    "deep in a known field": '{"region_latencies":' * 800,
    "a long number": "1" * 16_000,
    "a large number": '{"ttl_seconds":1e999999,"expire_at":1e999999}',
    "a long fraction": "0." + "1" * 16_000,
    "many fields": json.dumps(dict.fromkeys(map(str, range(1_500)), 0)),
    "many equal fields": "{" + '"a":0,' * 2_600 + '"a":0}',
    "a long name": json.dumps({"x" * 16_000: 0}),
    "many escapes": '"' + "\\u0000" * 2_700 + '"',
    "lone surrogates": '"' + "\\ud800" * 2_700 + '"',
    "spaces": " " * 16_000,
    "too long": " " * 10_000_000,
    "a byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_a_bomb_is_refused_at_once_with_a_small_answer(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    for bomb in BOMBS.values():
        started = thread_time()
        answer = made.ask(vendor.event, bomb)
        refused(answer, "invalid_request", "body_too_large")
        assert thread_time() - started < 1
        assert len(answer.raw["body"]) < 256 * 1024
    assert made.twin.calls == []


BYTES = [b'{"a":"\xff"}', b"\xff\xfe{\0}\0", b"\xed\xa0\x80", b'"\xc0\xaf"', b"\x1f\x8b\x08\0", b"\0", b'{"\xff":1}']


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_bytes_that_are_no_text_are_refused(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    for raw in BYTES:
        body = base64.b64encode(raw).decode()
        refused(made.ask(vendor.event, body=body, isBase64Encoded=True), "invalid_request")
    assert made.twin.calls == []


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
def test_a_callers_headers_query_and_path_change_nothing_at_the_vendor(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    sent = {
        **dict.fromkeys(("host", "x-forwarded-host", "forwarded", "referer", "origin", "via"), "http://forged.example"),
        **dict.fromkeys(("x-api-key", "convai-api-key", "authorization", "cookie", "x-http-method-override"), "forged"),
        "content-type": "application/json",
        "content-length": "0",
        "transfer-encoding": "chunked",
    }
    changes: dict[str, Any] = {
        "headers": sent,
        "cookies": ["forged"],
        "rawPath": "/v1/../forged",
        "rawQueryString": "api_key=forged",
        "queryStringParameters": {"api_key": "forged", "avatar_id": "forged"},
        "stageVariables": {"url": "http://forged.example"},
    }
    assert made.ask(vendor.event, **changes).status == 201
    assert {call.path for call in made.twin.calls} == vendor.replies.keys()
    assert "forged" not in json.dumps([[call.path, call.query, call.headers] for call in made.twin.calls])


CLAIMS: list[Any] = [
    *(None, {}, [], "alice", {"iss": "i"}, {"sub": "s"}, {"iss": "", "sub": "s"}, {"iss": "i", "sub": ""}),
    *({"iss": "i", "sub": None}, {"iss": "i", "sub": 5}, {"iss": ["i"], "sub": "s"}, {"iss": "i", "sub": "s" * 256}),
    {"iss": "i" * 256, "sub": "s"},
]


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_without_verified_claims_nobody_is_asked_for_anything(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    made.module.vendor._keys._client = None  # a look at the secret would fail
    made.module.vendor._keys._held = None
    authorizers: list[Any] = [{"jwt": {"claims": claims}} for claims in CLAIMS]
    for authorizer in [*authorizers, None, {}, {"jwt": None}, {"lambda": {"iss": "i", "sub": "s"}}, "jwt", []]:
        event = made._bundle.event(vendor.event)
        event["requestContext"]["authorizer"] = authorizer
        event["headers"]["authorization"] = "Bearer " + ".".join([base64.b64encode(b'{"alg":"none"}').decode()] * 3)
        refused(made.send(event), "unauthenticated")
    del event["requestContext"]["authorizer"]
    refused(made.send(event), "unauthenticated")
    assert made.twin.calls == []


ROUTES = ["", "$default", "DELETE /v1/convai/tokens", "POST /v1/CONVAI/tokens", "POST /v1/spatius/session-tokens"]


def test_a_route_that_is_not_the_functions_own_is_not_found(unlimited: Fresh) -> None:
    made = unlimited("convai")
    for route in ROUTES:
        refused(made.ask(CONVAI.event, routeKey=route), "not_found")
    assert made.twin.calls == []


events = st.dictionaries(
    st.sampled_from(["headers", "body", "isBase64Encoded", "requestContext", "routeKey", "version"]),
    st.none() | st.booleans() | st.integers() | st.text() | st.dictionaries(st.text(), st.text()) | st.lists(st.text()),
)


def test_no_event_makes_a_function_raise(unlimited: Fresh) -> None:
    made = unlimited("convai")

    @given(events)
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def ask(changes: dict[str, Any]) -> None:
        answer = made.send(made._bundle.event(CONVAI.event) | changes)
        assert answer.status == 201 or answer.status == CATALOGUE[answer.body["code"]].status

    ask()


def claims(raw: bytes) -> str:
    return f"a.{base64.b64encode(raw).decode()}.c"


MAD: dict[str, list[tuple[str, str, Any]]] = {
    "spatius": [
        ("an error code that is a list", "/v1", {"errors": [{"code": ["x"], "status": 400}]}),
        ("an error status of 5000 digits", "/v1", {"errors": [{"status": "9" * 5000}]}),
        ("a token that is not ASCII", "/v1", {"sessionToken": "a.é.c"}),
        ("a token whose claims are deep", "/v1", {"sessionToken": claims(b"[" * 9999)}),
        ("a token whose claims are no text", "/v1", {"sessionToken": claims(b'{"app_id":"\xff"}')}),
        ("a token whose app is a list", "/v1", {"sessionToken": claims(b'{"app_id":["x"]}')}),
    ],
    "odyssey": [
        ("an access token with a line break", "/auth", {"access_token": "a\r\nX: y", "expires_in": 3600}),
        ("an access token that is not Latin", "/auth", {"access_token": "\u4e2d", "expires_in": 3600}),
        ("an access token that ends never", "/auth", {"access_token": "a", "expires_in": 10**18}),
        ("a token that ends never", "/sessions/token", {"session_token": "t", "expires_in": 10**18}),
        (
            "capabilities of another kind",
            "/sessions/r",
            {"session_id": "s", "signalling_url": "u", "capabilities": [1]},
        ),
    ],
    "convai": [
        ("the first moment of time", "/user", {"apiAuthToken": "t", "expirationTime": "0001-01-01T00:00:00+14:00"}),
        ("the last moment of time", "/user", {"apiAuthToken": "t", "expirationTime": "9999-12-31T23:59:59-14:00"}),
        ("a time that is a number", "/user", {"apiAuthToken": "t", "expirationTime": 5}),
    ],
    "trulience": [
        ("a token that ends never", "/auth", {"jwt": "t", "expires_in": 10**18}),
        ("an error code that is a list", "/auth", {"error": {"code": [33]}}),
    ],
}


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
def test_a_vendors_odd_answer_is_no_fault_of_ours(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    met = {}
    for name, path, body in MAD[vendor.name]:
        for status in (200, 400):
            made.twin.reset()
            if vendor is ODYSSEY:
                made.module.sign_in.forget()
            made.twin.fault(Fault(path=path, status=status, body=body))
            met[name, status] = made.ask(vendor.event).body.get("code")
    assert [case for case, code in met.items() if code in OUR_FAULT] == []


OUR_FAULT = {"internal_error", "invalid_request", "unauthenticated"}
WORDS = [
    "errors",
    "error",
    "detail",
    "details",
    "code",
    "status",
    "retry_after_seconds",
    "expires_in",
    "expirationTime",
]
FITTING = [16, 33, 36, 401, "401", "RATE_LIMITED", "UNAUTHORIZED", "API key", 10**15, True, 1.5]
mad = st.recursive(
    st.none() | st.sampled_from(FITTING) | st.integers(-(10**18), 10**18) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*WORDS, "jwt", "sessionToken", "apiAuthToken", "access_token"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
def test_whatever_a_vendor_says_the_answer_is_ours(
    unlimited: Fresh, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.retry.Retry._sleep_backoff", lambda _: None)
    made = unlimited(vendor.name)

    @given(mad, st.sampled_from([200, 201, 204, 302, 400, 401, 403, 422, 429, 500, 503]))
    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    def ask(body: Any, status: int) -> None:
        made.twin.reset()
        made.module.vendor._keys._refusals.clear()
        made.twin.fault(Fault(status=status, body=body))
        answer = made.ask(vendor.event)
        assert answer.status == 201 or answer.body["code"] not in {
            "internal_error",
            "invalid_request",
            "unauthenticated",
        }

    ask()
