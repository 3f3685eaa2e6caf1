"""The twin of Odyssey behaves as its SDKs expect."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import jwt
import pytest
import requests

from local.twins.odyssey import REFUSALS, OdysseyTwin

KEY = "ody_local_key"


def login(http: requests.Session, twin: OdysseyTwin, api_key: object = KEY) -> requests.Response:
    return http.post(twin.url + "/auth/token", json={"api_key": api_key})


def bearer(http: requests.Session, twin: OdysseyTwin, api_key: str = KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {login(http, twin, api_key).json()['access_token']}"}


def ask(http: requests.Session, twin: OdysseyTwin, access: dict[str, str], **body: Any) -> requests.Response:
    return http.post(twin.url + "/sessions/request", json=body, headers=access)


def token(http: requests.Session, twin: OdysseyTwin, access: dict[str, str], session: str) -> requests.Response:
    return http.post(twin.url + "/sessions/token", json={"session_id": session}, headers=access)


def open_session(http: requests.Session, twin: OdysseyTwin) -> tuple[str, str]:
    access = bearer(http, twin)
    session: str = ask(http, twin, access).json()["session_id"]
    return session, token(http, twin, access, session).json()["session_token"]


UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
"""The key is the example of RFC 6455, section 1.3."""
SAYS_HELLO = bytes([0x81, 0xFE, 0, 200, *range(4), *range(200)])
SAYS_GOODBYE = bytes([0x88, 0x80, *range(4)])


@contextmanager
def signalling(twin: OdysseyTwin, session: str, value: str) -> Iterator[tuple[socket.socket, BinaryIO]]:
    """The connection of a session's client, and what the twin answers to the handshake and after it."""
    lines = [f"GET /client/{session}?token={value} HTTP/1.1", *(f"{name}: {text}" for name, text in UPGRADE.items())]
    host, port = twin.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection, connection.makefile("rb") as answers:
        connection.sendall("\r\n".join([*lines, "Host: twin", "", ""]).encode())
        yield connection, answers


def test_the_calls_give_a_session_and_its_token(http: requests.Session, odyssey: OdysseyTwin) -> None:
    access = bearer(http, odyssey)
    session = ask(http, odyssey, access, region_latencies={"us-west": 20}).json()
    assert session["signalling_url"].startswith("ws://127.0.0.1:")
    assert session["capabilities"] == {"image_to_video": True}
    answer = token(http, odyssey, access, session["session_id"]).json()
    claims = jwt.decode(answer["session_token"], options={"verify_signature": False})
    assert (answer["expires_in"], claims["session_id"]) == (600, session["session_id"])


def test_the_url_is_spelled_with_two_l_only(http: requests.Session, odyssey: OdysseyTwin) -> None:
    session = ask(http, odyssey, bearer(http, odyssey)).json()
    assert "signalling_url" in session
    assert "signaling_url" not in session


@pytest.mark.parametrize("sent", [None, 5, ["ody_local_key"]])
def test_an_api_key_that_is_not_a_string_is_422(http: requests.Session, odyssey: OdysseyTwin, sent: object) -> None:
    answer = login(http, odyssey, sent)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "api_key"])


def test_an_unknown_key_is_401_and_a_denied_key_is_403(http: requests.Session, odyssey: OdysseyTwin) -> None:
    odyssey.keys["ody_denied"] = "denied"
    assert [login(http, odyssey, key).status_code for key in ("ody_nobody", "ody_denied")] == [401, 403]


@pytest.mark.parametrize("path", ["/regions", "/sessions/request", "/sessions/token"])
def test_without_a_valid_access_token_every_call_is_401(
    http: requests.Session, odyssey: OdysseyTwin, path: str
) -> None:
    access = bearer(http, odyssey)
    method = "GET" if path == "/regions" else "POST"
    assert http.request(method, odyssey.url + path, json={}).status_code == 401
    odyssey.skew = 3600
    assert http.request(method, odyssey.url + path, json={}, headers=access).status_code == 401


def test_every_session_takes_a_slot_and_a_session_over_the_limit_is_429(
    http: requests.Session, odyssey: OdysseyTwin
) -> None:
    access = bearer(http, odyssey)
    answers = [ask(http, odyssey, access) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    detail = answers[-1].json()["detail"]
    assert (detail["error"], detail["details"]) == ("CONCURRENT_LIMIT_REACHED", {"active_count": 5, "limit": 5})
    assert {"message", "action", "action_url"} <= set(detail)


def test_slots_are_counted_for_each_key(http: requests.Session, odyssey: OdysseyTwin) -> None:
    odyssey.keys["ody_other"] = "active"
    odyssey.max_sessions = 1
    keys = (KEY, "ody_other", KEY)
    assert [ask(http, odyssey, bearer(http, odyssey, key)).status_code for key in keys] == [200, 200, 429]


def test_a_busy_vendor_answers_503_and_takes_no_slot(http: requests.Session, odyssey: OdysseyTwin) -> None:
    odyssey.busy_polls = 2
    access = bearer(http, odyssey)
    assert [ask(http, odyssey, access).status_code for _ in range(3)] == [503, 503, 200]
    assert len(odyssey.sessions) == 1


def test_too_many_requests_get_the_seconds_to_wait(http: requests.Session, odyssey: OdysseyTwin) -> None:
    odyssey.rate_limit = 1
    access = bearer(http, odyssey)
    ask(http, odyssey, access)
    detail = ask(http, odyssey, access).json()["detail"]
    assert detail["error"] == "RATE_LIMITED"
    assert 1 <= detail["details"]["retry_after_seconds"] <= 60
    odyssey.skew = 61
    assert ask(http, odyssey, access).status_code == 200


@pytest.mark.parametrize("code", REFUSALS)
def test_each_refusal_of_the_429_family_can_be_switched_on(
    http: requests.Session, odyssey: OdysseyTwin, code: str
) -> None:
    odyssey.refusal = code
    answer = ask(http, odyssey, bearer(http, odyssey))
    assert (answer.status_code, answer.json()["detail"]["error"]) == (429, code)
    assert not odyssey.sessions


def test_the_429_body_also_comes_as_code_bare_or_string(http: requests.Session, odyssey: OdysseyTwin) -> None:
    odyssey.refusal, odyssey.refusal_field = "ACCOUNT_SUSPENDED", "code"
    access = bearer(http, odyssey)
    assert ask(http, odyssey, access).json()["detail"]["code"] == "ACCOUNT_SUSPENDED"
    odyssey.refusal_shape = "bare"
    assert ask(http, odyssey, access).json()["code"] == "ACCOUNT_SUSPENDED"
    odyssey.refusal_shape = "string"
    assert isinstance(ask(http, odyssey, access).json()["detail"], str)


def test_the_token_of_an_unknown_or_foreign_session_is_404(http: requests.Session, odyssey: OdysseyTwin) -> None:
    odyssey.keys["ody_other"] = "active"
    session, _ = open_session(http, odyssey)
    assert token(http, odyssey, bearer(http, odyssey), "s-0").status_code == 404
    assert token(http, odyssey, bearer(http, odyssey, "ody_other"), session).status_code == 404


def test_the_token_call_may_be_repeated(http: requests.Session, odyssey: OdysseyTwin) -> None:
    access = bearer(http, odyssey)
    session = ask(http, odyssey, access).json()["session_id"]
    assert [token(http, odyssey, access, session).status_code for _ in range(2)] == [200, 200]
    assert len(odyssey.live_sessions()) == 1


def test_latencies_that_are_not_integers_are_422(http: requests.Session, odyssey: OdysseyTwin) -> None:
    assert ask(http, odyssey, bearer(http, odyssey), region_latencies={"us-west": 1.5}).status_code == 422


def test_a_session_that_nobody_joins_ends_after_15_minutes(http: requests.Session, odyssey: OdysseyTwin) -> None:
    open_session(http, odyssey)
    odyssey.skew = 899
    assert len(odyssey.live_sessions()) == 1
    odyssey.skew = 900
    assert not odyssey.live_sessions()


def test_a_clean_disconnect_frees_the_slot_at_once(http: requests.Session, odyssey: OdysseyTwin) -> None:
    session, value = open_session(http, odyssey)
    assert odyssey.connect(session, value) == 101
    odyssey.disconnect(session)
    assert not odyssey.live_sessions()


def test_a_lost_client_keeps_the_slot_until_its_token_expires(http: requests.Session, odyssey: OdysseyTwin) -> None:
    session, value = open_session(http, odyssey)
    odyssey.connect(session, value)
    odyssey.disconnect(session, clean=False)
    assert len(odyssey.live_sessions()) == 1
    odyssey.skew = 601
    assert not odyssey.live_sessions()


def test_only_one_client_with_a_matching_valid_token_connects(http: requests.Session, odyssey: OdysseyTwin) -> None:
    session, value = open_session(http, odyssey)
    _, foreign = open_session(http, odyssey)
    assert [odyssey.connect(*pair) for pair in ((session, foreign), (session, "x"), ("s-0", value))] == [401, 401, 404]
    assert [odyssey.connect(session, value) for _ in range(2)] == [101, 409]


def test_the_signalling_websocket_is_open_until_its_client_closes_it(
    http: requests.Session, odyssey: OdysseyTwin
) -> None:
    session, value = open_session(http, odyssey)
    with signalling(odyssey, session, value) as (connection, answers):
        head = list(iter(answers.readline, b"\r\n"))
        assert head[0].startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        connection.sendall(SAYS_HELLO)
        again = http.get(f"{odyssey.url}/client/{session}", params={"token": value}, headers=UPGRADE)
        assert again.status_code == 409
        connection.sendall(SAYS_GOODBYE)
        assert answers.read() == bytes([0x88, 0])  # and nothing more, because the twin has hung up
    assert session not in odyssey.live_sessions()


def test_a_client_that_does_not_close_its_websocket_is_lost(http: requests.Session, odyssey: OdysseyTwin) -> None:
    session, value = open_session(http, odyssey)
    with signalling(odyssey, session, value) as (connection, answers):
        connection.sendall(SAYS_HELLO[:100])
        connection.shutdown(socket.SHUT_WR)
        assert answers.read().endswith(b"\r\n\r\n")
    assert odyssey.sessions[session].state == "lost"


def test_an_expired_token_is_refused_while_the_slot_is_still_taken(
    http: requests.Session, odyssey: OdysseyTwin
) -> None:
    session, value = open_session(http, odyssey)
    odyssey.skew = 601
    assert odyssey.connect(session, value) == 401
    assert len(odyssey.live_sessions()) == 1


def test_a_test_can_connect_and_lose_a_client_over_http(http: requests.Session, odyssey: OdysseyTwin) -> None:
    session, value = open_session(http, odyssey)
    hooks = f"{odyssey.url}/_twin/sessions/{session}/"
    assert http.post(hooks + "connect", json={"token": value}).json() == {"status": 101}
    assert http.post(hooks + "disconnect", json={"clean": False}).status_code == 204
    assert odyssey.sessions[session].state == "lost"


# Broadcasts


def broadcast(http: requests.Session, twin: OdysseyTwin) -> tuple[str, dict[str, Any]]:
    """The session of a connected host, and the message to its client."""
    session, value = open_session(http, twin)
    twin.connect(session, value)
    return session, http.post(f"{twin.url}/_twin/sessions/{session}/broadcast").json()


def play(http: requests.Session, twin: OdysseyTwin, ready: dict[str, Any], token: str) -> requests.Response:
    """Sends a viewer's offer to the twin, as the SDK sends it to the vendor."""
    url = ready["webrtc_url"].replace(twin.broadcast_origin, twin.url)
    headers = {"Content-Type": "application/sdp"}
    return http.post(f"{url}/whep", "v=0", params={"token": token}, headers=headers)


def test_a_connected_host_gets_the_urls_for_viewers(http: requests.Session, odyssey: OdysseyTwin) -> None:
    _, ready = broadcast(http, odyssey)
    assert ready.keys() == {"broadcast_url", "webrtc_url", "spectator_token"}
    assert ready["webrtc_url"].startswith("https://stream.odyssey.ml/")
    assert ready["broadcast_url"].startswith(ready["webrtc_url"])
    odyssey.hls = False
    assert broadcast(http, odyssey)[1]["broadcast_url"] is None


def test_a_session_that_is_not_connected_has_no_broadcast(http: requests.Session, odyssey: OdysseyTwin) -> None:
    session, value = open_session(http, odyssey)
    hook = f"{odyssey.url}/_twin/sessions/{session}/broadcast"
    assert http.post(hook).status_code == 404
    odyssey.connect(session, value)
    assert http.post(hook).status_code == 200
    assert http.post(f"{odyssey.url}/_twin/sessions/s-0/broadcast").status_code == 404


def test_a_viewer_with_the_token_plays_and_leaves(http: requests.Session, odyssey: OdysseyTwin) -> None:
    _, ready = broadcast(http, odyssey)
    answers = [play(http, odyssey, ready, ready["spectator_token"]) for _ in range(2)]
    assert [(answer.status_code, answer.headers["Content-Type"]) for answer in answers] == [
        (201, "application/sdp")
    ] * 2
    assert answers[0].text.startswith("v=0")
    first, second = (odyssey.url + answer.headers["Location"] for answer in answers)
    assert first != second
    assert [http.delete(url).status_code for url in (first, first, second)] == [200, 404, 200]


@pytest.mark.parametrize("token", ["", "another", "é"])
def test_a_viewer_without_the_token_is_401(http: requests.Session, odyssey: OdysseyTwin, token: str) -> None:
    _, ready = broadcast(http, odyssey)
    assert play(http, odyssey, ready, token).status_code == 401


def test_another_broadcasts_token_is_401(http: requests.Session, odyssey: OdysseyTwin) -> None:
    ready, other = (broadcast(http, odyssey)[1] for _ in range(2))
    assert play(http, odyssey, ready, other["spectator_token"]).status_code == 401


@pytest.mark.parametrize("clean", [True, False])
def test_the_stream_ends_when_the_host_leaves(http: requests.Session, odyssey: OdysseyTwin, clean: bool) -> None:
    session, ready = broadcast(http, odyssey)
    odyssey.disconnect(session, clean=clean)
    assert play(http, odyssey, ready, ready["spectator_token"]).status_code == 404
    assert play(http, odyssey, ready | {"webrtc_url": f"{odyssey.url}/broadcasts/b-0"}, "").status_code == 404


def test_a_players_configuration_needs_no_token(http: requests.Session, odyssey: OdysseyTwin) -> None:
    assert http.get(f"{odyssey.url}/config").json() == {"iceServers": []}


def test_unknown_routes_answer_as_fastapi_does(http: requests.Session, odyssey: OdysseyTwin) -> None:
    assert http.get(odyssey.url + "/nothing").json() == {"detail": "Not Found"}
    assert http.get(odyssey.url + "/auth/token").status_code == 405
