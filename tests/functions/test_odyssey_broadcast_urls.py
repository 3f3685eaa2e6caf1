"""Odyssey's broadcasts: a host can send viewers, and their token, to the vendor's hosts only."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from tests.functions.contract import INVALID, NOT_ALLOWED, Fresh, faults, said

if TYPE_CHECKING:
    from tests.conftest import Answer, Function

TOKEN = "a-spectator-token"
GOOD = [
    "https://stream.odyssey.ml",
    "https://stream.odyssey.ml/",
    "https://stream.odyssey.ml/b/1",
    "wss://stream.odyssey.ml/b",
    "https://a.b.c.odyssey.ml/b",
    "https://a-b.odyssey.ml/b",
    "https://1.odyssey.ml/b",
    "https://xn--bcher-kva.odyssey.ml/b",
    "https://STREAM.Odyssey.ML/b",
    "https://stream.odyssey.ml:443/b",
    "https://stream.odyssey.ml:443",
    "wss://a.odyssey.ml:443?a",
    "https://stream.odyssey.ml?user=a&password=b",
    "https://stream.odyssey.ml/b?next=https://evil.com/",
    "https://stream.odyssey.ml/@evil.com/",
    "https://stream.odyssey.ml/%2e%2e/%00",
    "https://stream.odyssey.ml//evil.com",
    "https://stream.odyssey.ml/b#evil.com",
    "https://stream.odyssey.ml/" + "b" * (2048 - 26),
]
"""Everything behind the host goes to the host."""

REFUSED: dict[str, list[Any]] = {
    "another scheme": [
        "http://stream.odyssey.ml/b",
        "ws://stream.odyssey.ml/b",
        "ftp://stream.odyssey.ml/",
        "file:///etc/passwd",
        "javascript:alert(1)//stream.odyssey.ml/",
        "data:text/html,stream.odyssey.ml",
        "blob:https://stream.odyssey.ml/b",
        "HTTPS://stream.odyssey.ml/b",
        "Https://stream.odyssey.ml/",
        "https+wss://stream.odyssey.ml/",
    ],
    "no scheme": ["stream.odyssey.ml/b", "//stream.odyssey.ml/b", "/b", "://stream.odyssey.ml/b", ""],
    "slashes": [
        r"https:stream.odyssey.ml/b",
        r"https:/stream.odyssey.ml/b",
        r"https:\\stream.odyssey.ml/b",
        r"https:/\stream.odyssey.ml",
        r"https:\/stream.odyssey.ml",
    ],
    "no host": [
        "https://",
        "https:///b",
        "https://?b",
        "https://#b",
        "https://:443/b",
        "https://@/b",
        "https:////evil.com/b",
    ],
    "a user": [
        "https://user@stream.odyssey.ml/b",
        "https://user:password@stream.odyssey.ml/b",
        "https://@stream.odyssey.ml/b",
        "https://stream.odyssey.ml@evil.com/b",
        "https://stream.odyssey.ml:443@evil.com/b",
        "https://:@stream.odyssey.ml/b",
        "https://stream.odyssey.ml%40evil.com/b",
        "https://evil.com%40stream.odyssey.ml/b",
        "https://a@b@stream.odyssey.ml/",
    ],
    "no port": [
        f"https://stream.odyssey.ml:{port}/b"
        for port in ("", "+443", " 443", "443 ", "443x", "443:443", "000443", "٤٤٣", "443\\")
    ],
    "backslashes": [
        r"https://evil.com\.odyssey.ml/b",
        r"https://evil.com\@stream.odyssey.ml/b",
        r"https://stream.odyssey.ml\b",
        r"https://stream.odyssey.ml\@evil.com/b",
        r"https://stream.odyssey.ml\.evil.com/b",
        r"\\stream.odyssey.ml\b",
    ],
    "percent": [
        "https://evil.com%2f.odyssey.ml/b",
        "https://evil.com%23.odyssey.ml/",
        "https://evil.com%3f.odyssey.ml/",
        "https://stream.odyssey%2eml/b",
        "https://stream%00.odyssey.ml/b",
        "https://%65vil.odyssey.ml/",
        "https://evil.com%5c.odyssey.ml/",
    ],
    "not ASCII": [
        "https://strëam.odyssey.ml/b",
        "https://stream\u3002odyssey.ml/b",
        "https://stream.odyssey\u3002ml/b",
        "https://stream.odyssey.ml/é",
        "https://evil.com\uff0f.odyssey.ml/b",
        "https://evil.com\uff03.odyssey.ml/",
        "https://evil.com\uff1f.odyssey.ml/",
        "https://\u017ftream.odyssey.ml/b",
        "https://stream.odyssey.m\u2113/b",
        "https://evil.com\u2100.odyssey.ml/",
    ],
    "invisible characters": [
        f"https://stream{unseen}.odyssey.ml{other}/b"
        for unseen in ("\u200b", "\u00ad", "\u202e", "\ufeff", "\u00a0", "\u2028")
        for other in ("", unseen)
    ],
    "white space": [
        f"{before}https://{first}stream.odyssey.ml{last}/b{after}"
        for space in " \t\n\r\v\f\0\x7f"
        for before, first, last, after in (
            *((space, "", "", ""), ("", space, "", ""), ("", "", space, ""), ("", "", "", space)),
            *(("", f"evil.com/{space}", "", ""), ("", "", f"{space}.evil.com", ""), ("", "", "", f"{space}c")),
            (f"http://evil.com/{space}", "", "", ""),
        )
    ],
    "a fragment in place of a path": [
        "https://stream.odyssey.ml#/b",
        "https://evil.com#.odyssey.ml/b",
        "https://evil.com#@stream.odyssey.ml/",
    ],
    "an IPv6 address": ["https://[::1]/b", "https://[::ffff:127.0.0.1]:443/b", "https://[stream.odyssey.ml]/b"],
    "not a host": [
        "https://.odyssey.ml/b",
        "https://..odyssey.ml/b",
        "https://a..odyssey.ml/b",
        "https://stream.odyssey.ml./b",
        "https://./b",
        "https://localhost/b",
        "https://stream_1.odyssey.ml/b",
        "https://*.odyssey.ml/b",
        "https://a,b.odyssey.ml/",
        "https://(a).odyssey.ml/",
        "https://a;b.odyssey.ml/",
        "https://a&b.odyssey.ml/",
    ],
    "too long": ["https://stream.odyssey.ml/" + "b" * (2049 - 26), f"https://{'a' * 250}.odyssey.ml/b"],
    "not a string": [5, True, [], {}, ["https://stream.odyssey.ml/b"]],
}
ELSEWHERE = [
    *(f"https://stream.odyssey.ml:{port}/b" for port in (80, 8443, 4430, 44, "0443", 65979)),
    "https://odyssey.ml.evil.com/b",
    "https://stream.odyssey.ml.evil.com/b",
    "https://evilodyssey.ml/b",
    "https://stream-odyssey.ml/b",
    "https://odyssey.ml/b",
    "https://stream.odyssey.mlx/b",
    "https://stream.odyssey.m/b",
    "https://stream.odyssey.co/b",
    "https://odyssey.evil.ml/b",
    "https://evil.com/.odyssey.ml",
    "https://evil.com?.odyssey.ml",
    "https://evil.com/@stream.odyssey.ml/",
    "https://evil.com:443/stream.odyssey.ml",
    "https://127.0.0.1/b",
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.1:443/b",
    "https://127.1/b",
    "https://0x7f.0.0.1/b",
    "https://stream.0dyssey.ml/b",
    "https://xn--odyssey-9za.ml/b",
    "https://stream.xn--odyssey.ml/b",
    "wss://evil.com/stream.odyssey.ml",
]


@pytest.fixture
def odyssey(tableless: Fresh) -> "Function":
    return tableless("odyssey")


def register(odyssey: "Function", **fields: object) -> "Answer":
    return odyssey.ask("odyssey-register", {"webrtc_url": GOOD[0], "spectator_token": TOKEN} | fields)


def test_urls_on_the_vendors_hosts_are_returned_unchanged(warm: Fresh) -> None:
    odyssey = warm("odyssey")
    for url in GOOD:
        answer = register(odyssey, webrtc_url=url, hls_url=url)
        assert answer.status == 201, url
        watched = odyssey.ask("odyssey-watch", pathParameters={"id": answer.body["id"]}).body
        assert (watched["webrtc_url"], watched["hls_url"]) == (url, url)


@pytest.mark.parametrize("field", ["webrtc_url", "hls_url"])
@pytest.mark.parametrize("trick", REFUSED)
def test_a_malformed_or_insecure_url_is_refused(odyssey: "Function", trick: str, field: str) -> None:
    for url in REFUSED[trick]:
        answer = register(odyssey, **{field: url})
        assert (said(answer), faults(answer)) == (INVALID, [field]), url


@pytest.mark.parametrize("field", ["webrtc_url", "hls_url"])
def test_the_refusal_of_an_unlisted_host_names_the_parameter_that_lists_hosts(odyssey: "Function", field: str) -> None:
    for url in ELSEWHERE:
        answer = register(odyssey, **{field: url})
        assert (said(answer), faults(answer)) == (NOT_ALLOWED, [field]), url
        message = answer.body["errors"][0]["message"]
        assert "parameter OdysseyBroadcastHosts " in message
        assert "ODYSSEY_BROADCAST_HOSTS" in message


def test_a_host_listed_with_a_port_is_allowed_at_that_port_only(tableless: Fresh) -> None:
    odyssey = tableless("odyssey", ODYSSEY_BROADCAST_HOSTS=".odyssey.ml:8889")
    told = {port: register(odyssey, webrtc_url=f"https://stream.odyssey.ml{port}/b") for port in (":8889", ":8888", "")}
    assert [said(told[port]) if port != ":8889" else told[port].status for port in told] == [
        201,
        NOT_ALLOWED,
        NOT_ALLOWED,
    ]


def test_a_refusal_names_all_errors_at_once(odyssey: "Function") -> None:
    elsewhere = register(odyssey, webrtc_url=ELSEWHERE[0], hls_url=ELSEWHERE[1])
    assert (said(elsewhere), faults(elsewhere)) == (NOT_ALLOWED, ["hls_url", "webrtc_url"])
    wrong: dict[str, Any] = {
        "webrtc_url": "x",
        "hls_url": "y",
        "spectator_token": "",
        "viewers": 0,
        "ttl_seconds": 0,
        "more": 1,
    }
    refused = register(odyssey, **wrong)
    assert (said(refused), faults(refused)) == (INVALID, sorted(wrong))


def test_a_refusal_does_not_repeat_the_request(odyssey: "Function") -> None:
    for url in (f"https://evil.com/?token={TOKEN}", f"http://{TOKEN}"):
        assert TOKEN not in register(odyssey, webrtc_url=url).raw["body"]


@pytest.mark.parametrize(
    ("hosts", "allowed"),
    [
        ("", set()),
        (".odyssey.ml", {"a.odyssey.ml", "b.a.odyssey.ml"}),
        ("odyssey.ml", {"odyssey.ml"}),
        ("a.odyssey.ml,.cdn.example", {"a.odyssey.ml", "x.cdn.example"}),
        (".a.odyssey.ml", {"b.a.odyssey.ml"}),
        (".ml", {"odyssey.ml", "a.odyssey.ml", "b.a.odyssey.ml", "evilodyssey.ml"}),
    ],
)
def test_a_listed_name_with_a_dot_allows_all_hosts_below_it(tableless: Fresh, hosts: str, allowed: set[str]) -> None:
    odyssey = tableless("odyssey", ODYSSEY_BROADCAST_HOSTS=hosts)
    asked = ["odyssey.ml", "a.odyssey.ml", "b.a.odyssey.ml", "evilodyssey.ml", "cdn.example", "x.cdn.example"]
    assert {host for host in asked if register(odyssey, webrtc_url=f"https://{host}/b").status == 201} == allowed


PIECES = [
    *("https://", "wss://", "http://", "//", "/", "\\", "@", ":", ":443", ":80", "?", "#", "&", "%2e", "%40", "%2f"),
    *(
        "stream.odyssey.ml",
        ".odyssey.ml",
        "odyssey.ml",
        "evil.com",
        "127.0.0.1",
        "[::1]",
        "user",
        ".",
        "-",
        "é",
        "\u3002",
    ),
    *("\t", "\n", " ", "\0"),
]
rest = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
tricky = rest | rest.map("https://stream.odyssey.ml".__add__) | rest.map("https://".__add__)


def accepted(module: Any, url: str) -> bool:
    try:
        body = msgspec.convert({"webrtc_url": url, "spectator_token": TOKEN}, module.BroadcastRequest)
    except msgspec.ValidationError:
        return False
    return not list(module.forbidden_hosts(body, None))


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(url=tricky)
def test_every_url_parser_finds_the_vendors_host_in_an_accepted_url(odyssey: "Function", url: str) -> None:
    if not accepted(odyssey.module.broadcasts, url):
        return
    parts = urlsplit(url)
    assert parts.scheme in {"https", "wss"}
    assert (parts.username, parts.password, parts.port or 443) == (None, None, 443)
    assert (parts.hostname or "").endswith(".odyssey.ml")
    other = parse_url(url)
    assert (other.host, other.auth) == (parts.hostname, None)
