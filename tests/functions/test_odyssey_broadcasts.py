"""Odyssey's broadcasts: what a host leaves for viewers, who reads it and for how long, and what the table holds of it."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from botocore.config import Config

from minting import aws, sealing, store
from minting.deadline import Deadline
from minting.table import Item, Table
from tests.functions.contract import FACTS, INVALID, MINT, NOT_FOUND, Fresh, faults, moment, said
from tests.trust.table import CHANGE, READ, SECRET, Wire, dynamodb, items, used

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer, Function

HOST, VIEWER = "hanna", "victor"
URL, TOKEN, HLS = "https://stream.odyssey.ml/broadcasts/b-1", "a-spectator-token", "https://cdn.odyssey.ml/b-1.m3u8"
BROADCAST = {"webrtc_url": URL, "spectator_token": TOKEN, "hls_url": HLS}
ROUTES = ["odyssey-register", "odyssey-watch", "odyssey-end"]
NEVER = "0" * 32
"""An id that nobody was given."""


@pytest.fixture
def odyssey(function: Fresh) -> "Function":
    return function("odyssey")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the relay's clock so many seconds ahead."""
    return lambda seconds: monkeypatch.setattr(store, "time", lambda: time() + seconds)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def register(odyssey: "Function", **fields: Any) -> "Answer":
    return odyssey.ask("odyssey-register", BROADCAST | fields, sub=HOST)


def registered(odyssey: "Function", **fields: Any) -> str:
    """A new broadcast's id."""
    answer = register(odyssey, **fields)
    assert answer.status == 201, answer.body
    relay_id: str = answer.body["id"]
    return relay_id


def watch(odyssey: "Function", relay_id: str, sub: str = VIEWER) -> "Answer":
    return odyssey.ask("odyssey-watch", sub=sub, pathParameters={"id": relay_id})


def end(odyssey: "Function", relay_id: str, sub: str = HOST) -> "Answer":
    return odyssey.ask("odyssey-end", sub=sub, pathParameters={"id": relay_id})


def words(answer: "Answer") -> dict[str, Any]:
    """All that an answer says, but for what names this one occurrence."""
    body = {name: value for name, value in answer.body.items() if name != "instance"}
    return {"status": answer.status, "headers": answer.headers, "body": body}


def kept(bundle: "Bundle", table: str) -> dict[str, Any]:
    """The one broadcast in the table, as DynamoDB types it."""
    [item] = [item for key, item in items(bundle, table).items() if "#broadcast#" in key]
    return item


# What goes in and what comes out


@pytest.mark.parametrize("sub", [VIEWER, "another", HOST])
def test_whoever_has_the_id_reads_what_the_host_registered(odyssey: "Function", sub: str) -> None:
    answer = watch(odyssey, registered(odyssey), sub)
    mint = answer.body.pop("mint")
    assert (answer.status, answer.body) == (200, BROADCAST)
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}
    assert mint.keys() == MINT
    assert (mint["vendor"], mint["expires_at"], mint["expires_in"]) == ("odyssey", None, None)
    assert not any(mint[fact] for fact in FACTS)


@pytest.mark.parametrize("absent", [{}, {"hls_url": None}])
def test_a_broadcast_without_hls_has_none_for_its_viewers(odyssey: "Function", absent: dict[str, None]) -> None:
    sent = {"webrtc_url": "wss://stream.odyssey.ml", "spectator_token": "".join(map(chr, range(0x21, 0x7F)))}
    relay_id = odyssey.ask("odyssey-register", sent | absent).body["id"]
    body = watch(odyssey, relay_id).body
    assert {name: body[name] for name in body.keys() - {"mint"}} == sent


@pytest.mark.parametrize("viewers", [None, 1, 1000])
def test_a_host_may_bound_its_viewers_or_not(odyssey: "Function", viewers: int | None) -> None:
    assert watch(odyssey, registered(odyssey, viewers=viewers)).status == 200


@pytest.mark.parametrize(("asked", "seconds"), [({}, 3600), ({"ttl_seconds": 60}, 60), ({"ttl_seconds": 3600}, 3600)])
def test_the_host_is_told_the_id_and_the_end(odyssey: "Function", asked: dict[str, int], seconds: int) -> None:
    answer = register(odyssey, **asked)
    assert (answer.status, set(answer.body)) == (201, {"id", "expires_at"})
    assert answer.headers["cache-control"] == "no-store"
    left = (moment(answer.body["expires_at"]) - datetime.now(UTC)).total_seconds()
    assert seconds - 5 < left <= seconds


def test_ids_are_never_the_same_and_cannot_be_guessed(function: Fresh) -> None:
    odyssey = function("odyssey", CALLER_PER_HOUR="100")
    given = [registered(odyssey) for _ in range(20)]
    assert len(set(given)) == 20
    assert {len(base64.urlsafe_b64decode(relay_id)) for relay_id in given} == {24}
    for places in zip(*given, strict=True):
        assert len(set(places)) > 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("spectator_token", ["", " ", "a b", "a\n", "é", "a\0", "a" * 4097, 5, None, []]),
        ("viewers", [0, -1, 1001, 1.5, "5", True]),
        ("ttl_seconds", [59, 3601, 0, -1, 60.5, "60", None, True]),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_named(warm: Fresh, field: str, values: list[object]) -> None:
    odyssey = warm("odyssey")
    for value in values:
        answer = register(odyssey, **{field: value})
        assert (said(answer), faults(answer)) == (INVALID, [field]), value


@pytest.mark.parametrize("event", ["odyssey-watch", "odyssey-end"])
@pytest.mark.parametrize(
    "relay_id", ["", "0" * 31, "0" * 33, "0" * 31 + ".", "0" * 31 + "\n", "0" * 31 + "é", "../" + "0" * 29, "0" * 5000]
)
def test_what_is_no_id_is_refused(warm: Fresh, event: str, relay_id: str) -> None:
    answer = warm("odyssey").ask(event, pathParameters={"id": relay_id})
    assert (said(answer), faults(answer)) == (INVALID, ["id"])


def test_what_a_viewer_reads_opens_the_vendors_stream(odyssey: "Function") -> None:
    twin: Any = odyssey.twin
    credentials = odyssey.ask("odyssey-mint", sub=HOST).body
    twin.connect(credentials["session_id"], credentials["session_token"])
    session = f"{twin.url}/_twin/sessions/{credentials['session_id']}"
    ready = requests.post(f"{session}/broadcast", timeout=5).json()
    sent = {"webrtc_url": ready["webrtc_url"], "spectator_token": ready["spectator_token"]}
    relay_id = registered(odyssey, **sent, hls_url=ready["broadcast_url"])
    read = watch(odyssey, relay_id).body
    url = read["webrtc_url"].replace(twin.broadcast_origin, twin.url)  # a twin has no certificate
    assert [play(url, token) for token in (read["spectator_token"], relay_id)] == [201, 401]
    twin.disconnect(credentials["session_id"])
    assert play(url, read["spectator_token"]) == 404


def play(url: str, token: str) -> int:
    """What the vendor says to a viewer's SDK."""
    headers = {"Content-Type": "application/sdp"}
    return requests.post(f"{url}/whep", "v=0", params={"token": token}, headers=headers, timeout=5).status_code


# The end


def test_the_host_ends_it_for_all(odyssey: "Function") -> None:
    relay_id = registered(odyssey)
    answer = end(odyssey, relay_id)
    assert (answer.status, answer.raw["body"]) == (204, "")
    never = words(watch(odyssey, NEVER))
    assert never["status"] == 404
    assert [words(watch(odyssey, relay_id, sub)) for sub in (VIEWER, HOST)] == [never, never]


def test_ending_twice_is_ending_once(odyssey: "Function") -> None:
    relay_id = registered(odyssey)
    assert [end(odyssey, relay_id).status for _ in range(2)] == [204, 204]
    assert said(watch(odyssey, relay_id)) == NOT_FOUND


def test_nobody_else_ends_it_or_learns_that_it_is(odyssey: "Function", bundle: "Bundle") -> None:
    relay_id = registered(odyssey)
    never = words(end(odyssey, NEVER))
    assert never["status"] == 404
    assert words(end(odyssey, relay_id, VIEWER)) == never
    of_another_issuer = bundle.event("odyssey-end", sub=HOST) | {"pathParameters": {"id": relay_id}}
    of_another_issuer["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] = "https://other.example"
    assert words(odyssey.send(of_another_issuer)) == never
    assert watch(odyssey, relay_id).status == 200


def test_after_its_time_it_is_over_for_all(odyssey: "Function", later: Callable[[float], None]) -> None:
    relay_id = registered(odyssey, ttl_seconds=60)
    later(55)
    assert watch(odyssey, relay_id).status == 200
    later(61)
    never = words(watch(odyssey, NEVER))
    assert [words(watch(odyssey, relay_id, sub)) for sub in (VIEWER, HOST)] == [never, never]


def test_one_broadcast_ends_and_another_of_the_same_host_goes_on(odyssey: "Function") -> None:
    first, second = registered(odyssey), registered(odyssey, spectator_token="another")
    end(odyssey, first)
    assert watch(odyssey, second).body["spectator_token"] == "another"


# What the table holds


def test_the_table_forgets_a_broadcast_when_its_time_is_over(odyssey: "Function", bundle: "Bundle", table: str) -> None:
    answer = register(odyssey, viewers=3)
    watch(odyssey, answer.body["id"])
    attribute = bundle.template.properties("LimitsTable")["TimeToLiveSpecification"]["AttributeName"]
    assert int(kept(bundle, table)[attribute]["N"]) == moment(answer.body["expires_at"]).timestamp()


def test_the_item_shows_nothing_of_the_broadcast_and_nobodys_name(
    odyssey: "Function", bundle: "Bundle", table: str
) -> None:
    relay_id = registered(odyssey, viewers=3)
    watch(odyssey, relay_id)
    raw = base64.urlsafe_b64decode(relay_id)
    dump = json.dumps(items(bundle, table), default=lambda held: held.decode("latin-1")).lower()
    ids = [relay_id, raw.hex(), raw.decode("latin-1"), base64.b64encode(raw).decode(), base64.b32encode(raw).decode()]
    hashes = [hashlib.new(name, relay_id.encode()).hexdigest() for name in ("sha256", "sha1", "md5")]
    secrets = [*ids, *hashes, URL, HLS, TOKEN, "odyssey.ml", "webrtc", "spectator", HOST, VIEWER]
    assert [secret for secret in secrets if secret.lower() in dump] == []


def test_nothing_in_the_table_opens_what_is_sealed(odyssey: "Function", bundle: "Bundle", table: str) -> None:
    relay_id = registered(odyssey, viewers=3)
    watch(odyssey, relay_id)
    item = kept(bundle, table)
    sealed = item["sealed"]["B"]
    held = [value for typed in item.values() for value in typed.values() if value is not sealed]
    texts = [text for value in held for text in (value if isinstance(value, list) else [value])]
    tried = {form for text in texts for part in (text, *text.split("#")) for form in (part, part[:32], part[-32:])}
    assert len(tried) > 10
    for secret in tried:
        with pytest.raises(ValueError, match="another secret"):
            sealing.unseal(secret, sealed)
    assert TOKEN.encode() in sealing.unseal(relay_id, sealed)


def test_ending_takes_the_sealed_text_out_of_the_table(odyssey: "Function", bundle: "Bundle", table: str) -> None:
    relay_id = registered(odyssey)
    assert "sealed" in kept(bundle, table)
    end(odyssey, relay_id)
    left = kept(bundle, table)
    assert "sealed" not in left
    assert "expires" in left


@pytest.mark.parametrize("ask", [watch, end])
def test_what_the_table_forgets_meanwhile_is_over_and_nothing_of_it_comes_back(
    odyssey: "Function", bundle: "Bundle", table: str, monkeypatch: pytest.MonkeyPatch, ask: Callable[..., "Answer"]
) -> None:
    relay_id = registered(odyssey, viewers=1)
    read = Table.get

    def last_read(items: Table, key: str, deadline: Deadline) -> Item:
        item = read(items, key, deadline)
        dynamodb(bundle).delete_item(TableName=table, Key={"id": {"S": f"odyssey#{key}"}})
        return item

    monkeypatch.setattr(Table, "get", last_read)
    assert ask(odyssey, relay_id).status == (204 if ask is end else 404)
    assert not [key for key in items(bundle, table) if "#broadcast#" in key]


def test_what_somebody_changed_in_the_table_is_shown_to_nobody(
    odyssey: "Function", bundle: "Bundle", table: str
) -> None:
    relay_id = registered(odyssey)
    item = kept(bundle, table)
    sealed = bytearray(item["sealed"]["B"])
    sealed[20] ^= 1
    dynamodb(bundle).put_item(TableName=table, Item=item | {"sealed": {"B": bytes(sealed)}})
    answer = watch(odyssey, relay_id)
    assert (answer.status, answer.body["code"]) == (500, "internal_error")


# Viewers


@pytest.mark.usefixtures("patient_aws")
def test_viewers_at_once_are_let_in_up_to_the_limit_and_not_one_more(function: Fresh) -> None:
    environments = [function("odyssey") for _ in range(3)]
    relay_id = registered(environments[0], viewers=7)
    callers = [f"viewer-{number % 40}" for number in range(120)]

    def join(place: int) -> tuple[str, int]:
        return callers[place], watch(environments[place % 3], relay_id, callers[place]).status

    with ThreadPoolExecutor(20) as pool:
        outcomes = Counter(pool.map(join, range(len(callers))))
    admitted = {caller for caller, status in outcomes if status == 200}
    refused = {caller for caller, status in outcomes if status == 429}
    assert {status for _, status in outcomes} == {200, 429}
    assert (len(admitted), len(refused)) == (7, 33)
    assert admitted & refused == set()


def test_who_is_in_reads_again_and_who_is_not_is_told_why(odyssey: "Function") -> None:
    relay_id = registered(odyssey, viewers=1)
    assert [watch(odyssey, relay_id).status for _ in range(3)] == [200, 200, 200]
    refused = watch(odyssey, relay_id, "another")
    assert (refused.status, refused.body["code"], refused.body["limit"]) == (429, "quota_exceeded", "viewers")
    assert refused.body["retryable"] is False
    assert watch(odyssey, relay_id).status == 200


def test_who_is_in_and_who_finds_it_full_cost_no_write(function: Fresh, wire: Wire) -> None:
    odyssey = function("odyssey")
    relay_id = registered(odyssey, viewers=1)
    wire.sent.clear()
    assert [watch(odyssey, relay_id, sub).status for sub in (VIEWER, VIEWER, "another", VIEWER)] == [200, 200, 429, 200]
    assert wire.sent == [READ, CHANGE, READ, READ, READ]


def test_a_full_broadcast_that_is_over_is_not_found(odyssey: "Function", later: Callable[[float], None]) -> None:
    relay_id = registered(odyssey, viewers=1, ttl_seconds=60)
    watch(odyssey, relay_id)
    later(61)
    assert [said(watch(odyssey, relay_id, sub)) for sub in (VIEWER, "another")] == [NOT_FOUND, NOT_FOUND]


# Limits, the stop, and what is asked of AWS


def test_registrations_count_and_reads_do_not(function: Fresh, bundle: "Bundle", table: str) -> None:
    odyssey = function("odyssey", CALLER_PER_HOUR="1")
    relay_id = registered(odyssey)
    for _ in range(5):
        assert watch(odyssey, relay_id, HOST).status == 200
    assert used(bundle, table) == {"hour": 1, "day": 1}
    refused = register(odyssey)
    assert (refused.status, refused.body["limit"]) == (429, "caller_per_hour")
    assert kept(bundle, table)
    assert end(odyssey, relay_id).status == 204
    assert used(bundle, table) == {"hour": 1, "day": 1}


def test_a_registration_that_fails_is_not_counted(
    odyssey: "Function", bundle: "Bundle", table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "seal", lambda *_: 1 / 0)
    assert register(odyssey).body["code"] == "internal_error"
    assert used(bundle, table) == {"hour": 0, "day": 0}


@pytest.mark.parametrize("start", ["on-demand", "snap-start"])
def test_broadcasts_need_no_key_and_ask_no_vendor(function: Fresh, wire: Wire, start: str) -> None:
    odyssey = function("odyssey", "not set yet", AWS_LAMBDA_INITIALIZATION_TYPE=start)
    assert wire.sent == [SECRET] * (start == "on-demand")
    relay_id = registered(odyssey)
    assert (watch(odyssey, relay_id).status, end(odyssey, relay_id).status) == (200, 204)
    assert wire.sent.count(SECRET) == (start == "on-demand")
    assert odyssey.twin.calls == []


def test_registering_is_two_transactions_and_watching_one_look(function: Fresh, wire: Wire) -> None:
    odyssey = function("odyssey")
    wire.sent.clear()
    relay_id = registered(odyssey)
    assert wire.sent == [CHANGE, CHANGE]
    wire.sent.clear()
    assert watch(odyssey, relay_id).status == 200
    assert wire.sent == [READ]


def test_the_operators_stop_ends_registering_and_leaves_what_is_registered(
    odyssey: "Function", bundle: "Bundle", table: str
) -> None:
    relay_id = registered(odyssey)
    dynamodb(bundle).put_item(TableName=table, Item={"id": {"S": "odyssey#stop"}})
    refused = register(odyssey)
    assert (refused.status, refused.body["code"]) == (503, "vendor_stopped")
    assert (watch(odyssey, relay_id).status, end(odyssey, relay_id).status) == (200, 204)


@pytest.mark.parametrize("event", ROUTES)
def test_without_the_table_there_are_no_broadcasts(
    function: Fresh, nobody: str, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    once: dict[str, Any] = {"retries": {"mode": "standard", "total_max_attempts": 1}}
    monkeypatch.setattr(aws, "CONFIG", Config(read_timeout=0.1, **once))
    answer = function("odyssey", AWS_ENDPOINT_URL_DYNAMODB=nobody).ask(event)
    assert (answer.status, answer.body["code"], answer.body["fault"]) == (503, "limits_unavailable", "operator")


# The record


def test_a_leaked_token_leads_to_its_viewers_and_its_host_and_no_record_holds_nothing_that_opens(
    odyssey: "Function", capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    relay_id = registered(odyssey)
    watch(odyssey, relay_id)
    end(odyssey, relay_id)
    out, err = capfd.readouterr()
    records = [json.loads(line) for line in out.splitlines() if "mint_id" in line]
    assert [record["outcome"] for record in records] == ["registered", "watched", "ended"]
    assert [record["caller"]["sub"] for record in records] == [HOST, VIEWER, HOST]
    leaked = hashlib.sha256(TOKEN.encode()).hexdigest()
    assert records[1]["token_sha256"] == leaked
    assert records[0]["subject"] == f"token#{leaked}"
    assert records[1]["subject"] == records[2]["subject"]
    assert [secret for secret in (relay_id, TOKEN, URL, HLS) if secret in out + err] == []
