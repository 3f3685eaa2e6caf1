"""The twin of Spatius behaves as docs/vendors/spatius.md says."""

import time
from typing import Any

import jwt
import pytest
import requests

from local.twins.spatius import SpatiusTwin
from local.twins.twin import Fault

HOUR = 3600


def mint(http: requests.Session, twin: SpatiusTwin, key: str = "spatius-local-key", **body: Any) -> requests.Response:
    return http.post(twin.base_url + "/session-tokens", json=body, headers={"X-Api-Key": key})


def connect(http: requests.Session, twin: SpatiusTwin, token: str, app_id: str = "local-app") -> requests.Response:
    headers = {"X-App-ID": app_id, "X-Session-Key": token}
    return http.get(twin.url + "/v2/driveningress/websocket", params={"id": "local-avatar"}, headers=headers)


UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


def soon() -> int:
    return int(time.time()) + HOUR


def test_a_token_holds_the_keys_app_and_the_expiry(http: requests.Session, spatius: SpatiusTwin) -> None:
    expires = soon()
    answer = mint(http, spatius, expireAt=expires)
    assert (answer.status_code, list(answer.json())) == (200, ["sessionToken"])
    claims = jwt.decode(answer.json()["sessionToken"], options={"verify_signature": False})
    assert (claims["app_id"], claims["exp"]) == ("local-app", expires)


def test_each_call_mints_a_new_token_and_the_first_stays_valid(http: requests.Session, spatius: SpatiusTwin) -> None:
    first, second = (mint(http, spatius, expireAt=soon()).json()["sessionToken"] for _ in range(2))
    assert first != second
    assert [connect(http, spatius, token).status_code for token in (first, second)] == [200, 200]


def test_every_region_has_a_console_whose_tokens_are_valid_everywhere(
    http: requests.Session, spatius: SpatiusTwin
) -> None:
    for region in ("us-west", "ap-northeast", "cn-beijing"):
        url = spatius.regional_url.replace("{region}", region)
        headers = {"X-Api-Key": "spatius-local-key"}
        answer = http.post(f"{url}/session-tokens", json={"expireAt": soon()}, headers=headers)
        assert connect(http, spatius, answer.json()["sessionToken"]).status_code == 200
    elsewhere = http.post(spatius.regional_url.replace("{region}", "eu-west") + "/session-tokens")
    assert elsewhere.json()["errors"][0]["code"] == "NOT_FOUND"


def test_a_fault_can_affect_one_region_only(http: requests.Session, spatius: SpatiusTwin) -> None:
    spatius.fault(Fault(path="/us-west/", status=503))
    urls = [spatius.regional_url.replace("{region}", region) for region in ("us-west", "ap-northeast")]
    assert [http.post(f"{url}/session-tokens").status_code for url in (*urls, spatius.base_url)] == [503, 401, 401]


def test_the_snake_case_spelling_and_unknown_fields_are_accepted(http: requests.Session, spatius: SpatiusTwin) -> None:
    assert mint(http, spatius, expire_at=soon(), appId="other").status_code == 200


@pytest.mark.parametrize("expires", [None, "1800000000", 1.5, True, {}])
def test_an_expiry_that_is_not_an_integer_is_refused(
    http: requests.Session, spatius: SpatiusTwin, expires: object
) -> None:
    answer = mint(http, spatius, expireAt=expires)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "INVALID_ARGUMENT")


def test_an_expiry_in_the_past_is_refused(http: requests.Session, spatius: SpatiusTwin) -> None:
    answer = mint(http, spatius, expireAt=int(time.time()) - 1)
    assert (answer.status_code, answer.json()["errors"][0]["detail"]) == (400, "expire_at must be in the future")


def test_milliseconds_break_the_24_hour_rule(http: requests.Session, spatius: SpatiusTwin) -> None:
    answer = mint(http, spatius, expireAt=soon() * 1000)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["detail"] == "expire_at cannot be more than 24 hours in the future"


def test_an_expiry_must_be_less_than_24_hours_ahead(http: requests.Session, spatius: SpatiusTwin) -> None:
    assert mint(http, spatius, expireAt=int(time.time()) + 24 * HOUR + 1).status_code == 400
    assert mint(http, spatius, expireAt=int(time.time()) + 24 * HOUR - 10).status_code == 200


def test_an_unknown_key_is_401_with_a_numeric_status_inside(http: requests.Session, spatius: SpatiusTwin) -> None:
    answer = mint(http, spatius, key="nobody", expireAt=soon())
    assert (answer.status_code, answer.json()["errors"][0]["status"]) == (401, 401)


def test_an_unknown_route_is_200_with_not_found_inside(http: requests.Session, spatius: SpatiusTwin) -> None:
    for answer in (http.post(spatius.url + "/session-tokens"), http.get(spatius.base_url + "/session-tokens")):
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (200, "NOT_FOUND")


def test_refusals_can_come_inside_200_with_a_string_status(http: requests.Session, spatius: SpatiusTwin) -> None:
    spatius.errors_in_200 = spatius.string_status = True
    answer = mint(http, spatius, key="nobody", expireAt=soon())
    assert (answer.status_code, answer.json()["errors"][0]["status"]) == (200, "401")


def test_the_ingress_refuses_another_app_and_an_unknown_token(http: requests.Session, spatius: SpatiusTwin) -> None:
    token = mint(http, spatius, expireAt=soon()).json()["sessionToken"]
    assert connect(http, spatius, token, app_id="other-app").json() == {"message": "App ID mismatch"}
    assert connect(http, spatius, "x.y.z").json() == {"message": "Invalid session token"}


def test_the_ingress_checks_a_websocket_too(http: requests.Session, spatius: SpatiusTwin) -> None:
    token = mint(http, spatius, expireAt=soon()).json()["sessionToken"]
    query = {"id": "local-avatar", "appId": "local-app"}
    sent = [{"sessionKey": "x.y.z"}, {"sessionKey": token}]
    url = spatius.url + "/v2/driveningress/websocket"
    assert [http.get(url, params=query | key, headers=UPGRADE).status_code for key in sent] == [400, 101]


def test_the_ingress_refuses_an_expired_token(http: requests.Session, spatius: SpatiusTwin) -> None:
    token = mint(http, spatius, expireAt=soon()).json()["sessionToken"]
    spatius.skew = HOUR + 1
    assert connect(http, spatius, token).status_code == 401


def test_a_token_works_twice_unless_single_use_is_on(http: requests.Session, spatius: SpatiusTwin) -> None:
    token = mint(http, spatius, expireAt=soon()).json()["sessionToken"]
    assert [connect(http, spatius, token).status_code for _ in range(2)] == [200, 200]
    spatius.single_use = True
    assert connect(http, spatius, token).status_code == 400


def test_the_ingress_checks_credits_and_avatars(http: requests.Session, spatius: SpatiusTwin) -> None:
    token = mint(http, spatius, expireAt=soon()).json()["sessionToken"]
    spatius.avatars.clear()
    assert connect(http, spatius, token).status_code == 404
    spatius.out_of_credits = True
    assert connect(http, spatius, token).status_code == 402
