"""What a hostile caller, or a vendor gone mad, can send; and that it comes to nothing."""

import base64
import json
from collections.abc import Iterator
from time import thread_time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.twins.twin import Fault
from minting.problems import CATALOGUE
from tests.functions.contract import Fresh
from tests.trust.unlimited import replies
from tests.trust.vendors import ALL, ASKED, Vendor, fields, listed
from tests.vendors import EVENTS

if TYPE_CHECKING:
    from local.bundle import Bundle
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


def refused(answer: "Answer", *codes: str) -> None:
    """Holds an answer to be one of our own problems, for which nobody else was asked."""
    assert answer.body["code"] in codes
    assert answer.status == CATALOGUE[answer.body["code"]].status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
def test_nothing_but_plain_ids_reach_a_vendor_even_where_all_are_allowed(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    for field, kind in fields(made, vendor.event).items():
        for text in NASTY if takes_text(kind) else ():
            value = {text: 5} if isinstance(kind, msgspec.inspect.DictType) else text
            refused(made.ask(vendor.event, vendor.body | {field: value}), "invalid_request")
    assert made.twin.calls == []


def takes_text(kind: msgspec.inspect.Type) -> bool:
    """Whether a caller's text may be in a field of this type: as its value, or as a name in it."""
    match kind:
        case msgspec.inspect.UnionType():
            return any(map(takes_text, kind.types))
        case msgspec.inspect.DictType():
            return takes_text(kind.key_type)
        case msgspec.inspect.ListType():
            return takes_text(kind.item_type)
    return isinstance(kind, msgspec.inspect.StrType)


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_an_id_that_is_not_listed_is_refused_however_it_is_written(function: Fresh, vendor: Vendor) -> None:
    made = function(vendor.name)
    for field, name in listed(made, vendor).items():
        other_cases = {name.upper(), name.lower(), name.title(), name.swapcase()} - {name}
        for text in (f"{name}0", name[:-1], "other", f"{name},{name}", f"{name} ", f" {name}", "*", *other_cases):
            refused(made.ask(vendor.event, vendor.body | {field: text}), "not_allowed", "invalid_request")
        for value in ([name], {"$eq": name}, 4386676996480451678, True, {}):
            refused(made.ask(vendor.event, vendor.body | {field: value}), "invalid_request")
        assert made.twin.calls == []
        assert made.ask(vendor.event, vendor.body | {field: name}).status == 201
        made.twin.reset()


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_of_a_field_sent_twice_the_one_that_is_checked_is_the_one_that_is_used(function: Fresh, vendor: Vendor) -> None:
    made = function(vendor.name)
    for field, name in listed(made, vendor).items():
        rest = "".join(
            f", {json.dumps(other)}: {json.dumps(value)}" for other, value in vendor.body.items() if other != field
        )
        first, second = (f'"{field}": {json.dumps(value)}' for value in (name, "999"))
        refused(made.ask(vendor.event, f"{{{first}, {second}{rest}}}"), "not_allowed", "invalid_request")
        answer = made.ask(vendor.event, f"{{{second}, {first}{rest}}}")
        assert answer.status in {201, 400, 403}
        assert "999" not in list(answer.body.values())
        assert all(b'"999"' not in call.body for call in made.twin.calls)


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
    assert {call.path for call in made.twin.calls} == set(vendor.paths)
    assert "forged" not in json.dumps([[call.path, call.query, call.headers] for call in made.twin.calls])


CLAIMS: list[Any] = [
    *(None, {}, [], "alice", {"iss": "i"}, {"sub": "s"}, {"iss": "", "sub": "s"}, {"iss": "i", "sub": ""}),
    *({"iss": "i", "sub": None}, {"iss": "i", "sub": 5}, {"iss": ["i"], "sub": "s"}, {"iss": "i", "sub": "s" * 256}),
    {"iss": "i" * 256, "sub": "s"},
]


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_without_verified_claims_nobody_is_asked_for_anything(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    made.module.vendor._keyring._client = None  # a look at the secret would fail
    made.module.vendor._keyring._held = None
    authorizers: list[Any] = [{"jwt": {"claims": claims}} for claims in CLAIMS]
    for authorizer in [*authorizers, None, {}, {"jwt": None}, {"lambda": {"iss": "i", "sub": "s"}}, "jwt", []]:
        event = made._bundle.event(vendor.event)
        event["requestContext"]["authorizer"] = authorizer
        event["headers"]["authorization"] = "Bearer " + ".".join([base64.b64encode(b'{"alg":"none"}').decode()] * 3)
        refused(made.send(event), "unauthenticated")
    del event["requestContext"]["authorizer"]
    refused(made.send(event), "unauthenticated")
    assert made.twin.calls == []


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_a_route_that_is_not_the_functions_own_is_not_found(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    method, _, path = EVENTS[vendor.event]["routeKey"].partition(" ")
    theirs = next(event["routeKey"] for name, event in EVENTS.items() if name not in vendor.events)
    for route in ("", "$default", f"PUT {path}", f"{method} {path.upper()}", f"{method} {path}/", theirs):
        refused(made.ask(vendor.event, routeKey=route), "not_found")
    assert made.twin.calls == []


events = st.dictionaries(
    st.sampled_from(["headers", "body", "isBase64Encoded", "requestContext", "routeKey", "version"]),
    st.none() | st.booleans() | st.integers() | st.text() | st.dictionaries(st.text(), st.text()) | st.lists(st.text()),
)


@pytest.mark.parametrize("vendor", ALL, ids=lambda vendor: vendor.name)
def test_no_event_makes_a_function_raise(unlimited: Fresh, vendor: Vendor) -> None:
    made = unlimited(vendor.name)

    @given(events)
    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    def ask(changes: dict[str, Any]) -> None:
        answer = made.send(made._bundle.event(vendor.event) | changes)
        assert answer.status == 201 or answer.status == CATALOGUE[answer.body["code"]].status

    ask()


def claims(raw: bytes) -> str:
    return f"a.{base64.b64encode(raw).decode()}.c"


ODD: list[Any] = [
    *(["x"], {"x": 1}, "", "t", "a\r\nX: y", "\u4e2d", "a.é.c", 5, -1, 1.5, 10**18, True, None, "9" * 5000),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "tomorrow"),
    *(
        claims(b"[" * 9999),
        claims(b'{"app_id":"\xff"}'),
        claims(b'{"app_id":["x"],"exp":"x"}'),
        claims(b"{}"),
        claims(b"[]"),
    ),
]
ODD_ERRORS: list[Any] = [
    {"errors": [{"code": ["x"], "status": 400}]},
    {"errors": [{"status": "9" * 5000}]},
    {"errors": {"code": 1}},
    {"error": {"code": [33]}},
    {"error": [{"code": 33}]},
    {"detail": [{"error": 1}]},
    {"detail": {"code": ["x"], "details": [1]}},
]


def odd_answers(bundle: "Bundle", vendor: Vendor) -> Iterator[tuple[str, Any]]:
    """A path of a mint, and what the vendor answers there: an odd error, or a success with one odd field."""
    for path, reply in replies(bundle, vendor).items():
        yield from ((path, error) for error in ODD_ERRORS)
        yield from ((path, reply | {field: value}) for field in reply for value in ODD)


@pytest.mark.parametrize("vendor", ASKED, ids=lambda vendor: vendor.name)
def test_a_vendors_odd_answer_is_no_fault_of_ours(unlimited: Fresh, bundle: "Bundle", vendor: Vendor) -> None:
    made = unlimited(vendor.name)
    met = []
    for path, body in odd_answers(bundle, vendor):
        for status in (200, 400):
            made.twin.reset()
            made.forget_sign_in()
            made.twin.fault(Fault(path=path, status=status, body=body))
            met.append((path, body, status, made.ask(vendor.event).body.get("code")))
    assert [case for case in met if case[-1] in OUR_FAULT] == []


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
        made.module.vendor._keyring._rejections.clear()
        made.twin.fault(Fault(status=status, body=body))
        answer = made.ask(vendor.event)
        assert answer.status == 201 or answer.body["code"] not in {
            "internal_error",
            "invalid_request",
            "unauthenticated",
        }

    ask()
