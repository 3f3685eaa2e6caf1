"""The page at `/`: who gets it, and what it follows."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request

from local.bundle import Bundle
from local.journal import Journal
from local.leaks import Leaks
from local.page import FOLDER, PREFIX, Page
from local.records import Records
from minting import keyring

OWN = {"Sec-Fetch-Site": "same-origin"}


def get(bundle: Bundle, path: str, **headers: str) -> requests.Response:
    return requests.get(bundle.url + path, headers=OWN | headers, timeout=5)


@pytest.mark.parametrize(
    "path", ["/", f"{PREFIX}openapi.json", f"{PREFIX}errors.md", *(f"{PREFIX}{file.name}" for file in FOLDER.iterdir())]
)
def test_every_file_of_the_page_is_served_with_the_policy(path: str, bundle: Bundle) -> None:
    answer = get(bundle, path)
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
    assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("path", ["absent.js", "../page.py", "..%2fpage.py", "%2e%2e/page.py", "", ".", "/"])
def test_nothing_else_is_served(path: str, bundle: Bundle) -> None:
    session = requests.Session()
    prepared = session.prepare_request(requests.Request("GET", bundle.url, headers=OWN))
    prepared.url = bundle.url + PREFIX + path  # as it is: requests would take the dots away
    assert session.send(prepared, timeout=5).status_code == 404


def test_the_page_stays_small() -> None:
    lines = [line.strip() for file in FOLDER.iterdir() for line in file.read_text().splitlines()]
    assert sum(bool(line) and not line.startswith("//") for line in lines) <= 900


def test_the_page_says_how_long_a_function_keeps_its_key() -> None:
    text = (FOLDER / "index.html").read_text()
    assert f"keeps its key for {keyring.MAX_AGE} s" in text
    assert f"does not try that one for {keyring.REREAD_INTERVAL:.0f} s" in text


def test_the_page_asks_for_its_own_files_only(bundle: Bundle) -> None:
    text = "".join(file.read_text() for file in FOLDER.iterdir())
    assert "https://" not in text
    assert text.count("http://") == text.count("http://www.w3.org/2000/svg") == 1
    assert not [
        word for word in ("innerHTML", "localStorage", "sessionStorage", "document.cookie", "eval(") if word in text
    ]


@pytest.mark.parametrize("path", ["/", f"{PREFIX}main.js", f"{PREFIX}events"])
@pytest.mark.parametrize(
    "host",
    ["rebound.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost:1", "10.0.2.2:{port}", "localhost.:{port}"],
)
def test_another_host_name_gets_no_page(path: str, host: str, bundle: Bundle) -> None:
    answer = get(bundle, path, Host=host.format(port=bundle.url.rpartition(":")[2]))
    assert answer.status_code == 421
    assert "http://127.0.0.1:" in answer.json()["message"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_a_name_of_this_machine_gets_the_page(name: str, bundle: Bundle) -> None:
    assert get(bundle, "/", Host=f"{name}:{bundle.url.rpartition(':')[2]}").status_code == 200


def test_another_machine_gets_no_page() -> None:
    page = Page(3000, Journal(), Leaks(list), {})
    for address, status in (("127.0.0.1", 200), ("::1", 200), ("192.168.1.5", 421)):
        request = Request.from_values("/", base_url="http://localhost:3000", environ_base={"REMOTE_ADDR": address})
        answer = page.answer(request)
        assert answer
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "{own}"}, 200),
        ({}, 403),
        *[({"Sec-Fetch-Site": site}, 403) for site in ("cross-site", "same-site", "none")],
        ({"Sec-Fetch-Site": "cross-site", "Origin": "{own}"}, 403),
        *[({"Origin": origin}, 403) for origin in ("null", "http://localhost:5173", "{own}.example", "{own}0")],
    ],
)
def test_only_the_page_itself_may_call(headers: dict[str, str], status: int, bundle: Bundle) -> None:
    sent = {name: value.format(own=bundle.url) for name, value in headers.items()}
    for path in ("openapi.json", "events"):
        with requests.get(bundle.url + PREFIX + path, headers=sent, timeout=5, stream=True) as answer:
            assert answer.status_code == status


def test_another_sites_page_may_link_to_it(bundle: Bundle) -> None:
    assert requests.get(bundle.url, headers={"Sec-Fetch-Site": "cross-site"}, timeout=5).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_a_file_is_only_read(method: str, bundle: Bundle) -> None:
    assert requests.request(method, f"{bundle.url}/", headers=OWN, timeout=5).status_code == 405


# The live log


def events(answer: requests.Response) -> Iterator[dict[str, Any]]:
    """The exchanges of a stream, without the clock."""
    lines = answer.iter_lines(1, decode_unicode=True)
    for line in lines:
        if line.startswith("id: "):
            yield json.loads(next(lines).removeprefix("data: "))


def follow(bundle: Bundle, after: int) -> requests.Response:
    headers = OWN | {"Last-Event-ID": str(after)}
    return requests.get(f"{bundle.url}{PREFIX}events", headers=headers, timeout=5, stream=True)


def last(bundle: Bundle) -> int:
    return max((exchange.number for exchange in bundle.journal.since(0, 0)), default=0)


def ask(bundle: Bundle, path: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {bundle.token('alice')}", "Content-Type": "application/json"}
    return requests.post(bundle.url + path, "{}", headers=headers, timeout=10)


def test_the_log_begins_with_the_time_and_the_run_and_goes_on_as_requests_come(bundle: Bundle) -> None:
    with follow(bundle, last(bundle)) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.raw.readline() == b"event: clock\n"
        told = json.loads(answer.raw.readline().removeprefix(b"data: "))
        assert abs(told["now"] - time.time()) < 5
        assert told["run"] == bundle.journal.run
        found = events(answer)
        for path in ("/absent", "/absent/too"):
            ask(bundle, path)
            assert next(found)["route"] == f"POST {path}"


def test_an_event_id_that_is_no_number_is_as_none(bundle: Bundle) -> None:
    headers = OWN | {"Last-Event-ID": "x"}
    with requests.get(f"{bundle.url}{PREFIX}events", headers=headers, timeout=5, stream=True) as answer:
        assert answer.status_code == 200


def test_every_start_is_another_run() -> None:
    assert Journal().run != Journal().run


def test_a_page_that_comes_back_gets_what_it_missed(bundle: Bundle) -> None:
    before = last(bundle)
    for path in ("/one", "/two", "/three"):
        ask(bundle, path)
    with follow(bundle, before + 1) as answer:
        found = events(answer)
        assert [next(found)["route"] for _ in range(2)] == ["POST /two", "POST /three"]


def test_the_log_holds_the_record_and_no_token(bundle: Bundle) -> None:
    with redirect_stdout(Records(bundle.journal, io.StringIO())), follow(bundle, last(bundle)) as answer:
        minted = ask(bundle, "/v1/convai/tokens").json()
        exchange = next(events(answer))
    assert exchange["record"]["token_sha256"]
    assert exchange["id"] == minted["mint"]["id"]
    assert [call["status"] for call in exchange["calls"]] == [200]
    sent = json.dumps(exchange)
    assert minted["apiAuthToken"] not in sent
    assert bundle.token("alice").split(".")[1] not in sent
