"""What holds for every vendor: bodies, callers, secrets, and a vendor that is away, slow, broken, or not itself."""

import base64
import gzip
import json
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pytest

from local import parameters
from local.twins import twins
from local.twins.twin import Fault, MintCall
from tests.functions.contract import (
    ERROR,
    INVALID,
    MALFORMED,
    NOT_CONFIGURED,
    NOT_FOUND,
    NOT_JSON,
    TIMED_OUT,
    TOO_LARGE,
    UNAUTHENTICATED,
    UNAVAILABLE,
    Fresh,
    Said,
    faults,
    minted,
    said,
)
from tests.trust.unlimited import NoTable
from tests.vendors import MINTS, ROOT

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer, Function
    from tests.functions.conftest import Wire

CALLS: dict[str, tuple[MintCall, ...]] = {
    vendor: twins()[vendor].mint_calls if vendor in twins() else () for vendor in MINTS
}
"""What each mint asks its vendor, as the twins tell it; nothing where a key is leased or a token signed here."""

ASKING = {vendor: event for vendor, event in MINTS.items() if CALLS[vendor]}
PLAIN_HEADERS = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-type", "content-length"}

EVENTS = sorted(path.stem for path in ROOT.glob("events/*.json") if path.stem.partition("-")[0] in MINTS)
"""One for every route of every vendor."""

every_mint = pytest.mark.parametrize(("vendor", "event"), MINTS.items(), ids=MINTS)
by_kind = pytest.mark.parametrize(
    ("vendor", "event"), [(vendor, MINTS[vendor]) for vendor in ("convai", "trulience")], ids=["no field", "a field"]
)
"""The layer decodes every body. Its rules are tried with a body that needs no field and with one that needs some."""

every_asking_mint = pytest.mark.parametrize(("vendor", "event"), ASKING.items(), ids=ASKING)


class Upstream(NamedTuple):
    """A call to a vendor. token: the field without which its answer is of no use."""

    vendor: str
    path: str
    token: str


UPSTREAMS = [Upstream(vendor, call.path, call.token) for vendor, calls in CALLS.items() for call in calls]
every_upstream = pytest.mark.parametrize(
    "upstream", UPSTREAMS, ids=[f"{upstream.vendor}-{upstream.token}" for upstream in UPSTREAMS]
)


# Mints


def test_no_twin_is_left_over() -> None:
    assert {*twins(), *parameters.PAIRS} - MINTS.keys() == set()


@every_mint
def test_a_mint_asks_its_vendor_what_the_twin_tells_and_no_more(function: Fresh, vendor: str, event: str) -> None:
    minting = function(vendor)
    assert minted(minting.ask(event))
    assert [call.path for call in minting.twin.calls] == [call.path for call in CALLS[vendor]]


@every_asking_mint
def test_the_vendor_gets_its_key_and_nothing_of_the_callers(function: Fresh, vendor: str, event: str) -> None:
    theirs = {"origin": "https://a.example", "authorization": "Bearer caller", "cookie": "a=b", "x-api-key": "c"}
    minting = function(vendor)
    assert minted(minting.ask(event, headers={"content-type": "application/json", **theirs}))
    sent = [call.headers.keys() - PLAIN_HEADERS for call in minting.twin.calls]
    assert sent == [{call.header} - {""} for call in CALLS[vendor]]
    assert not any("caller" in str(call) for call in minting.twin.calls)


@every_asking_mint
def test_every_caller_gets_a_credential_of_its_own(function: Fresh, vendor: str, event: str) -> None:
    minting = function(vendor)
    ada, bob = (minted(minting.ask(event, sub=caller)).fields for caller in ("ada", "bob"))
    assert ada[CALLS[vendor][-1].token] != bob[CALLS[vendor][-1].token]


# Bodies

WRONG = {
    "malformed": "{",
    "half an object": '{"a":}',
    "single quotes": "{'a': 1}",
    "a word": "nope",
    "two values": "{}{}",
    "a comma too many": '{"a": 1,}',
    "not a number": '{"a": NaN}',
    "a control character": '{"a": "\x00"}',
    "a byte order mark": "\ufeff{}",
    "white space": " \n",
    "an array": "[]",
    "an array of objects": "[{}]",
    "null": "null",
    "true": "true",
    "a number": "42",
    "a huge number": "1e999",
    "a text": '"text"',
    "a deep array": "[" * 8_000,
    "a deep object": '{"a":' * 3_000,
    "an unknown field": '{"unknown": 1}',
    "a huge number in a field": '{"unknown": 1e999}',
    "a long number in a field": '{"unknown": ' + "9" * 5_000 + "}",
    "a field twice": '{"unknown": 1, "unknown": 2}',
    "NUL in a name": '{"a\\u0000b": 1}',
    "an emoji for a name": '{"\\ud83d\\ude00": 1}',
    "half an emoji for a name": '{"\\ud83d": 1}',
    "an empty name": '{"": 1}',
    "a name that JavaScript minds": '{"__proto__": {}}',
    "1500 unknown fields": json.dumps({str(count): 0 for count in range(1_500)}),
}
TOO_LARGE_BODIES = {
    "a long text": json.dumps({"a": "x" * 16_384}),
    "a very deep array": "[" * 100_000,
    "a megabyte of white space": " " * 1_000_000,
}
TABLE = {name: (body, INVALID) for name, body in WRONG.items()} | {
    name: (body, TOO_LARGE) for name, body in TOO_LARGE_BODIES.items()
}


def assert_refused(answer: "Answer", expected: Said, calls: list[Any]) -> None:
    """With the right problem, and without asking the vendor."""
    assert said(answer) == expected
    assert calls == []


@every_mint
def test_every_function_reads_requests_by_the_layers_rules(warm: Fresh, vendor: str, event: str) -> None:
    minting = warm(vendor)
    problems = [said(minting.ask(event, body)) for body in ("{", '{"unknown": 1}', " " * 1_000_000)]
    problems += [said(minting.ask(event, "{}", headers={})), said(minting.ask(event, routeKey="$default"))]
    assert problems == [INVALID, INVALID, TOO_LARGE, NOT_JSON, NOT_FOUND]
    assert minting.twin.calls == []


@by_kind
@pytest.mark.parametrize(("body", "problem"), TABLE.values(), ids=TABLE)
def test_a_body_that_is_wrong_is_refused(warm: Fresh, vendor: str, event: str, body: str, problem: Said) -> None:
    minting = warm(vendor)
    answer = minting.ask(event, body)
    assert_refused(answer, problem, minting.twin.calls)
    assert problem == TOO_LARGE or faults(answer)


@by_kind
@pytest.mark.parametrize(
    "body",
    [
        base64.b64encode(body).decode()
        for body in (b'{"a": "\xff"}', b'{"\xff": 1}', b"\xff\xfe{\x00}\x00", '{"a": "é"}'.encode("latin-1"), b"\x00")
    ]
    + ["%%%", "e30", "e30=\n", "é", "="],
)
def test_a_body_in_base64_that_is_wrong_is_refused(warm: Fresh, vendor: str, event: str, body: str) -> None:
    minting = warm(vendor)
    answer = minting.ask(event, body=body, isBase64Encoded=True)
    assert_refused(answer, INVALID, minting.twin.calls)


def test_an_absent_body_lacks_what_the_vendor_needs(warm: Fresh, bundle: "Bundle") -> None:
    trulience = warm("trulience")
    absent = bundle.event(MINTS["trulience"]) | {"body": None}
    assert_refused(trulience.send(absent), INVALID, trulience.twin.calls)


@pytest.mark.parametrize(
    ("vendor", "body", "fields"),
    [
        (
            "spatius",
            {"ttl_seconds": 1, "region": "x", "avatarId": 5, "y": 0},
            ["avatarId", "region", "ttl_seconds", "y"],
        ),
        ("odyssey", {"region_latencies": 5, "x": 1, "y": 2}, ["region_latencies", "x", "y"]),
        ("spatialgen", {"role": "admin", "key": "upload"}, ["key", "role"]),
        ("convai", {"expirationTime": "soon", "x": {}}, ["expirationTime", "x"]),
        ("trulience", {"avatar_id": 5, "expire_at": 59, "x": None}, ["avatar_id", "expire_at", "x"]),
        ("trulience", {"expire_at": "60", "x": None}, ["avatar_id", "expire_at", "x"]),
    ],
)
def test_all_faults_of_a_body_are_told_at_once(warm: Fresh, vendor: str, body: Any, fields: list[str]) -> None:
    minting = warm(vendor)
    answer = minting.ask(MINTS[vendor], body)
    assert_refused(answer, INVALID, minting.twin.calls)
    assert faults(answer) == fields


def test_all_faults_of_a_map_are_told_at_once(warm: Fresh) -> None:
    answer = warm("odyssey").ask("odyssey-mint", {"region_latencies": {"a": -1, "b": "x", "c": 1}})
    assert (said(answer), len(faults(answer))) == (INVALID, 2)


@by_kind
@pytest.mark.parametrize(
    "headers",
    [
        {},
        None,
        *(
            {"content-type": kind}
            for kind in ("", "text/plain", "application/x-www-form-urlencoded", "application/jsonp")
        ),
    ],
)
def test_a_body_that_is_not_declared_as_json_is_refused(
    warm: Fresh, vendor: str, event: str, headers: dict[str, str] | None
) -> None:
    minting = warm(vendor)
    assert_refused(minting.ask(event, "{}", headers=headers), NOT_JSON, minting.twin.calls)


@by_kind
@pytest.mark.parametrize("kind", ["APPLICATION/JSON", "application/json; charset=utf-8", " application/json ;x=y"])
def test_json_is_json_in_any_spelling(warm: Fresh, vendor: str, event: str, kind: str) -> None:
    assert minted(warm(vendor).ask(event, sub=uuid4().hex, headers={"content-type": kind}))


@pytest.mark.parametrize("vendor", ["spatius", "odyssey", "spatialgen", "convai"])
@pytest.mark.parametrize("body", ["", None])
@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
def test_nothing_sent_is_the_empty_object(
    warm: Fresh, bundle: "Bundle", vendor: str, body: str | None, headers: dict[str, str]
) -> None:
    sent = bundle.event(MINTS[vendor], sub=uuid4().hex) | {"body": body, "headers": headers}
    assert minted(warm(vendor).send(sent))


# Callers and routes

CLAIMS: dict[str, Any] = {"iss": "https://issuer.example.com", "sub": "alice"}
UNVERIFIED: list[Any] = [
    *[None, {}, {"jwt": None}, {"jwt": {}}, {"jwt": {"claims": None}}, {"jwt": {"claims": []}}, {"lambda": CLAIMS}],
    *[{"jwt": {"claims": claims}} for claims in ({}, {"sub": "alice"}, {"iss": CLAIMS["iss"]})],
    *[{"jwt": {"claims": CLAIMS | {"sub": sub}}} for sub in ("", "a" * 256, 5, None, ["alice"])],
    *[{"jwt": {"claims": CLAIMS | {"iss": iss}}} for iss in ("", "a" * 256, None)],
]


@by_kind
@pytest.mark.parametrize("authorizer", UNVERIFIED, ids=lambda authorizer: str(authorizer)[:60])
def test_without_verified_claims_nothing_is_minted(
    warm: Fresh, bundle: "Bundle", vendor: str, event: str, authorizer: Any
) -> None:
    minting = warm(vendor)
    sent = bundle.event(event)
    sent["requestContext"]["authorizer"] = authorizer
    assert_refused(minting.send(sent), UNAUTHENTICATED, minting.twin.calls)


@pytest.mark.parametrize("event", EVENTS)
def test_without_an_authorizer_no_route_of_a_vendor_answers(warm: Fresh, bundle: "Bundle", event: str) -> None:
    function = warm(event.partition("-")[0])
    sent = bundle.event(event)
    del sent["requestContext"]["authorizer"]
    assert_refused(function.send(sent), UNAUTHENTICATED, function.twin.calls)


@by_kind
@pytest.mark.parametrize("route", ["DELETE /v1/anything", "$default", "", "POST /v1/spatius/session-tokens/"])
def test_an_unknown_route_is_not_found(warm: Fresh, vendor: str, event: str, route: str) -> None:
    minting = warm(vendor)
    assert_refused(minting.ask(event, routeKey=route), NOT_FOUND, minting.twin.calls)


# Secrets


NO_KEYS: list[Any] = [
    *[{"api_key": key} for key in (5, None, "", " ", "a b", "a\nb", "a\r\nX-Other: b", "clé", "a\x00", "a" * 4097)],
    *[{}, [], None, "a-key", {"api-key": "a-key"}],
]


@every_asking_mint
def test_a_secret_that_holds_no_key_is_not_configured(function: Fresh, vendor: str, event: str) -> None:
    minting = function(vendor, "not JSON")
    assert said(minting.ask(event)) == NOT_CONFIGURED
    for secret in NO_KEYS:
        minting.put_key(secret)
        assert said(minting.ask(event)) == NOT_CONFIGURED, secret
    assert minting.twin.calls == []


@every_mint
def test_a_secret_that_is_missing_is_not_configured(function: Fresh, vendor: str, event: str) -> None:
    minting = function(vendor, API_KEY_SECRET="no-such-secret")
    assert_refused(minting.ask(event), NOT_CONFIGURED, minting.twin.calls)


@every_mint
def test_a_secret_as_the_template_creates_it_is_not_configured(
    function: Fresh, valueless: str, vendor: str, event: str
) -> None:
    minting = function(vendor, API_KEY_SECRET=valueless)
    assert_refused(minting.ask(event), NOT_CONFIGURED, minting.twin.calls)


@every_asking_mint
def test_white_space_around_a_key_is_dropped(function: Fresh, vendor: str, event: str) -> None:
    padded = {name: f" {key}\r\n" for name, key in parameters.secret(vendor).items()}
    assert minted(function(vendor, padded).ask(event))


def test_white_space_around_a_leased_key_is_dropped(function: Fresh) -> None:
    secret = {"readonly": {"key": "a-key\n", "expires_at": "2999-01-01T00:00:00Z"}}
    assert minted(function("spatialgen", secret).ask("spatialgen-lease")).fields["key"] == "a-key"


# Vendors in trouble

PAGE = "<!doctype html><title>Welcome</title>"
BROKEN = {
    "HTML": (Fault(body=PAGE), MALFORMED.of(200)),
    "nothing": (Fault(status=200, body=""), MALFORMED.of(200)),
    "no content": (Fault(status=204), MALFORMED.of(204)),
    "an empty object": (Fault(body={}), MALFORMED.of(200)),
    "an array": (Fault(body=[]), MALFORMED.of(200)),
    "null": (Fault(body="null"), MALFORMED.of(200)),
    "a number": (Fault(body="5"), MALFORMED.of(200)),
    "half an object": (Fault(body='{"'), MALFORMED.of(200)),
    "a deep array": (Fault(body="[" * 100_000), MALFORMED.of(200)),
    "a deep object": (Fault(body='{"error":' * 100_000), MALFORMED.of(200)),
    "a cut answer": (Fault(mode="cut"), MALFORMED.of(None)),
    "a dropped connection": (Fault(mode="drop"), UNAVAILABLE.of(None, retry_after=2)),
    "invalid gzip": (Fault(body=PAGE, headers={"Content-Encoding": "gzip"}), MALFORMED.of(None)),
    "too short a length": (Fault(body={"a": "b"}, headers={"Content-Length": "5"}), MALFORMED.of(200)),
    "a huge answer": (Fault(body="x" * 5_000_000), MALFORMED.of(None)),
}
LATE = {
    "slow": Fault(delay=0.7),
    "dripping": Fault(body=PAGE, mode="drip", pause=0.02),
    "too long a length": Fault(body={}, headers={"Content-Length": "1000"}),
}


def faulty(minting: "Function", upstream: Upstream, fault: Fault, timeout: float = 25) -> "Answer":
    """What a mint says when this one call of the vendor's goes wrong. It never tells the key, or the vendor's own words."""
    minting.twin.fault(Fault(**vars(fault) | {"path": upstream.path}))
    answer = minting.ask(MINTS[upstream.vendor], sub=uuid4().hex, timeout=timeout)
    assert not any(secret in answer.raw["body"] for secret in (*minting.twin.keys, "Welcome"))
    return answer


@every_upstream
@pytest.mark.parametrize(("fault", "problem"), BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_none_is_told_as_what_it_is(
    warm: Fresh, upstream: Upstream, fault: Fault, problem: Said
) -> None:
    assert said(faulty(warm(upstream.vendor), upstream, fault)) == problem


@every_upstream
@pytest.mark.parametrize("fault", LATE.values(), ids=LATE)
def test_an_answer_that_comes_late_does_not_hold_the_caller(
    warm: Fresh, upstream: Upstream, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    minting = warm(upstream.vendor)
    monkeypatch.setattr(minting.module.vendor.table, "_client", NoTable())  # all of the time is the vendor's
    began = monotonic()
    assert said(faulty(minting, upstream, fault, timeout=1.2)) == TIMED_OUT  # a second of it is the function's own
    assert monotonic() - began < 1.2


@every_asking_mint
def test_the_deadline_is_the_deployments(function: Fresh, vendor: str, event: str) -> None:
    minting = function(vendor, DEADLINE_SECONDS="0.3")
    minting.module.vendor.table._client = NoTable()
    minting.twin.fault(LATE["slow"])
    began = monotonic()
    assert said(minting.ask(event)) == TIMED_OUT
    assert monotonic() - began < 1.3


@every_upstream
def test_a_success_without_a_token_is_none(warm: Fresh, upstream: Upstream) -> None:
    minting = warm(upstream.vendor)
    minting.twin.omit = upstream.token
    answer = minting.ask(MINTS[upstream.vendor], sub=uuid4().hex)
    assert said(answer) == MALFORMED.of(minting.twin.calls[-1].status)


@every_upstream
def test_a_success_with_an_empty_token_is_none(warm: Fresh, upstream: Upstream) -> None:
    body = {"signalling_url": "wss://a", upstream.token: ""}
    assert said(faulty(warm(upstream.vendor), upstream, Fault(body=body))) == MALFORMED.of(200)


@every_upstream
@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_is_not_followed(warm: Fresh, bundle: "Bundle", upstream: Upstream, status: int) -> None:
    other = bundle.twins["trulience" if upstream.vendor == "convai" else "convai"]
    fault = Fault(status=status, headers={"Location": other.url + upstream.path}, body=PAGE)
    assert said(faulty(warm(upstream.vendor), upstream, fault)) == ERROR.of(status)
    assert other.calls == []
    asked = [call.path for call in bundle.twins[upstream.vendor].calls]
    assert asked.count(upstream.path) == 1


@every_asking_mint
def test_a_vendor_that_is_down_is_unavailable(
    function: Fresh, bundle: "Bundle", nobody: str, vendor: str, event: str
) -> None:
    minting = function(vendor, **{bundle.twins[vendor].url_variable: nobody})
    began = monotonic()
    assert said(minting.ask(event)) == UNAVAILABLE.of(None, retry_after=2)
    assert monotonic() - began < 2


def http(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Connection: close", *headers, b"", body])


WIRES = {
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", UNAVAILABLE.of(None, retry_after=2)),
    "not even text": (bytes(range(256)), UNAVAILABLE.of(None, retry_after=2)),
    "nothing": (b"", UNAVAILABLE.of(None, retry_after=2)),
    "a head without an end": (b"HTTP/1.1 200 OK\r\nContent-Le", MALFORMED.of(200)),
    "no UTF-8": (http(b'{"error": "\xff", "x": 1}'), MALFORMED.of(200)),
    "UTF-16": (http('{"error": "x"}'.encode("utf-16")), MALFORMED.of(200)),
    "a broken chunk": (http(b"ZZ\r\n{}", b"Transfer-Encoding: chunked"), MALFORMED.of(None)),
    "too few chunks": (http(b"2\r\n{}\r\n", b"Transfer-Encoding: chunked"), MALFORMED.of(None)),
    "a bomb": (http(gzip.compress(bytes(20_000_000), 1), b"Content-Encoding: gzip"), MALFORMED.of(None)),
    "half a gzip": (http(gzip.compress(b"{}" * 999)[:20], b"Content-Encoding: gzip"), MALFORMED.of(200)),
}


@every_asking_mint
def test_whatever_comes_over_the_wire_has_its_problem(
    function: Fresh, bundle: "Bundle", wire: "Wire", vendor: str, event: str
) -> None:
    minting = function(vendor, **{bundle.twins[vendor].url_variable: wire.url})
    for name, (answer, problem) in WIRES.items():
        wire.answer = answer
        began = monotonic()
        assert said(minting.ask(event, sub=uuid4().hex)) == problem, name
        assert monotonic() - began < 2, name
