"""The twin of Convai behaves as docs/vendors/convai.md says."""

from datetime import UTC, datetime, timedelta

import pytest
import requests

from local.twins.convai import ConvaiTwin

KEY = {"CONVAI-API-KEY": "convai-local-key"}


def call(
    http: requests.Session, twin: ConvaiTwin, path: str, token: str | None = None, key: dict[str, str] = KEY
) -> requests.Response:
    return http.post(twin.url + path, json={"apiAuthToken": token} if token else {}, headers=key)


def mint(http: requests.Session, twin: ConvaiTwin) -> str:
    return str(call(http, twin, "/user/connect").json()["apiAuthToken"])


def connect(http: requests.Session, twin: ConvaiTwin, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.post(twin.url + "/connect", json={"character_id": "local-character"}, headers=named)


def test_a_token_is_valid_for_an_hour_and_its_time_ends_in_z(http: requests.Session, convai: ConvaiTwin) -> None:
    answer = call(http, convai, "/user/connect").json()
    left = datetime.fromisoformat(answer["expirationTime"]) - datetime.now(UTC)
    assert answer["expirationTime"].endswith("Z")
    assert timedelta(minutes=59) < left <= timedelta(hours=1)


def test_the_time_may_have_no_zone(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.time_suffix = ""
    answer = call(http, convai, "/user/connect").json()
    assert datetime.fromisoformat(answer["expirationTime"]).tzinfo is None


def test_tokens_look_like_a_uuid_or_a_jwt(http: requests.Session, convai: ConvaiTwin) -> None:
    first, second = mint(http, convai), mint(http, convai)
    assert (first.count("-"), second.count(".")) == (4, 2)


def test_a_missing_and_a_bad_key_are_401_with_their_texts(http: requests.Session, convai: ConvaiTwin) -> None:
    missing = call(http, convai, "/user/connect", key={})
    bad = call(http, convai, "/user/connect", key={"CONVAI-API-KEY": "nobody"})
    assert (missing.status_code, bad.status_code) == (401, 401)
    assert missing.json()["ERROR"] == "The request is missing an API key."
    assert bad.json()["ERROR"] == "Invalid API key provided."


@pytest.mark.parametrize("field", ["ERROR", "API_ERROR", "detail"])
def test_errors_have_one_of_three_field_names(http: requests.Session, convai: ConvaiTwin, field: str) -> None:
    convai.error_field = field
    assert field in call(http, convai, "/user/connect", key={}).json()


def test_a_newer_token_does_not_end_an_older_one(http: requests.Session, convai: ConvaiTwin) -> None:
    tokens = [mint(http, convai), mint(http, convai)]
    assert [connect(http, convai, API_AUTH_TOKEN=token).status_code for token in tokens] == [200, 200]


def test_extending_counts_from_now(http: requests.Session, convai: ConvaiTwin) -> None:
    token = mint(http, convai)
    convai.skew = 3000
    call(http, convai, "/user/extend-token", token)
    convai.skew = 6000
    assert connect(http, convai, API_AUTH_TOKEN=token).status_code == 200


def test_extending_may_give_24_hours(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.extend_seconds = 86_400
    answer = call(http, convai, "/user/extend-token", mint(http, convai)).json()
    assert datetime.fromisoformat(answer["expirationTime"]) - datetime.now(UTC) > timedelta(hours=23)


def test_the_answer_of_extend_may_have_no_time(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.extend_tells_expiry = False
    answer = call(http, convai, "/user/extend-token", mint(http, convai))
    assert (answer.status_code, answer.json()) == (200, {})


def test_an_unknown_expired_revoked_or_foreign_token_cannot_be_extended(
    http: requests.Session, convai: ConvaiTwin
) -> None:
    convai.keys["other"] = "other"
    foreign, revoked, expired = (mint(http, convai) for _ in range(3))
    call(http, convai, "/user/revoke-token", revoked)
    answers = [call(http, convai, "/user/extend-token", token) for token in (None, "unknown", revoked)]
    answers.append(call(http, convai, "/user/extend-token", foreign, {"CONVAI-API-KEY": "other"}))
    convai.skew = 3601
    answers.append(call(http, convai, "/user/extend-token", expired))
    assert [answer.status_code for answer in answers] == [401] * 5


def test_extend_and_revoke_also_need_the_key(http: requests.Session, convai: ConvaiTwin) -> None:
    token = mint(http, convai)
    for path in ("/user/extend-token", "/user/revoke-token"):
        assert call(http, convai, path, token, key={}).json()["ERROR"] == "The request is missing an API key."


def test_a_revoked_token_opens_no_session_and_ends_none(http: requests.Session, convai: ConvaiTwin) -> None:
    token = mint(http, convai)
    session = connect(http, convai, API_AUTH_TOKEN=token).json()["session_id"]
    assert call(http, convai, "/user/revoke-token", token).json() == {"status": "success"}
    assert connect(http, convai, API_AUTH_TOKEN=token).status_code == 401
    assert session in convai.sessions


def test_revoking_again_is_200_or_404(http: requests.Session, convai: ConvaiTwin) -> None:
    token = mint(http, convai)
    assert [call(http, convai, "/user/revoke-token", token).status_code for _ in range(2)] == [200, 200]
    convai.repeat_revoke_status = 404
    assert call(http, convai, "/user/revoke-token", token).status_code == 404


def test_an_expired_token_opens_no_session(http: requests.Session, convai: ConvaiTwin) -> None:
    token = mint(http, convai)
    convai.skew = 3601
    answer = connect(http, convai, API_AUTH_TOKEN=token)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid API key"})


def test_a_key_wins_over_a_token_and_the_keys_header_may_hold_a_token(
    http: requests.Session, convai: ConvaiTwin
) -> None:
    token = mint(http, convai)
    assert connect(http, convai, API_AUTH_TOKEN=token, X_API_Key="nobody").status_code == 401
    assert connect(http, convai, X_API_Key=token).status_code == 200


def test_connect_takes_the_slot_and_mint_does_not(http: requests.Session, convai: ConvaiTwin) -> None:
    convai.max_sessions = 1
    tokens = [mint(http, convai), mint(http, convai)]
    first, second = (connect(http, convai, API_AUTH_TOKEN=token) for token in tokens)
    assert (first.status_code, second.status_code) == (200, 429)
    assert http.post(convai.url + "/disconnect", params={"session_id": first.json()["session_id"]}).status_code == 200
    assert connect(http, convai, API_AUTH_TOKEN=tokens[1]).status_code == 200


@pytest.mark.parametrize(("body", "status"), [({}, 422), ({"character_id": "other"}, 404)])
def test_connect_needs_a_character_that_exists(
    http: requests.Session, convai: ConvaiTwin, body: dict[str, str], status: int
) -> None:
    headers = {"API-AUTH-TOKEN": mint(http, convai)}
    assert http.post(convai.url + "/connect", json=body, headers=headers).status_code == status
