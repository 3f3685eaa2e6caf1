"""Spatius' regions: when one console is in trouble the next one mints, within the same deadline, and no other is ever asked."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from local.functions import ROOT
from local.template import Template, read
from local.twins.twin import Fault
from minting.upstream import Upstream
from tests.functions.contract import (
    BUSY,
    ERROR,
    KEY_REJECTED,
    NOT_ALLOWED,
    OPERATORS_ERROR,
    PASSING_ERROR,
    TIMED_OUT,
    UNAVAILABLE,
    Fresh,
    Said,
    minted,
    said,
)

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function

HOME, NEXT, LAST = REGIONS = "us-west", "ap-northeast", "cn-beijing"

type Start = Callable[..., "Function"]


@pytest.fixture
def consoles(bundle: "Bundle") -> dict[str, str]:
    """The variables of a function whose regions have a console each at the twin."""
    twin: Any = bundle.twins["spatius"]
    return {"SPATIUS_CONSOLE_ENDPOINT": twin.regional_url, "SPATIUS_REGIONS": f"{HOME},{NEXT}"}


@pytest.fixture
def start(tableless: Fresh, consoles: dict[str, str]) -> Start:
    """A fresh function, whose limits let everything through."""
    return lambda secret=None, **changes: tableless("spatius", secret, **consoles | changes)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries at one console pass at once."""
    monkeypatch.setattr("urllib3.util.retry.Retry._sleep_backoff", lambda _: None)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[["Function", float], None]:
    """Sets a function's clock so many seconds ahead."""
    return lambda made, ahead: monkeypatch.setattr(made.module, "monotonic", lambda: monotonic() + ahead)


def down(made: "Function", *regions: str, **fault: Any) -> None:
    for region in regions:
        made.twin.fault(Fault(path=f"/{region}/", **fault or {"status": 500}))


def asked(made: "Function") -> list[str]:
    """The regions that were asked since the last time, a repeated call to one of them once."""
    regions = [call.path.split("/")[1] for call in made.twin.calls]
    made.twin.calls.clear()
    return [region for place, region in enumerate(regions) if regions[:place][-1:] != [region]]


def error(status: object) -> dict[str, Any]:
    return {"errors": [{"status": status, "code": "UNAVAILABLE"}]}


# What another region can mend

TROUBLE: dict[str, dict[str, Any]] = {
    **{f"status {status}": {"status": status} for status in (500, 501, 502, 503, 504, 599, 408)},
    **{f"{status} inside 200": {"status": 200, "body": error(status)} for status in (500, 503, "503", "504")},
    "an error without a status": {"status": 200, "body": {"errors": [{}]}},
    "not JSON": {"status": 200, "body": "<html>"},
    "no token": {"status": 200, "body": {}},
    "an empty token": {"status": 200, "body": {"sessionToken": ""}},
    "cut": {"mode": "cut"},
    "dropped": {"mode": "drop"},
    "invalid gzip": {"status": 200, "body": "x", "headers": {"Content-Encoding": "gzip"}},
    "a long Retry-After": {"status": 503, "headers": {"Retry-After": "3600"}},
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_the_next_region_mints_when_one_is_in_trouble(start: Start, trouble: str) -> None:
    spatius = start()
    down(spatius, HOME, **TROUBLE[trouble])
    credential = minted(spatius.ask("spatius-mint"))
    assert credential.fields["region"] == HOME
    assert credential.expires_in in range(895, 901)
    assert asked(spatius) == [HOME, NEXT]
    twin: Any = spatius.twin
    assert credential.fields["sessionToken"] in twin.tokens


def test_the_next_region_mints_when_a_connection_is_refused(
    start: Start, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spatius = start()
    console = spatius.module.console
    gone = Upstream(nobody, repeatable=["session-tokens"])
    monkeypatch.setattr(spatius.module, "console", lambda region: gone if region == HOME else console(region))
    assert minted(spatius.ask("spatius-mint")).fields["region"] == HOME
    assert asked(spatius) == [NEXT]


def test_both_regions_are_asked_for_the_same_moment_with_the_same_key(start: Start) -> None:
    spatius = start()
    down(spatius, HOME)
    minted(spatius.ask("spatius-mint"))
    first, second = spatius.twin.calls
    assert json.loads(first.body) == json.loads(second.body)
    assert {call.headers["x-api-key"] for call in (first, second)} == {"spatius-local-key"}


def test_a_silent_region_leaves_the_next_one_its_share_of_the_time(start: Start) -> None:
    spatius = start(DEADLINE_SECONDS="1.6")
    down(spatius, HOME, delay=5)
    began = monotonic()
    assert minted(spatius.ask("spatius-mint")).fields["region"] == HOME
    assert 0.7 < monotonic() - began < 1.3
    assert asked(spatius) == [HOME, NEXT]


def test_the_first_region_has_half_of_the_time_however_many_are_listed(start: Start) -> None:
    spatius = start(DEADLINE_SECONDS="2", SPATIUS_REGIONS="*")
    down(spatius, *REGIONS, delay=0.8)
    assert minted(spatius.ask("spatius-mint")).fields["region"] == HOME
    assert asked(spatius) == [HOME]


@pytest.mark.parametrize("silent", [{"delay": 5}, {"status": 200, "body": "x" * 99, "mode": "drip", "pause": 0.2}])
def test_when_all_are_silent_the_caller_is_told_in_time(start: Start, silent: dict[str, Any]) -> None:
    spatius = start(DEADLINE_SECONDS="0.9", SPATIUS_REGIONS="*")
    down(spatius, *REGIONS, **silent)
    began = monotonic()
    assert said(spatius.ask("spatius-mint")) == TIMED_OUT
    assert monotonic() - began < 1.3
    assert asked(spatius) == list(REGIONS)


def test_when_all_are_in_trouble_the_caller_is_told_of_the_last_one(start: Start) -> None:
    spatius = start(SPATIUS_REGIONS="*")
    down(spatius, HOME, status=500)
    down(spatius, NEXT, mode="drop")
    down(spatius, LAST, status=503, headers={"Retry-After": "7"})
    assert said(spatius.ask("spatius-mint")) == UNAVAILABLE.of(503, retry_after=7)
    assert asked(spatius) == list(REGIONS)


# What no other region can mend


REFUSALS = {**dict.fromkeys((400, 404, 409, 413, 418, 422, 424), ERROR), 402: OPERATORS_ERROR, 429: BUSY}


@pytest.mark.parametrize(("status", "expected"), REFUSALS.items(), ids=map(str, REFUSALS))
@pytest.mark.parametrize("inside", [False, True])
def test_what_the_vendor_refuses_is_refused_once(start: Start, status: int, expected: Said, inside: bool) -> None:
    spatius = start(SPATIUS_REGIONS="*")
    down(spatius, HOME, status=200 if inside else status, body=error(status))
    assert said(spatius.ask("spatius-mint")) == expected.of(status, "UNAVAILABLE")
    assert asked(spatius) == [HOME]


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_read_again_and_no_other_region_asked(start: Start, status: int) -> None:
    spatius = start({"api_key": "old"}, SPATIUS_REGIONS="*")
    down(spatius, HOME, status=status, times=1)
    spatius.put_key({"api_key": "spatius-local-key"})
    assert minted(spatius.ask("spatius-mint"))
    keys = [call.headers["x-api-key"] for call in spatius.twin.calls]
    assert (asked(spatius), keys) == ([HOME], ["old", "spatius-local-key"])


def test_a_dead_key_is_not_carried_from_region_to_region(start: Start) -> None:
    spatius = start({"api_key": "dead"}, SPATIUS_REGIONS="*")
    assert said(spatius.ask("spatius-mint")) == KEY_REJECTED.of(401, "UNAUTHORIZED")
    assert asked(spatius) == [HOME]


def test_a_key_rotated_while_one_region_is_down_is_still_found(start: Start) -> None:
    spatius = start({"api_key": "old"})
    down(spatius, HOME)
    spatius.put_key({"api_key": "spatius-local-key"})
    assert minted(spatius.ask("spatius-mint"))
    assert asked(spatius) == [HOME, NEXT]


# Which regions, in which order


@pytest.mark.parametrize(
    ("listed", "wanted", "expected"),
    [
        (f"{HOME},{NEXT}", None, [HOME, NEXT]),
        (f"{NEXT},{HOME}", None, [HOME, NEXT]),
        ("*", None, [HOME, NEXT, LAST]),
        (f"{HOME},{NEXT},{LAST}", NEXT, [NEXT, HOME, LAST]),
        (f"{HOME},{LAST}", LAST, [LAST, HOME]),
        (f"{HOME}", None, [HOME]),
        ("", None, [HOME]),
    ],
)
def test_only_listed_regions_are_asked_and_the_wanted_one_first(
    start: Start, listed: str, wanted: str | None, expected: list[str]
) -> None:
    spatius = start(SPATIUS_REGIONS=listed)
    down(spatius, *REGIONS)
    assert said(spatius.ask("spatius-mint", {"region": wanted})) == PASSING_ERROR.of(500)
    assert asked(spatius) == expected


def deployed(home: str, further: str) -> dict[str, str]:
    """What the template tells the function for these parameters."""
    given = {"SpatiusRegion": home, "SpatiusFurtherRegions": further}
    template = Template(read(ROOT / "template.yaml"), given)
    told = template.properties("SpatiusFunction")["Environment"]["Variables"]
    settings: dict[str, str] = template.resolve({name: told[name] for name in ("SPATIUS_REGION", "SPATIUS_REGIONS")})
    return settings


@pytest.mark.parametrize(
    ("home", "further", "wanted", "expected"),
    [
        (HOME, NEXT, None, [HOME, NEXT]),
        (HOME, f"{NEXT},{LAST}", LAST, [LAST, HOME, NEXT]),
        (NEXT, f"{HOME},{LAST}", None, [NEXT, HOME, LAST]),
        (NEXT, f"{HOME},{LAST}", LAST, [LAST, NEXT, HOME]),
        (NEXT, f"{HOME},{LAST}", NEXT, [NEXT, HOME, LAST]),
        (LAST, LAST, None, [LAST]),
    ],
)
def test_the_home_region_needs_no_listing_and_comes_before_the_further_ones(
    start: Start, home: str, further: str, wanted: str | None, expected: list[str]
) -> None:
    spatius = start(**deployed(home, further))
    down(spatius, *REGIONS)
    assert said(spatius.ask("spatius-mint", {"region": wanted})) == PASSING_ERROR.of(500)
    assert asked(spatius) == expected


@pytest.mark.parametrize("home", REGIONS)
def test_without_further_regions_nothing_leaves_the_home_region(start: Start, home: str) -> None:
    spatius = start(**deployed(home, ""))
    down(spatius, home)
    elsewhere = [said(spatius.ask("spatius-mint", {"region": region})) for region in REGIONS if region != home]
    at_home = [said(spatius.ask("spatius-mint", {"region": region})) for region in (None, home)]
    assert (elsewhere, at_home) == ([NOT_ALLOWED] * 2, [PASSING_ERROR.of(500)] * 2)
    assert asked(spatius) == [home]


@pytest.mark.parametrize("wanted", [NEXT, LAST])
def test_a_mint_elsewhere_is_for_the_region_that_was_asked_for(start: Start, wanted: str) -> None:
    spatius = start(SPATIUS_REGIONS="*")
    down(spatius, wanted)
    assert minted(spatius.ask("spatius-mint", {"region": wanted})).fields["region"] == wanted
    assert asked(spatius) == [wanted, HOME]


# How often the vendor is asked at most


TRIES_AGAIN = pytest.mark.parametrize(
    "trouble",
    [{"status": 502}, {"status": 503}, {"status": 503, "headers": {"Retry-After": "1"}}, {"status": 504}],
    ids=str,
)


@TRIES_AGAIN
@pytest.mark.parametrize("listed", [f"{HOME},{NEXT}", "*"])
def test_where_several_regions_mint_each_is_asked_once(start: Start, listed: str, trouble: dict[str, Any]) -> None:
    spatius = start(SPATIUS_REGIONS=listed)
    down(spatius, *REGIONS, **trouble)
    assert spatius.ask("spatius-mint").status == 503
    paths = [call.path.split("/")[1] for call in spatius.twin.calls]
    assert paths == [region for region in REGIONS if listed == "*" or region in listed]


@TRIES_AGAIN
def test_a_region_alone_is_asked_three_times(start: Start, trouble: dict[str, Any]) -> None:
    spatius = start(SPATIUS_REGIONS=HOME)
    down(spatius, *REGIONS, **trouble)
    assert spatius.ask("spatius-mint").status == 503
    assert len(spatius.twin.calls) == 3


@pytest.mark.parametrize("listed", [HOME, "*"])
def test_with_a_new_key_a_mint_asks_six_times_at_most(start: Start, listed: str) -> None:
    spatius = start({"api_key": "old"}, SPATIUS_REGIONS=listed)
    last = LAST if listed == "*" else HOME
    down(spatius, *([HOME, NEXT] if listed == "*" else [HOME, HOME]), status=503, times=1)
    down(spatius, last, status=401, times=1)
    down(spatius, *REGIONS, status=503)
    spatius.put_key({"api_key": "spatius-local-key"})
    assert spatius.ask("spatius-mint").status == 503
    assert [call.status for call in spatius.twin.calls] == [503, 503, 401, 503, 503, 503]


def test_one_endpoint_for_all_regions_is_asked_once(function: Fresh) -> None:
    spatius = function("spatius", SPATIUS_REGIONS="*")
    spatius.twin.fault(Fault(status=500))
    assert said(spatius.ask("spatius-mint")) == PASSING_ERROR.of(500)
    assert len(spatius.twin.calls) == 1


def test_a_region_that_failed_is_asked_last_for_a_while_and_then_first_again(
    start: Start, later: Callable[["Function", float], None]
) -> None:
    spatius = start(SPATIUS_REGIONS="*")
    down(spatius, HOME, status=500, times=1)
    orders = []
    for ahead in (0, 0, 29, 31):
        later(spatius, ahead)
        minted(spatius.ask("spatius-mint"))
        orders.append(asked(spatius))
    assert orders == [[HOME, NEXT], [NEXT], [NEXT], [HOME]]


def test_a_region_that_failed_is_still_asked_when_the_others_fail_too(start: Start) -> None:
    spatius = start()
    down(spatius, HOME, status=500, times=1)
    minted(spatius.ask("spatius-mint"))
    asked(spatius)
    down(spatius, NEXT)
    minted(spatius.ask("spatius-mint"))
    assert asked(spatius) == [NEXT, HOME]


def test_a_region_that_there_was_no_time_to_ask_has_not_failed(start: Start) -> None:
    spatius = start(SPATIUS_REGIONS="*")
    # The table has no time to answer either.
    spatius.module.vendor._limits.admission = lambda *_: SimpleNamespace(counted=nullcontext)
    assert said(spatius.ask("spatius-mint", timeout=1)) == TIMED_OUT
    minted(spatius.ask("spatius-mint"))
    assert asked(spatius) == [HOME]


def test_after_all_have_failed_the_wanted_one_is_first_again(start: Start) -> None:
    spatius = start()
    down(spatius, HOME, NEXT)
    for _ in range(2):
        spatius.ask("spatius-mint")
    asked(spatius)
    spatius.ask("spatius-mint")
    assert asked(spatius)[0] == HOME


# The breaker and the record


def test_a_region_in_trouble_is_no_trouble_of_the_vendors(
    function: Fresh, consoles: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minting.breaker.THRESHOLD", 1)
    spatius = function("spatius", **consoles)
    down(spatius, HOME, status=503)
    assert [spatius.ask("spatius-mint").status for _ in range(3)] == [201, 201, 201]


def test_the_breaker_counts_one_failure_of_a_request_that_failed_everywhere(
    function: Fresh, consoles: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minting.breaker.THRESHOLD", 3)
    spatius = function("spatius", **consoles | {"SPATIUS_REGIONS": "*"})
    down(spatius, *REGIONS, status=503, headers={"Retry-After": "60"})
    for _ in range(3):
        spatius.ask("spatius-mint")
        assert sorted(asked(spatius)) == sorted(REGIONS)
    assert said(spatius.ask("spatius-mint")).vendor_status is None
    assert asked(spatius) == []


def test_the_record_counts_the_time_of_all_tries(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    spatius = start()
    down(spatius, HOME, status=500, delay=0.2)
    down(spatius, NEXT, delay=0.2)
    capfd.readouterr()
    assert minted(spatius.ask("spatius-mint"))
    [record] = [json.loads(line) for line in capfd.readouterr().out.splitlines() if "mint_id" in line]
    assert record["outcome"] == "minted"
    assert 400 <= record["vendor_ms"] <= record["duration_ms"]
