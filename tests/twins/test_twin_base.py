"""Every twin can damage and delay answers, record calls, take settings and restart."""

import time

import pytest
import requests

from local.twins import twins
from local.twins.convai import ConvaiTwin
from local.twins.odyssey import OdysseyTwin
from local.twins.twin import Fault

MINT = "/user/connect"
KEY = {"CONVAI-API-KEY": "convai-local-key"}


def mint(http: requests.Session, twin: ConvaiTwin, timeout: float = 5) -> requests.Response:
    return http.post(twin.base_url + MINT, json={}, headers=KEY, timeout=timeout)


def test_every_twin_resets_without_running() -> None:
    assert twins().keys() >= {"spatius", "odyssey", "spatialgen", "convai", "trulience"}
    for kind in twins().values():
        kind().reset()


def test_a_connection_stays_open_and_each_call_records_its_connection(
    http: requests.Session, convai: ConvaiTwin
) -> None:
    for _ in range(3):
        assert mint(http, convai).status_code == 200
    with requests.Session() as other:
        mint(other, convai)
    first, *again, fresh = [call.connection for call in convai.calls]
    assert again == [first, first]
    assert fresh != first


def test_a_call_is_recorded_with_all_its_parts(http: requests.Session, convai: ConvaiTwin) -> None:
    http.post(convai.url + MINT, params={"a": "1"}, data=b"{}", headers=KEY)
    call = convai.calls[0]
    assert (call.method, call.path, call.query, call.body, call.status) == ("POST", MINT, "a=1", b"{}", 200)
    assert call.headers["convai-api-key"] == "convai-local-key"


def test_a_page_of_any_origin_may_call_what_the_vendors_web_client_calls(
    http: requests.Session, convai: ConvaiTwin
) -> None:
    convai.fault(Fault(times=1, status=503))
    asked = [http.options(convai.url + path) for path in ("/connect", MINT)]
    assert [answer.headers.get("Access-Control-Allow-Origin") for answer in asked] == ["*", None]
    assert [answer.status_code for answer in asked] == [204, 503]
    assert http.post(convai.url + "/connect").headers["Access-Control-Allow-Origin"] == "*"
    assert [call.method for call in convai.calls] == ["OPTIONS", "POST"]


def test_faults_apply_in_their_order_and_as_often_as_they_say(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.fault(Fault(path="/user", times=2, status=503))
    convai.fault(Fault(path=MINT, times=1, status=429, headers={"Retry-After": "7"}, body={"ERROR": "Rate limit"}))
    answers = [mint(http, convai) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 503, 429, 200]
    assert (answers[2].headers["Retry-After"], answers[2].json()) == ("7", {"ERROR": "Rate limit"})


def test_a_fault_does_not_affect_other_paths(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.fault(Fault(path="/user/extend", status=500))
    assert mint(http, convai).status_code == 200


def test_a_fault_can_echo_the_key(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.fault(Fault(status=500, body={"ERROR": "bad key {key}"}))
    assert mint(http, convai).json() == {"ERROR": "bad key convai-local-key"}


def test_a_string_body_is_sent_as_it_is(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.fault(Fault(status=502, body="<html>Bad gateway</html>"))
    answer = mint(http, convai)
    assert (answer.text, answer.headers["Content-Type"]) == ("<html>Bad gateway</html>", "text/html; charset=utf-8")


def test_a_cut_answer_is_shorter_than_promised(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.fault(Fault(mode="cut", times=1))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        mint(http, convai)
    assert mint(http, convai).status_code == 200


def test_a_dripping_answer_outlives_the_read_timeout(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.fault(Fault(status=200, body="x" * 20, mode="drip", pause=0.02))
    began = time.monotonic()
    assert mint(http, convai, timeout=0.2).text == "x" * 20
    assert time.monotonic() - began > 0.35


def test_a_dropped_request_gets_no_answer(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.fault(Fault(mode="drop", status=500))
    with pytest.raises(requests.exceptions.ConnectionError, match="without response"):
        mint(http, convai)
    assert [call.status for call in convai.calls] == [None]
    assert not convai.tokens


def test_a_fault_without_a_status_loses_the_answer_after_the_work_is_done(
    http: requests.Session, convai: ConvaiTwin
) -> None:
    convai.fault(Fault(mode="drop"))
    with pytest.raises(requests.exceptions.ConnectionError):
        mint(http, convai)
    assert len(convai.tokens) == 1


def test_a_late_answer_does_not_delay_other_calls(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.fault(Fault(delay=30, times=1))
    with pytest.raises(requests.exceptions.ReadTimeout):
        mint(http, convai, timeout=0.2)
    assert mint(http, convai, timeout=0.5).status_code == 200


def test_a_call_says_when_it_came_and_how_late_its_answer_is(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.fault(Fault(delay=0.2, times=1))
    before = time.time()
    for _ in range(2):
        mint(http, convai)
    late, prompt = convai.calls
    assert before <= late.at < late.at + 0.2 <= prompt.at
    assert prompt.seconds < 0.2 <= late.seconds


def test_a_stopped_twin_closes_its_connections_and_can_start_again(http: requests.Session, convai: ConvaiTwin) -> None:
    mint(http, convai)
    url, port = convai.url, int(convai.url.rpartition(":")[2])
    convai.stop()
    with pytest.raises(requests.exceptions.ConnectionError):
        http.post(url + MINT, json={})
    convai.start(port=port)
    assert mint(http, convai).status_code == 200


def test_a_setting_removes_a_field_from_the_answer(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.omit = "apiAuthToken"
    assert list(mint(http, convai).json()) == ["expirationTime"]


def test_faults_settings_calls_and_reset_work_over_http(http: requests.Session, odyssey: OdysseyTwin) -> None:
    control = odyssey.url + "/_twin/"
    assert http.post(control + "faults", json={"path": "/auth", "status": 500, "times": 1}).status_code == 204
    assert http.post(control + "settings", json={"max_sessions": 2, "skew": 60}).status_code == 204
    assert (odyssey.max_sessions, odyssey.skew) == (2, 60)
    assert http.post(odyssey.url + "/auth/token", json={"api_key": "k"}).status_code == 500
    calls = http.get(control + "calls").json()
    assert [(call["path"], call["status"], call["body"]) for call in calls] == [
        ("/auth/token", 500, '{"api_key": "k"}')
    ]
    assert http.post(control + "reset").status_code == 204
    assert (odyssey.max_sessions, odyssey.skew, odyssey.calls) == (5, 0, [])


@pytest.mark.parametrize("settings", [{"max_session": 2}, {"keys": {}}, {"max_sessions": "2"}, {"max_sessions": True}])
def test_an_unknown_setting_or_a_value_of_the_wrong_type_is_refused(
    http: requests.Session, odyssey: OdysseyTwin, settings: dict[str, object]
) -> None:
    assert http.post(odyssey.url + "/_twin/settings", json=settings).status_code == 400


def test_an_unknown_field_of_a_fault_is_refused(http: requests.Session, odyssey: OdysseyTwin) -> None:
    assert http.post(odyssey.url + "/_twin/faults", json={"stauts": 500}).status_code == 400


def test_a_twin_prints_nothing(http: requests.Session, convai: ConvaiTwin, capfd: pytest.CaptureFixture[str]) -> None:
    mint(http, convai)
    assert capfd.readouterr() == ("", "")
