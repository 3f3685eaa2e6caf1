"""Calls to a vendor: what is asked again and what is not, where a key may go, and when a request ends."""

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from flask import Response, request
from flask.typing import ResponseReturnValue
from hypothesis import given
from hypothesis import strategies as st

from local.twins.twin import Fault, Routes, Twin
from minting import workers
from minting.deadline import Deadline
from minting.problems import KeyRejected, Problem
from minting.replies import Reply, interpret_status
from minting.transport import MAX_REPLY_BYTES
from minting.upstream import Upstream, segment
from tests.minting.conftest import Names
from tests.minting.raw import RawServer

KEY = {"X-Api-Key": "the-key"}
HEADERS = 7
"""How many a call sends: the host, three of the client's, the key, and two about the body."""
GZIP_HEAD = 10


def bomb(megabytes: int) -> bytes:
    """So many megabytes of zeros in gzip: one of them, packed so that its bytes can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    megabyte = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + megabyte * megabytes


BOMB = bomb(1024)
FAR = datetime(2098, 1, 1, tzinfo=UTC)


class PlainTwin(Twin):
    """A vendor of no interpret. Some paths answer with more than anybody should read; all others say where they were sent."""

    vendor = "plain"
    url_variable = "PLAIN_URL"

    def seed(self) -> None:
        self.keys: dict[str, Any] = {}
        self.came = threading.Semaphore(0)

    def routes(self) -> Routes:
        return {
            "POST /zipped": lambda: self.packed("gzip", BOMB),
            "POST /zipped-twice": lambda: self.packed("gzip, gzip", gzip.compress(BOMB)),
            "POST /deflated": lambda: self.packed("deflate", BOMB[GZIP_HEAD:]),
            "POST /largest": lambda: self.padded(MAX_REPLY_BYTES),
            "POST /large": lambda: self.padded(MAX_REPLY_BYTES + 1),
        }

    def packed(self, encoding: str, bomb: bytes) -> ResponseReturnValue:
        return Response(bomb, content_type="application/json", headers={"Content-Encoding": encoding})

    def padded(self, size: int) -> ResponseReturnValue:
        """JSON, and still JSON where its end is cut off."""
        return Response(b'{"target": "all of it"}'.ljust(size), content_type="application/json")

    def carried_key(self) -> str:
        return request.headers.get("X-Api-Key", "")

    def refuse_route(self, status: int) -> ResponseReturnValue:
        del status
        self.came.release()
        return {"target": request.environ["REQUEST_URI"]}, 200


class Where(msgspec.Struct):
    """What PlainTwin says."""

    target: str


@pytest.fixture
def twin() -> Iterator[PlainTwin]:
    twin = PlainTwin()
    twin.start()
    yield twin
    twin.stop()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which pass at once."""
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time", type("Time", (), {"sleep": waits.append, "time": time.time}))
    return waits


def vendor(twin: Twin) -> Upstream:
    return Upstream(twin.url, repeatable=["again"])


def ask(upstream: Upstream, path: str, seconds: float = 5, *, method: str = "POST") -> str:
    """Where the vendor was asked, or the code of the problem."""
    try:
        return upstream.request(method, path, Where, Deadline(seconds), headers=KEY, json={}).target
    except Problem as problem:
        return problem.code


def problem_of(upstream: Upstream, path: str) -> Problem:
    with pytest.raises(Problem) as problem:
        upstream.request("POST", path, Where, Deadline(5), json={})
    return problem.value


def test_one_connection_serves_repeatable_and_other_paths_alike(twin: PlainTwin) -> None:
    upstream = vendor(twin)
    assert [ask(upstream, path) for path in ("once", "again", "once", "again")] == [
        "/once",
        "/again",
        "/once",
        "/again",
    ]
    assert len({call.connection for call in twin.calls}) == 1


def test_a_failure_does_not_cost_the_connection(twin: PlainTwin) -> None:
    upstream = vendor(twin)
    twin.fault(Fault(times=1, status=500, body={"error": "x"}))
    assert [ask(upstream, "once"), ask(upstream, "once")] == ["vendor_error", "/once"]
    assert len({call.connection for call in twin.calls}) == 1


def test_a_connection_that_the_vendor_closed_while_idle_is_opened_anew(twin: PlainTwin) -> None:
    upstream = vendor(twin)
    ask(upstream, "once")
    twin.hang_up()
    assert ask(upstream, "once") == "/once"
    assert len({call.connection for call in twin.calls}) == 2


BROKEN = [
    Fault(times=1, status=502),
    Fault(times=1, status=503),
    Fault(times=1, status=504),
    Fault(times=1, mode="drop"),
]


@pytest.mark.parametrize("fault", BROKEN)
def test_only_a_repeatable_path_is_asked_again(twin: PlainTwin, slept: list[float], fault: Fault) -> None:
    upstream = vendor(twin)
    twin.fault(fault)
    assert (ask(upstream, "again"), len(twin.calls)) == ("/again", 2)
    twin.reset()
    twin.fault(fault)
    assert (ask(upstream, "once"), len(twin.calls)) == ("vendor_unavailable", 1)


def test_a_repeatable_path_is_asked_three_times_at_most_with_growing_waits(twin: PlainTwin, slept: list[float]) -> None:
    twin.fault(Fault(status=503))
    assert (ask(vendor(twin), "again"), len(twin.calls)) == ("vendor_unavailable", 3)
    assert [0.2 <= wait <= 0.3 for wait in slept] == [True]


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 500, 501])
def test_other_statuses_are_final(twin: PlainTwin, slept: list[float], status: int) -> None:
    twin.fault(Fault(status=status))
    ask(vendor(twin), "again")
    assert (len(twin.calls), slept) == (1, [])


@pytest.mark.parametrize("path", ["once", "again"])
def test_half_an_answer_is_not_asked_for_again(twin: PlainTwin, path: str) -> None:
    twin.fault(Fault(path="/", mode="cut"))
    assert (ask(vendor(twin), path), len(twin.calls)) == ("vendor_malformed", 1)


def test_a_short_retry_after_is_kept(twin: PlainTwin, slept: list[float]) -> None:
    twin.fault(Fault(times=1, status=503, headers={"Retry-After": "2"}))
    assert (ask(vendor(twin), "again"), slept) == ("/again", [2])


@pytest.mark.parametrize("path", ["once", "again"])
@pytest.mark.parametrize("status", [413, 429, 502, 503, 504])
@pytest.mark.parametrize("wait", ["3", "86400", format_datetime(FAR, usegmt=True)])
def test_a_longer_retry_after_is_told_and_not_slept(
    twin: PlainTwin, slept: list[float], path: str, status: int, wait: str
) -> None:
    twin.fault(Fault(status=status, headers={"Retry-After": wait}))
    problem = problem_of(vendor(twin), path)
    assert (len(twin.calls), slept, problem.vendor_status) == (1, [], status)
    if status != 413:
        left = (FAR - datetime.now(UTC)).total_seconds()
        assert problem.retry_after == pytest.approx(int(wait) if wait.isdecimal() else left, abs=5)


@pytest.mark.parametrize("path", ["once", "again"])
@pytest.mark.parametrize("wait", ["soon", "-1", "1.5", "Mon, 99 Foo 0000 00:00:00 GMT"])
def test_a_retry_after_that_cannot_be_read_counts_as_none(
    twin: PlainTwin, slept: list[float], path: str, wait: str
) -> None:
    twin.fault(Fault(status=503, headers={"Retry-After": wait}))
    problem = problem_of(vendor(twin), path)
    assert (problem.code, problem.vendor_status, problem.retry_after) == ("vendor_unavailable", 503, None)


weekdays = st.sampled_from(["Mon, ", "Sun, ", ""])
dates = st.tuples(weekdays, *[st.integers(-1, 99_999)] * 4).map(lambda parts: "{}{} Jan {} {}:{}:00 GMT".format(*parts))


@given(st.text() | st.integers().map(str) | dates)
def test_any_retry_after_is_whole_seconds_or_none(value: str) -> None:
    seconds = Reply(503, {"Retry-After": value}, b"").retry_after()
    assert seconds is None or (type(seconds) is int and seconds >= 0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), (" 7 ", 7), ("9" * 5000, 999_999_999), ("Mon, 01 Jan 2001 00:00:00 GMT", 0)],
    ids=["now", "padded", "for ever", "past"],
)
def test_a_retry_after_is_read_within_reason(value: str, seconds: int) -> None:
    assert Reply(503, {"Retry-After": value}, b"").retry_after() == seconds


def test_a_vendor_is_told_who_asks_and_nothing_of_our_libraries(twin: PlainTwin) -> None:
    ask(vendor(twin), "once")
    assert twin.calls[0].headers["user-agent"] == "avatar-mint"


def test_a_vendors_cookies_are_not_kept(twin: PlainTwin) -> None:
    upstream = vendor(twin)
    twin.fault(Fault(times=1, status=200, body={"target": ""}, headers={"Set-Cookie": "session=alice; Path=/"}))
    ask(upstream, "once")
    ask(upstream, "once")
    assert [call.headers.get("cookie") for call in twin.calls] == [None, None]


def test_nothing_in_the_environment_decides_where_a_key_goes(
    twin: PlainTwin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(vendor(twin), "once") == "/once"
    assert "authorization" not in twin.calls[0].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_and_not_followed(twin: PlainTwin, status: int) -> None:
    other = PlainTwin()
    other.start()
    for location in (other.url, twin.url + "/elsewhere", "//127.0.0.1", "file:///etc/passwd", "\x7f"):
        twin.reset()
        twin.fault(Fault(status=status, headers={"Location": location}))
        problem = problem_of(vendor(twin), "again")
        assert (problem.code, problem.vendor_status, len(twin.calls)) == ("vendor_error", status, 1)
    other.stop()
    assert other.calls == []


@pytest.mark.parametrize(
    "value",
    [
        *(
            "a/b",
            "../../admin",
            "..%2f",
            "a?x=1",
            "a#b",
            "a b",
            "%2e%2e",
            "é\u202e",
            "a;b",
            "\r\nX: y",
            "\0",
            "@h",
            ":",
        ),
        *("\\..\\x", "...", "//other.example/", "~", "a&b=c", "\U0001f600"),
    ],
)
def test_an_ids_characters_stay_in_its_segment(twin: PlainTwin, value: str) -> None:
    target = ask(vendor(twin), f"things/{segment(value)}/part", method="GET")
    assert [unquote(part) for part in target.split("/")] == ["", "things", value, "part"]
    assert (twin.calls[0].query, len(twin.calls[0].headers)) == ("", HEADERS)


@given(st.text(min_size=1).filter(lambda value: value not in {".", ".."}))
def test_any_id_is_one_segment_of_the_path(value: str) -> None:
    parts = urlsplit(f"https://vendor.example/things/{segment(value)}/part")
    assert (parts.netloc, parts.query, parts.fragment) == ("vendor.example", "", "")
    assert [unquote(part) for part in parts.path.split("/")] == ["", "things", value, "part"]


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_an_id_that_would_climb_or_vanish_is_refused(value: str) -> None:
    with pytest.raises(Problem) as problem:
        segment(value)
    assert problem.value.code == "invalid_request"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(mode="drip", pause=0.05, status=200, body={"target": "x" * 99}),
        Fault(delay=3),
        Fault(status=503, headers={"Retry-After": "2"}),
    ],
)
def test_the_deadline_ends_the_request_whatever_the_vendor_does(twin: PlainTwin, fault: Fault) -> None:
    upstream, started, deadline = vendor(twin), monotonic(), Deadline(0.2)
    twin.fault(fault)
    with pytest.raises(Problem) as problem:
        upstream.request("POST", "again", Where, deadline)
    assert (problem.value.code, problem.value.retry_after) == ("vendor_timeout", 1)
    assert 0.2 <= monotonic() - started < 0.8
    assert deadline.meter.vendor_seconds == pytest.approx(monotonic() - started, abs=0.1)


def test_a_deadline_that_has_passed_asks_nobody(twin: PlainTwin) -> None:
    assert ask(vendor(twin), "once", seconds=-1) == "vendor_timeout"
    assert twin.calls == []


DRIPPING = Fault(path="/drip", mode="drip", pause=0.1)


def finished(upstream: Upstream) -> Upstream:
    """The vendor, once no thread does anything for it any more."""
    upstream._transport._workers._threads.shutdown()
    return upstream


def test_a_request_that_found_no_thread_in_time_is_never_sent(twin: PlainTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "THREADS", 2)
    upstream = vendor(twin)
    twin.fault(DRIPPING)
    with ThreadPoolExecutor(2) as callers:
        dripping = [callers.submit(ask, upstream, "drip", 0.6) for _ in range(2)]
        assert all(twin.came.acquire(timeout=5) for _ in dripping)
        assert ask(upstream, "abandoned", seconds=0.1) == "vendor_timeout"
        assert [late.result() for late in dripping] == ["vendor_timeout"] * 2
    assert ask(upstream, "healthy", seconds=2) == "/healthy"
    finished(upstream)
    assert [call.path for call in twin.calls] == ["/drip", "/drip", "/healthy"]


HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "head": (HEAD, b"a"),
    "body": (HEAD + b"Content-Length: 999999\r\n\r\n", b"a"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "nothing after a while": (HEAD + b"Content-Length: 9\r\n\r\n", b""),
}
"""What is sent at once, and what then again and again."""


@pytest.mark.parametrize(("first", "drop"), DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize("path", ["once", "again"])
def test_a_dripping_answer_frees_its_thread_at_the_deadline(first: bytes, drop: bytes, path: str) -> None:
    def serve(connection: socket.socket) -> None:
        dripping.take(connection)
        connection.sendall(first)
        while not dripping.ended.wait(0.02):
            connection.sendall(drop)

    with RawServer(serve) as dripping:
        upstream, started = Upstream(dripping.url, repeatable=["again"]), monotonic()
        assert ask(upstream, path, seconds=0.3) == "vendor_timeout"
        finished(upstream)
    assert 0.3 <= monotonic() - started < 1.5
    assert len(dripping.requests) == 1


def test_a_read_gets_no_more_than_the_time_that_is_left() -> None:
    def serve(connection: socket.socket) -> None:
        silent.take(connection)
        silent.ended.wait(0.7)
        connection.sendall(HEAD)
        silent.ended.wait()

    with RawServer(serve) as silent:
        upstream, started = Upstream(silent.url), monotonic()
        assert ask(upstream, "once", seconds=1) == "vendor_timeout"
        finished(upstream)
        assert monotonic() - started < 1.5


def test_a_requests_deadline_is_no_other_requests(twin: PlainTwin) -> None:
    upstream = vendor(twin)
    twin.fault(DRIPPING)
    with ThreadPoolExecutor(1) as patient:
        dripping = patient.submit(ask, upstream, "drip", 9)
        assert twin.came.acquire(timeout=5)
        twin.fault(Fault(path="/late", delay=5))
        assert ask(upstream, "late", seconds=0.1) == "vendor_timeout"
        assert dripping.result() == "/drip"


def test_what_a_late_name_was_looked_up_for_is_not_sent(twin: PlainTwin, names: Names) -> None:
    names.slow.add("127.0.0.1")
    upstream = vendor(twin)
    assert ask(upstream, "once", seconds=0.1) == "vendor_timeout"
    names.found.set()
    finished(upstream)
    assert twin.calls == []


def test_nobody_asks_again_for_a_caller_who_has_had_an_answer(twin: PlainTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    late = threading.Event()
    monkeypatch.setattr(
        "urllib3.util.retry.time", type("Time", (), {"sleep": lambda _: late.wait(9), "time": time.time})
    )
    upstream = vendor(twin)
    twin.fault(Fault(times=1, status=503, headers={"Retry-After": "1"}))
    assert ask(upstream, "again", seconds=0.2) == "vendor_timeout"
    late.set()
    finished(upstream)
    assert len(twin.calls) == 1


def missed(upstream: Upstream, seconds: float) -> bool:
    """Whether a request that misses its deadline may have had an effect."""
    with pytest.raises(Problem, match="vendor_timeout") as problem:
        upstream.request("POST", "once", Where, Deadline(seconds))
    return problem.value.ambiguous


def test_time_that_ran_out_before_anything_was_sent_changed_nothing(twin: PlainTwin, names: Names) -> None:
    assert missed(vendor(twin), 0) is False
    names.slow.add("127.0.0.1")
    assert missed(vendor(twin), 0.1) is False


def test_time_that_ran_out_after_the_request_was_sent_may_have_changed_something(twin: PlainTwin) -> None:
    twin.fault(Fault(delay=5))
    assert missed(vendor(twin), 0.2) is True


@pytest.mark.parametrize("mode", ["drop", "cut"])
def test_a_request_whose_answer_was_lost_may_have_been_done(twin: PlainTwin, mode: Literal["drop", "cut"]) -> None:
    twin.fault(Fault(mode=mode))
    assert problem_of(vendor(twin), "once").ambiguous


def test_an_answer_of_the_largest_size_is_read(twin: PlainTwin) -> None:
    assert ask(vendor(twin), "largest") == "all of it"


@pytest.mark.parametrize("path", ["large", "zipped", "deflated", "zipped-twice"])
def test_an_answer_that_is_too_large_is_refused_in_little_memory(twin: PlainTwin, path: str) -> None:
    upstream = vendor(twin)
    ask(upstream, "once")
    tracemalloc.start()
    try:
        assert ask(upstream, path) == "vendor_malformed"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAX_REPLY_BYTES


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "<html>", "null", "[]", "{}", '{"target": 1}', '{"target": null}', '{"x": 1e400}', "\0"),
        *("[" * 100_000, '{"target": ' + "[" * 100_000, '{"target": ' + "1" * 9999 + "}"),
    ],
    ids=range(13),
)
def test_an_answer_that_is_not_as_documented_is_malformed(twin: PlainTwin, body: str) -> None:
    twin.fault(Fault(status=200, body=body))
    assert ask(vendor(twin), "once") == "vendor_malformed"


@pytest.mark.parametrize("body", [b'{"target": "\xff"}', b'{"\xff": 1}', b"\xff\xfe{", b"[" * 100_000, b"1" * 9999])
def test_a_body_that_is_no_json_reads_as_none(body: bytes) -> None:
    assert Reply(500, {}, body).json() is None


@given(st.binary() | st.binary(min_size=1).map(lambda raw: b'{"error":"%b"}' % raw))
def test_any_body_can_be_looked_into(body: bytes) -> None:
    Reply(500, {}, body).json()


def test_a_vendor_that_is_not_there_is_unavailable_and_nothing_was_done(slept: list[float]) -> None:
    gone = PlainTwin()
    gone.start()
    upstream = vendor(gone)
    gone.stop()
    gone._server = None
    for path in ("once", "again"):
        problem = problem_of(upstream, path)
        assert (problem.code, problem.ambiguous) == ("vendor_unavailable", False)


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (301, "vendor_error", False),
        (400, "vendor_error", False),
        (401, "vendor_key_rejected", False),
        (403, "vendor_key_rejected", False),
        (404, "vendor_error", False),
        (408, "vendor_unavailable", True),
        (429, "vendor_busy", True),
        (500, "vendor_error", True),
        (502, "vendor_unavailable", True),
        (503, "vendor_unavailable", True),
        (504, "vendor_unavailable", True),
        (599, "vendor_error", True),
    ],
)
def test_a_status_means_the_same_for_every_vendor(status: int, code: str, retryable: bool) -> None:
    problem = interpret_status(Reply(status, {}, b""))
    assert problem
    assert (problem.code, problem.retryable, problem.vendor_status) == (code, retryable, status)
    assert isinstance(problem, KeyRejected) is (code == "vendor_key_rejected")


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_is_no_problem(status: int) -> None:
    assert interpret_status(Reply(status, {}, b"")) is None
