"""The page's buttons: what they change in the stand-ins and in the table, and what a caller then gets."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from local.bundle import Bundle
from local.faults import KINDS
from local.leaks import Leaks
from local.page import PREFIX
from local.uses import CALLS
from tests.vendors import MINTS

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def own() -> Iterator[Bundle]:
    """A bundle whose keys and limits other tests do not see."""
    with Bundle() as own:
        yield own


@pytest.fixture(autouse=True)
def _as_new(own: Bundle) -> Iterator[None]:
    yield
    press(own, "clear")


def press(own: Bundle, name: str, **asked: Any) -> Any:
    answer = requests.post(f"{own.url}{PREFIX}{name}", json=asked, headers=OWN, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def mint(own: Bundle, vendor: str, person: str = "alice") -> requests.Response:
    event = own.event(MINTS[vendor])
    headers = {"Authorization": f"Bearer {own.token(person)}", "Content-Type": "application/json"}
    return requests.post(own.url + event["rawPath"], event["body"], headers=OWN | headers, timeout=25)


def state(own: Bundle, vendor: str = "convai", person: str = "alice") -> dict[str, Any]:
    found: dict[str, Any] = press(own, "state", vendor=vendor, person=person)
    return found


def used(own: Bundle, vendor: str, gauge: str, person: str) -> int:
    return next(int(found["used"]) for found in state(own, vendor, person)["gauges"] if found["name"] == gauge)


# Who may press


@pytest.mark.parametrize(
    ("headers", "sent", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}, "{}", 403),
        ({"Content-Type": "application/json"}, "{}", 403),
        (OWN | {"Content-Type": "text/plain"}, "{}", 415),
        (OWN, "{}", 415),
        *[(OWN | {"Content-Type": "application/json"}, sent, 400) for sent in ("", "[]", "{", '{"vendor": "none"}')],
    ],
)
def test_a_press_that_is_not_the_pages_own_changes_nothing(
    headers: dict[str, str], sent: str, status: int, own: Bundle
) -> None:
    for name in ("stop", "rotate", "fault", "use", "state", "block"):
        answer = requests.post(f"{own.url}{PREFIX}{name}", sent, headers=headers, timeout=5)
        assert (name, answer.status_code) == (name, status)
    assert requests.get(f"{own.url}{PREFIX}stop", headers=OWN, timeout=5).status_code == 405


# Using a credential


@pytest.mark.parametrize("vendor", CALLS)
def test_the_stand_in_takes_a_credential_as_it_is_only(vendor: str, own: Bundle) -> None:
    credential = mint(own, vendor).json()
    assert press(own, "use", vendor=vendor, credential=credential, changed=True)["status"] >= 400
    assert press(own, "use", vendor=vendor, credential=credential)["status"] in {101, 200}


@pytest.mark.parametrize(("vendor", "second"), [("trulience", 401), ("odyssey", 409), ("convai", 200)])
def test_a_single_use_credential_is_refused_the_second_time(vendor: str, second: int, own: Bundle) -> None:
    credential = mint(own, vendor, "second-user").json()
    press(own, "use", vendor=vendor, credential=credential)
    assert press(own, "use", vendor=vendor, credential=credential)["status"] == second


@pytest.mark.parametrize("vendor", ["convai", "spatius", "trulience", "odyssey"])
def test_a_credential_is_refused_after_its_end_and_the_clock_is_set_back(vendor: str, own: Bundle) -> None:
    credential = mint(own, vendor, "late-user").json()
    later = credential["mint"]["expires_in"] + 1
    assert press(own, "use", vendor=vendor, credential=credential, later=later)["status"] in {400, 401, 404}
    assert own.twins[vendor].skew == 0


# Faults and keys


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_armed_until_it_is_cleared(kind: str, own: Bundle) -> None:
    press(own, "fault", vendor="convai", kind=kind, times=None)
    assert state(own)["faults"]["armed"] == [{"kind": kind, "times": None}]
    assert state(own, "agora")["armed"] == 1
    press(own, "clear")
    assert state(own)["faults"]["armed"] == []


def test_a_dead_key_counts_as_a_fault_until_it_is_rotated_or_cleared(own: Bundle) -> None:
    for end in ({"name": "rotate", "vendor": "convai"}, {"name": "clear"}):
        press(own, "kill-key", vendor="convai")
        press(own, "kill-key", vendor="convai")
        assert state(own, "agora")["armed"] == 1
        press(own, **end)
        assert state(own, "agora")["armed"] == 0
        assert mint(own, "convai").status_code == 201


@pytest.mark.parametrize(
    ("kind", "code"), [("down", "vendor_unavailable"), ("busy", "vendor_busy"), ("malformed", "vendor_malformed")]
)
def test_a_mint_meets_the_fault_and_the_next_one_does_not(kind: str, code: str, own: Bundle) -> None:
    press(own, "fault", vendor="trulience", kind=kind, times=None)
    assert mint(own, "trulience").json()["code"] == code
    press(own, "clear")
    assert mint(own, "trulience").status_code == 201


def test_a_call_that_met_a_fault_is_in_the_request_that_made_it(own: Bundle) -> None:
    press(own, "fault", vendor="spatius", kind="busy", times=1)
    before = own.journal.since(0, 0)[-1].number
    mint(own, "spatius")
    calls = next(found.calls for found in own.journal.since(before, 0) if found.calls)
    assert calls[0].route == "POST /v1/console/session-tokens"
    assert (calls[0].status, calls[0].code) == (429, "injected")
    assert state(own, "spatius")["faults"]["armed"] == []


def test_odyssey_fails_after_its_session_and_gives_the_slot_back(own: Bundle) -> None:
    press(own, "fault", vendor="odyssey", kind="malformed", times=None)
    assert mint(own, "odyssey", "unlucky").status_code == 502
    paths = [call.path for call in own.twins["odyssey"].calls]
    assert paths.index("/sessions/request") < paths.index("/sessions/token")


def test_a_rotation_under_load_fails_no_mint(own: Bundle) -> None:
    before = state(own)["faults"]["keys"]
    with ThreadPoolExecutor(4) as pool:
        mints = [pool.submit(mint, own, "convai", f"user-{number}") for number in range(24)]
        press(own, "rotate", vendor="convai")
        statuses = {future.result().status_code for future in mints}
    keys = state(own)["faults"]["keys"]
    assert statuses == {201}
    assert keys["secret"] == keys["vendor"] != before["secret"]
    assert mint(own, "convai").status_code == 201


def test_a_dead_key_is_the_operators_fault_and_a_rotation_repairs_the_secret(own: Bundle) -> None:
    press(own, "kill-key", vendor="spatius")
    refused = mint(own, "spatius").json()
    assert (refused["code"], refused["fault"]) == ("vendor_key_rejected", "operator")
    keys = state(own, "spatius")["faults"]["keys"]
    assert keys["secret"] != keys["vendor"]
    press(own, "rotate", vendor="spatius")
    keys = state(own, "spatius")["faults"]["keys"]
    assert keys["secret"] == keys["vendor"]  # the function reads it again 10 s after the rejection


def test_a_vendor_that_no_mint_calls_has_no_faults(own: Bundle) -> None:
    assert state(own, "livekit")["faults"] is None
    assert state(own, "livekit")["usable"] is False


# Limits


def test_a_mint_moves_the_gauges_of_its_caller_and_vendor_only(own: Bundle) -> None:
    names = ("caller_per_hour", "caller_per_day", "vendor_per_day")
    before = [used(own, "livekit", name, "gauged") for name in names]
    mint(own, "livekit", "gauged")
    assert [used(own, "livekit", name, "gauged") for name in names[:2]] == [1, 1]
    assert used(own, "livekit", "vendor_per_day", "gauged") > before[2]
    assert used(own, "livekit", "caller_per_hour", "another") == 0


def test_a_slot_is_shown_while_it_is_taken(own: Bundle) -> None:
    everyone = used(own, "odyssey", "slots", "slotted")
    mint(own, "odyssey", "slotted")
    assert used(own, "odyssey", "slots_per_caller", "slotted") == 1
    assert used(own, "odyssey", "slots", "slotted") == everyone + 1


def test_a_stopped_vendor_is_shown_and_serves_again_when_resumed(own: Bundle) -> None:
    press(own, "stop", vendor="agora", on=True)
    assert state(own, "agora")["stopped"]
    refused = mint(own, "agora").json()
    press(own, "stop", vendor="agora", on=False)
    assert refused["code"] == "vendor_stopped"
    assert not state(own, "agora")["stopped"]


def test_a_blocked_caller_is_refused_everywhere_and_another_is_not(own: Bundle) -> None:
    press(own, "block", person="mallory", on=True)
    assert {mint(own, vendor, "mallory").json()["code"] for vendor in ("convai", "livekit")} == {"not_allowed"}
    assert state(own, person="mallory")["blocked"]
    assert mint(own, "convai", "alice").status_code == 201
    press(own, "block", person="mallory", on=False)
    assert mint(own, "convai", "mallory").status_code == 201


# Leaks


def test_no_key_is_in_what_the_page_got(own: Bundle) -> None:
    for vendor in MINTS:
        mint(own, vendor)
    leaks = state(own)["leaks"]
    assert leaks["found"] == 0
    assert leaks["bytes"] > 1000
    assert leaks["keys"] >= 7


def test_a_key_that_is_sent_is_found_also_after_its_rotation() -> None:
    keys = ["old-key"]
    leaks = Leaks(lambda: keys)
    leaks.scan(b"nothing")
    keys[:] = ["new-key"]
    assert leaks.scan(json.dumps({"detail": "old-key"}).encode()) == b'{"detail": "old-key"}'
    assert leaks.state() == {"bytes": 28, "keys": 2, "found": 1}
