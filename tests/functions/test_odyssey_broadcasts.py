"""Odyssey's broadcasts: a host registers one, viewers watch it until its end, and the table reveals nothing of it."""

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

from minting import sealing, store
from minting.deadline import Deadline
from minting.table import Item, Table
from tests.functions.contract import FACTS, INVALID, MINT, NOT_FOUND, Fresh, faults, moment, said
from tests.trust.table import CHANGE, READ, SECRET, Wire, dynamodb, items, stop, taken, used

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer, Function

HOST, VIEWER = "hanna", "victor"
URL, TOKEN, HLS = "https://stream.odyssey.ml/broadcasts/b-1", "a-spectator-token", "https://cdn.odyssey.ml/b-1.m3u8"
BROADCAST = {"webrtc_url": URL, "spectator_token": TOKEN, "hls_url": HLS}
ROUTES = ["odyssey-register", "odyssey-watch", "odyssey-end"]
NEVER = "0" * 32
"""An id of no broadcast."""


@pytest.fixture
def odyssey(function: Fresh) -> "Function":
    return function("odyssey")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the store's clock so many seconds ahead."""
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
    broadcast_id: str = answer.body["id"]
    return broadcast_id


def watch(odyssey: "Function", broadcast_id: str, sub: str = VIEWER) -> "Answer":
    return odyssey.ask("odyssey-watch", sub=sub, pathParameters={"id": broadcast_id})


def end(odyssey: "Function", broadcast_id: str, sub: str = HOST) -> "Answer":
    return odyssey.ask("odyssey-end", sub=sub, pathParameters={"id": broadcast_id})


def words(answer: "Answer") -> dict[str, Any]:
    """A response without the id of this one occurrence."""
    body = {name: value for name, value in answer.body.items() if name != "instance"}
    return {"status": answer.status, "headers": answer.headers, "body": body}


def kept(bundle: "Bundle", table: str) -> dict[str, Any]:
    """The one broadcast in the table, as DynamoDB types it."""
    [item] = [item for key, item in items(bundle, table).items() if "#broadcast#" in key]
    return item


# Registering and watching


@pytest.mark.parametrize("sub", [VIEWER, "another", HOST])
def test_every_caller_who_has_the_id_can_watch(odyssey: "Function", sub: str) -> None:
    answer = watch(odyssey, registered(odyssey), sub)
    mint = answer.body.pop("mint")
    assert (answer.status, answer.body) == (200, BROADCAST)
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}
    assert mint.keys() == MINT
    assert (mint["vendor"], mint["expires_at"], mint["expires_in"]) == ("odyssey", None, None)
    assert not any(mint[fact] for fact in FACTS)


@pytest.mark.parametrize("absent", [{}, {"hls_url": None}])
def test_a_broadcast_without_hls_returns_none(odyssey: "Function", absent: dict[str, None]) -> None:
    sent = {"webrtc_url": "wss://stream.odyssey.ml", "spectator_token": "".join(map(chr, range(0x21, 0x7F)))}
    broadcast_id = odyssey.ask("odyssey-register", sent | absent).body["id"]
    body = watch(odyssey, broadcast_id).body
    assert {name: body[name] for name in body.keys() - {"mint"}} == sent


@pytest.mark.parametrize("viewers", [None, 1, 1000])
def test_a_host_may_limit_its_viewers(odyssey: "Function", viewers: int | None) -> None:
    assert watch(odyssey, registered(odyssey, viewers=viewers)).status == 200


@pytest.mark.parametrize(("asked", "seconds"), [({}, 3600), ({"ttl_seconds": 60}, 60), ({"ttl_seconds": 3600}, 3600)])
def test_registering_returns_the_id_and_the_expiry(odyssey: "Function", asked: dict[str, int], seconds: int) -> None:
    answer = register(odyssey, **asked)
    assert (answer.status, set(answer.body)) == (201, {"id", "expires_at"})
    assert answer.headers["cache-control"] == "no-store"
    left = (moment(answer.body["expires_at"]) - datetime.now(UTC)).total_seconds()
    assert seconds - 5 < left <= seconds


def test_ids_are_unique_and_cannot_be_guessed(tableless: Fresh) -> None:
    odyssey = tableless("odyssey")
    given = [registered(odyssey) for _ in range(20)]
    assert len(set(given)) == 20
    assert {len(base64.urlsafe_b64decode(broadcast_id)) for broadcast_id in given} == {24}
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
def test_an_invalid_field_is_named(tableless: Fresh, field: str, values: list[object]) -> None:
    odyssey = tableless("odyssey")
    for value in values:
        answer = register(odyssey, **{field: value})
        assert (said(answer), faults(answer)) == (INVALID, [field]), value


@pytest.mark.parametrize("event", ["odyssey-watch", "odyssey-end"])
@pytest.mark.parametrize(
    "broadcast_id",
    ["", "0" * 31, "0" * 33, "0" * 31 + ".", "0" * 31 + "\n", "0" * 31 + "é", "../" + "0" * 29, "0" * 5000],
)
def test_an_invalid_broadcast_id_is_refused(tableless: Fresh, event: str, broadcast_id: str) -> None:
    answer = tableless("odyssey").ask(event, pathParameters={"id": broadcast_id})
    assert (said(answer), faults(answer)) == (INVALID, ["id"])


def test_a_viewer_can_open_the_vendors_stream(odyssey: "Function") -> None:
    twin: Any = odyssey.twin
    credentials = odyssey.ask("odyssey-mint", sub=HOST).body
    twin.connect(credentials["session_id"], credentials["session_token"])
    session = f"{twin.url}/_twin/sessions/{credentials['session_id']}"
    ready = requests.post(f"{session}/broadcast", timeout=5).json()
    sent = {"webrtc_url": ready["webrtc_url"], "spectator_token": ready["spectator_token"]}
    broadcast_id = registered(odyssey, **sent, hls_url=ready["broadcast_url"])
    read = watch(odyssey, broadcast_id).body
    url = read["webrtc_url"].replace(twin.broadcast_origin, twin.url)  # a twin has no certificate
    assert [play(url, token) for token in (read["spectator_token"], broadcast_id)] == [201, 401]
    twin.disconnect(credentials["session_id"])
    assert play(url, read["spectator_token"]) == 404


def play(url: str, token: str) -> int:
    """The vendor's status for a viewer's SDK."""
    headers = {"Content-Type": "application/sdp"}
    return requests.post(f"{url}/whep", "v=0", params={"token": token}, headers=headers, timeout=5).status_code


# The end


def test_the_host_ends_the_broadcast_for_all(odyssey: "Function") -> None:
    broadcast_id = registered(odyssey)
    answer = end(odyssey, broadcast_id)
    assert (answer.status, answer.raw["body"]) == (204, "")
    never = words(watch(odyssey, NEVER))
    assert never["status"] == 404
    assert [words(watch(odyssey, broadcast_id, sub)) for sub in (VIEWER, HOST)] == [never, never]


def test_ending_twice_is_no_error(odyssey: "Function") -> None:
    broadcast_id = registered(odyssey)
    assert [end(odyssey, broadcast_id).status for _ in range(2)] == [204, 204]
    assert said(watch(odyssey, broadcast_id)) == NOT_FOUND


def test_another_caller_cannot_end_a_broadcast_or_learn_of_it(odyssey: "Function", bundle: "Bundle") -> None:
    broadcast_id = registered(odyssey)
    never = words(end(odyssey, NEVER))
    assert never["status"] == 404
    assert words(end(odyssey, broadcast_id, VIEWER)) == never
    of_another_issuer = bundle.event("odyssey-end", sub=HOST) | {"pathParameters": {"id": broadcast_id}}
    of_another_issuer["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] = "https://other.example"
    assert words(odyssey.send(of_another_issuer)) == never
    assert watch(odyssey, broadcast_id).status == 200


def test_an_expired_broadcast_is_not_found(odyssey: "Function", later: Callable[[float], None]) -> None:
    broadcast_id = registered(odyssey, ttl_seconds=60)
    later(55)
    assert watch(odyssey, broadcast_id).status == 200
    later(61)
    never = words(watch(odyssey, NEVER))
    assert [words(watch(odyssey, broadcast_id, sub)) for sub in (VIEWER, HOST)] == [never, never]


def test_ending_one_broadcast_leaves_the_hosts_other(odyssey: "Function") -> None:
    first, second = registered(odyssey), registered(odyssey, spectator_token="another")
    end(odyssey, first)
    assert watch(odyssey, second).body["spectator_token"] == "another"


# The item in the table


def test_the_item_expires_with_the_broadcast(odyssey: "Function", bundle: "Bundle", table: str) -> None:
    answer = register(odyssey, viewers=3)
    watch(odyssey, answer.body["id"])
    attribute = bundle.template.properties("LimitsTable")["TimeToLiveSpecification"]["AttributeName"]
    assert int(kept(bundle, table)[attribute]["N"]) == moment(answer.body["expires_at"]).timestamp()


def test_the_item_reveals_neither_the_broadcast_nor_its_callers(
    odyssey: "Function", bundle: "Bundle", table: str
) -> None:
    broadcast_id = registered(odyssey, viewers=3)
    watch(odyssey, broadcast_id)
    raw = base64.urlsafe_b64decode(broadcast_id)
    dump = json.dumps(items(bundle, table), default=lambda held: held.decode("latin-1")).lower()
    ids = [
        broadcast_id,
        raw.hex(),
        raw.decode("latin-1"),
        base64.b64encode(raw).decode(),
        base64.b32encode(raw).decode(),
    ]
    hashes = [hashlib.new(name, broadcast_id.encode()).hexdigest() for name in ("sha256", "sha1", "md5")]
    secrets = [*ids, *hashes, URL, HLS, TOKEN, "odyssey.ml", "webrtc", "spectator", HOST, VIEWER]
    assert [secret for secret in secrets if secret.lower() in dump] == []


def test_nothing_in_the_item_opens_the_sealed_text(odyssey: "Function", bundle: "Bundle", table: str) -> None:
    broadcast_id = registered(odyssey, viewers=3)
    watch(odyssey, broadcast_id)
    item = kept(bundle, table)
    sealed = item["sealed"]["B"]
    held = [value for typed in item.values() for value in typed.values() if value is not sealed]
    texts = [text for value in held for text in (value if isinstance(value, list) else [value])]
    tried = {form for text in texts for part in (text, *text.split("#")) for form in (part, part[:32], part[-32:])}
    assert len(tried) > 10
    for secret in tried:
        with pytest.raises(ValueError, match="another secret"):
            sealing.unseal(secret, sealed)
    assert TOKEN.encode() in sealing.unseal(broadcast_id, sealed)


def test_ending_deletes_the_sealed_text(odyssey: "Function", bundle: "Bundle", table: str) -> None:
    broadcast_id = registered(odyssey)
    assert "sealed" in kept(bundle, table)
    end(odyssey, broadcast_id)
    left = kept(bundle, table)
    assert "sealed" not in left
    assert "expires" in left


@pytest.mark.parametrize("ask", [watch, end])
def test_an_item_that_is_deleted_meanwhile_is_not_created_again(
    odyssey: "Function", bundle: "Bundle", table: str, monkeypatch: pytest.MonkeyPatch, ask: Callable[..., "Answer"]
) -> None:
    broadcast_id = registered(odyssey, viewers=1)
    read = Table.get

    def last_read(items: Table, key: str, deadline: Deadline) -> Item:
        item = read(items, key, deadline)
        dynamodb(bundle).delete_item(TableName=table, Key={"id": {"S": f"odyssey#{key}"}})
        return item

    monkeypatch.setattr(Table, "get", last_read)
    assert ask(odyssey, broadcast_id).status == (204 if ask is end else 404)
    assert not [key for key in items(bundle, table) if "#broadcast#" in key]


def test_a_changed_item_is_an_internal_error(odyssey: "Function", bundle: "Bundle", table: str) -> None:
    broadcast_id = registered(odyssey)
    item = kept(bundle, table)
    sealed = bytearray(item["sealed"]["B"])
    sealed[20] ^= 1
    dynamodb(bundle).put_item(TableName=table, Item=item | {"sealed": {"B": bytes(sealed)}})
    answer = watch(odyssey, broadcast_id)
    assert (answer.status, answer.body["code"]) == (500, "internal_error")


# Viewers


@pytest.mark.usefixtures("patient_aws")
def test_concurrent_viewers_never_pass_the_limit(function: Fresh) -> None:
    environments = [function("odyssey") for _ in range(3)]
    broadcast_id = registered(environments[0], viewers=7)
    callers = [f"viewer-{number % 40}" for number in range(120)]

    def join(place: int) -> tuple[str, int]:
        return callers[place], watch(environments[place % 3], broadcast_id, callers[place]).status

    with ThreadPoolExecutor(20) as pool:
        outcomes = Counter(pool.map(join, range(len(callers))))
    admitted = {caller for caller, status in outcomes if status == 200}
    refused = {caller for caller, status in outcomes if status == 429}
    assert {status for _, status in outcomes} == {200, 429}
    assert (len(admitted), len(refused)) == (7, 33)
    assert admitted & refused == set()


def test_a_full_broadcast_admits_its_viewers_again_and_nobody_else(odyssey: "Function") -> None:
    broadcast_id = registered(odyssey, viewers=1)
    assert [watch(odyssey, broadcast_id).status for _ in range(3)] == [200, 200, 200]
    refused = watch(odyssey, broadcast_id, "another")
    assert (refused.status, refused.body["code"], refused.body["limit"]) == (429, "quota_exceeded", "viewers")
    assert refused.body["retryable"] is False
    assert watch(odyssey, broadcast_id).status == 200


def test_known_viewers_and_refused_ones_cause_no_write(function: Fresh, wire: Wire) -> None:
    odyssey = function("odyssey")
    broadcast_id = registered(odyssey, viewers=1)
    wire.sent.clear()
    assert [watch(odyssey, broadcast_id, sub).status for sub in (VIEWER, VIEWER, "another", VIEWER)] == [
        200,
        200,
        429,
        200,
    ]
    assert wire.sent == [READ, READ, CHANGE, *[READ] * 6]


def test_a_full_broadcast_that_has_expired_is_not_found(odyssey: "Function", later: Callable[[float], None]) -> None:
    broadcast_id = registered(odyssey, viewers=1, ttl_seconds=60)
    watch(odyssey, broadcast_id)
    later(61)
    assert [said(watch(odyssey, broadcast_id, sub)) for sub in (VIEWER, "another")] == [NOT_FOUND, NOT_FOUND]


# Limits, the operator's stop, and requests to AWS


def test_only_registering_counts_in_the_limits(function: Fresh, bundle: "Bundle", table: str) -> None:
    odyssey = function("odyssey", BROADCASTS_CALLER_PER_HOUR="1")
    broadcast_id = registered(odyssey)
    for _ in range(5):
        assert watch(odyssey, broadcast_id, HOST).status == 200
    assert used(bundle, table, "broadcasts") == taken(1)
    refused = register(odyssey)
    assert (refused.status, refused.body["limit"]) == (429, "broadcasts_caller_per_hour")
    assert kept(bundle, table)
    assert end(odyssey, broadcast_id).status == 204
    assert used(bundle, table, "broadcasts") == taken(1)


def test_a_failed_registration_is_not_counted(
    odyssey: "Function", bundle: "Bundle", table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "seal", lambda *_: 1 / 0)
    assert register(odyssey).body["code"] == "internal_error"
    assert used(bundle, table, "broadcasts") == taken(0)


def test_broadcasts_need_no_key_and_call_no_vendor(function: Fresh, wire: Wire) -> None:
    odyssey = function("odyssey", "not set yet")
    assert wire.sent == [SECRET]
    broadcast_id = registered(odyssey)
    assert (watch(odyssey, broadcast_id).status, end(odyssey, broadcast_id).status) == (200, 204)
    assert wire.sent.count(SECRET) == 1
    assert odyssey.twin.calls == []


def test_registering_makes_three_writes_and_watching_two_reads(function: Fresh, wire: Wire) -> None:
    odyssey = function("odyssey")
    wire.sent.clear()
    broadcast_id = registered(odyssey)
    assert wire.sent == [CHANGE, CHANGE, CHANGE]
    wire.sent.clear()
    assert watch(odyssey, broadcast_id).status == 200
    assert wire.sent == [READ, READ]


def test_an_operators_stop_ends_registering_only(function: Fresh, bundle: "Bundle", table: str) -> None:
    broadcast_id = registered(function("odyssey"))
    stop(bundle, table, "odyssey")
    odyssey = function("odyssey")
    refused = register(odyssey)
    assert (refused.status, refused.body["code"]) == (503, "vendor_stopped")
    assert (watch(odyssey, broadcast_id).status, end(odyssey, broadcast_id).status) == (200, 204)


@pytest.mark.parametrize("event", ROUTES)
def test_without_the_table_every_broadcast_route_fails(function: Fresh, nobody: str, event: str) -> None:
    answer = function("odyssey", AWS_ENDPOINT_URL_DYNAMODB=nobody).ask(event)
    assert (answer.status, answer.body["code"], answer.body["fault"]) == (503, "limits_unavailable", "operator")


# The record


def test_the_records_lead_from_a_leaked_token_to_its_host_and_viewers(
    odyssey: "Function", capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    broadcast_id = registered(odyssey)
    watch(odyssey, broadcast_id)
    end(odyssey, broadcast_id)
    out, err = capfd.readouterr()
    records = [json.loads(line) for line in out.splitlines() if "mint_id" in line]
    assert [record["outcome"] for record in records] == ["registered", "watched", "ended"]
    assert [record["caller"]["sub"] for record in records] == [HOST, VIEWER, HOST]
    leaked = hashlib.sha256(TOKEN.encode()).hexdigest()
    assert records[1]["token_sha256"] == leaked
    assert records[0]["subject"] == f"token#{leaked}"
    assert records[1]["subject"] == records[2]["subject"]
    assert [secret for secret in (broadcast_id, TOKEN, URL, HLS) if secret in out + err] == []
