"""The twin of Trulience behaves as docs/vendors/trulience.md says."""

from typing import Any

import jwt
import pytest
import requests

from local.twins.trulience import Key, TrulienceTwin

AVATAR = "4386676996480451678"


def mint(
    http: requests.Session, twin: TrulienceTwin, key: str = "tru_live_local_key", origin: str = "", **body: Any
) -> requests.Response:
    headers = {"x-api-key": key} | ({"Origin": origin} if origin else {})
    return http.post(twin.url + "/auth/generate-token", json={"avatar_id": AVATAR} | body, headers=headers)


def consume(http: requests.Session, twin: TrulienceTwin, token: str, avatar: str = AVATAR) -> str:
    return str(http.post(twin.url + "/auth", json={"token": token, "avatarId": avatar}).json()["status"])


def error_of(answer: requests.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_token_lives_120_seconds_unless_asked_otherwise(http: requests.Session, trulience: TrulienceTwin) -> None:
    plain, asked = mint(http, trulience).json(), mint(http, trulience, expire_at=3600).json()
    assert (plain["expires_in"], asked["expires_in"], plain["avatar_id"]) == (120, 3600, AVATAR)
    claims = jwt.decode(plain["jwt"], options={"verify_signature": False})
    assert abs(claims["exp"] - trulience.now() - 120) < 5


@pytest.mark.parametrize("seconds", [59, 3601, 0, -60, True, "300", 300.0, None])
def test_a_duration_out_of_range_or_of_another_type_is_19(
    http: requests.Session, trulience: TrulienceTwin, seconds: object
) -> None:
    assert error_of(mint(http, trulience, expire_at=seconds)) == (400, 19)


@pytest.mark.parametrize("avatar", [4386676996480451678, "", None, [AVATAR]])
def test_an_avatar_that_is_not_a_string_is_refused(
    http: requests.Session, trulience: TrulienceTwin, avatar: object
) -> None:
    assert error_of(mint(http, trulience, avatar_id=avatar)) == (400, 9001)


def test_an_unknown_key_is_16(http: requests.Session, trulience: TrulienceTwin) -> None:
    assert error_of(mint(http, trulience, key="nobody")) == (401, 16)


def test_a_key_is_limited_to_its_scopes_avatars_and_origins(http: requests.Session, trulience: TrulienceTwin) -> None:
    trulience.keys["reader"] = Key(scopes=frozenset({"read"}))
    trulience.keys["narrow"] = Key(avatars=frozenset({"1"}))
    trulience.keys["web"] = Key(origins=frozenset({"https://app.example"}))
    assert error_of(mint(http, trulience, key="reader")) == (403, 34)
    assert error_of(mint(http, trulience, key="narrow")) == (403, 33)
    assert error_of(mint(http, trulience, key="web", origin="https://evil.example")) == (403, 35)
    assert mint(http, trulience, key="web", origin="https://app.example").status_code == 200


def test_a_setting_decides_about_a_missing_origin(http: requests.Session, trulience: TrulienceTwin) -> None:
    trulience.keys["web"] = Key(origins=frozenset({"https://app.example"}))
    assert mint(http, trulience, key="web").status_code == 200
    trulience.missing_origin_passes = False
    assert error_of(mint(http, trulience, key="web")) == (403, 35)


def test_the_checks_run_in_a_fixed_order(http: requests.Session, trulience: TrulienceTwin) -> None:
    everything_wrong: dict[str, Any] = {"origin": "https://evil.example", "expire_at": 1, "avatar_id": "2"}
    right = {"origin": "https://app.example", "expire_at": 60, "avatar_id": "1"}
    origins, avatars = frozenset({"https://app.example"}), frozenset({"1"})
    trulience.keys["k"] = Key(scopes=frozenset(), avatars=avatars, origins=origins)
    assert error_of(mint(http, trulience, key="k", **everything_wrong)) == (403, 34)
    trulience.keys["k"] = Key(avatars=avatars, origins=origins)
    for mended, code in (("", 35), ("origin", 19), ("expire_at", 33)):
        everything_wrong |= {mended: right[mended]} if mended else {}
        assert error_of(mint(http, trulience, key="k", **everything_wrong))[1] == code


def test_too_many_mints_are_36(http: requests.Session, trulience: TrulienceTwin) -> None:
    trulience.rate_limit = 2
    assert [mint(http, trulience).status_code for _ in range(3)] == [200, 200, 429]
    trulience.skew = 61
    assert mint(http, trulience).status_code == 200


def test_a_token_works_once(http: requests.Session, trulience: TrulienceTwin) -> None:
    token = mint(http, trulience).json()["jwt"]
    assert [consume(http, trulience, token) for _ in range(2)] == ["OK", "FAILED"]


def test_a_newer_token_does_not_end_an_unused_one(http: requests.Session, trulience: TrulienceTwin) -> None:
    tokens = [mint(http, trulience).json()["jwt"] for _ in range(2)]
    assert [consume(http, trulience, token) for token in tokens] == ["OK", "OK"]


def test_an_expired_token_or_another_avatar_is_refused(http: requests.Session, trulience: TrulienceTwin) -> None:
    token = mint(http, trulience).json()["jwt"]
    assert consume(http, trulience, token, avatar="1") == "FAILED"
    trulience.skew = 121
    assert consume(http, trulience, token) == "FAILED"
