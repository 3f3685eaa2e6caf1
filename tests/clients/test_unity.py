"""Unity's endpoint mode is a contract: what its rules ask of an endpoint, the deployed routes give, but to nobody unknown."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import requests

from local.twins.twin import Fault
from tests.clients.browser import BlockedError, Page
from tests.clients.unity import FORM, Endpoint, EndpointError, Send, Token, natively, sample_token

if TYPE_CHECKING:
    from local.bundle import Bundle

METHODS = ["GET", "POST"]
GAME = Page("http://localhost:8080")
"""One of the origins that the local parameters list."""

OTHER_ORIGINS = [
    *("http://localhost:8081", "https://localhost:8080", "http://localhost", "http://127.0.0.1:8080"),
    *("http://localhost:8080.example", "http://game.localhost:8080", "null"),
]


def signed_in(bundle: "Bundle", method: str) -> Endpoint:
    """With a caller's own JWT, which a provider in the game has and the settings cannot."""
    return Endpoint(f"{bundle.url}/v1/convai/tokens", method, {"Authorization": f"Bearer {bundle.token(uuid4().hex)}"})


def cors(answer: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}


# What the endpoint answers


@pytest.mark.parametrize("method", METHODS)
def test_unity_gets_a_token_that_opens_a_session(bundle: "Bundle", method: str) -> None:
    token = signed_in(bundle, method).token()
    assert token.expires_at
    assert abs(token.expires_at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=30)
    asked = {"API-AUTH-TOKEN": token.value}
    url = f"{bundle.twins['convai'].url}/connect"
    assert requests.post(url, json={"character_id": "local-character"}, headers=asked, timeout=5).status_code == 200


@pytest.mark.parametrize("method", METHODS)
def test_each_connection_gets_a_token_of_its_own(bundle: "Bundle", method: str) -> None:
    endpoint = signed_in(bundle, method)
    assert len({endpoint.token().value for _ in range(3)}) == 3


@pytest.mark.parametrize("method", METHODS)
def test_unity_takes_an_answer_for_which_the_vendor_gave_no_expiry(bundle: "Bundle", method: str) -> None:
    bundle.twins["convai"].omit = "expirationTime"
    assert signed_in(bundle, method).token().expires_at is None


@pytest.mark.parametrize("theirs", [None, "", "soon", 1795302000, "2999-02-30T00:00:00Z", {}])
def test_unity_takes_an_answer_for_which_the_vendor_gave_an_expiry_that_it_would_refuse(
    bundle: "Bundle", theirs: Any
) -> None:
    bundle.twins["convai"].fault(Fault(body={"apiAuthToken": "t", "expirationTime": theirs}))
    assert signed_in(bundle, "GET").token() == Token("t", None)


@pytest.mark.parametrize("theirs", ["2999-06-11T13:00:00", "2999-06-11 13:00:00", "2999-06-11T15:00:00+02:00"])
def test_unity_reads_the_vendors_expiry_in_utc_however_it_was_written(bundle: "Bundle", theirs: str) -> None:
    bundle.twins["convai"].fault(Fault(body={"apiAuthToken": "t", "expirationTime": theirs}))
    assert signed_in(bundle, "GET").token() == Token("t", datetime(2999, 6, 11, 13, tzinfo=UTC))


@pytest.mark.parametrize("method", METHODS)
def test_unity_takes_no_problem_for_a_token(bundle: "Bundle", method: str) -> None:
    bundle.twins["convai"].fault(Fault(status=400, body={"ERROR": "?", "apiAuthToken": "t"}))
    with pytest.raises(EndpointError, match=r"returned HTTP 502\.$"):
        signed_in(bundle, method).token()


# The vendor's sample


@pytest.mark.parametrize("form", [FORM, {"Content-Type": f"{FORM['Content-Type']}; charset=utf-8"}, {}], ids=str)
@pytest.mark.parametrize("send", [natively, GAME.send], ids=["native", "WebGL"])
def test_the_vendors_own_sample_gets_a_token_for_its_empty_form(
    bundle: "Bundle", form: dict[str, str], send: Send
) -> None:
    token = sample_token(f"{bundle.url}/v1/convai/tokens", bundle.token(uuid4().hex), form, send)
    assert token in vars(bundle.twins["convai"])["tokens"]


def test_the_vendors_own_sample_gets_nothing_without_a_sign_in(bundle: "Bundle") -> None:
    with pytest.raises(EndpointError, match=r"HTTP 401$"):
        sample_token(f"{bundle.url}/v1/convai/tokens", "of-nobody")
    assert bundle.twins["convai"].calls == []


@pytest.mark.parametrize("body", ["a=b", "{}"])
def test_a_form_with_content_is_not_json(bundle: "Bundle", body: str) -> None:
    endpoint = signed_in(bundle, "POST")
    answer = requests.post(endpoint.url, data=body, headers={**endpoint.headers, **FORM}, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")
    assert bundle.twins["convai"].calls == []


def test_an_empty_form_does_not_stand_for_what_an_operation_needs(bundle: "Bundle") -> None:
    headers = {**signed_in(bundle, "POST").headers, **FORM}
    answer = requests.post(f"{bundle.url}/v1/convai/tokens/revoke", data="", headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == ["apiAuthToken"]


# Static headers


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("headers", [{}, {"X-Api-Version": "1"}, {"Authorization": "Bearer in-the-build"}], ids=str)
def test_without_a_callers_own_sign_in_the_endpoint_mode_gets_no_token_and_the_vendor_is_not_asked(
    bundle: "Bundle", method: str, headers: dict[str, str]
) -> None:
    with pytest.raises(EndpointError, match=r"returned HTTP 401\.$"):
        Endpoint(f"{bundle.url}/v1/convai/tokens", method, headers).token()
    assert bundle.twins["convai"].calls == []


# WebGL: a browser sends it


@pytest.mark.parametrize("method", METHODS)
def test_a_game_in_a_browser_gets_a_token_at_an_origin_that_is_listed(bundle: "Bundle", method: str) -> None:
    assert signed_in(bundle, method).token(GAME.send).value


@pytest.mark.parametrize("method", METHODS)
def test_a_preflight_is_answered_without_a_sign_in_for_exactly_the_origin_that_asks(
    bundle: "Bundle", method: str
) -> None:
    answer = GAME.preflight(method, f"{bundle.url}/v1/convai/tokens", ["authorization", "content-type"])
    allowed = cors(answer)
    assert (answer.status_code, allowed["access-control-allow-origin"]) == (204, GAME.origin)
    assert {"Authorization", "Content-Type"} <= set(allowed["access-control-allow-headers"].split(","))
    assert method in allowed["access-control-allow-methods"].split(",")
    assert "access-control-allow-credentials" not in allowed
    assert not any("*" in value for value in allowed.values())


@pytest.mark.parametrize("method", METHODS)
def test_the_answer_itself_is_for_exactly_the_origin_that_asked(bundle: "Bundle", method: str) -> None:
    seen = []

    def send(*request: Any) -> requests.Response:
        seen.append(GAME.send(*request))
        return seen[0]

    signed_in(bundle, method).token(send)
    allowed = cors(seen[0])
    assert allowed.pop("access-control-allow-origin") == GAME.origin
    assert not any("*" in value for value in allowed.values())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("origin", OTHER_ORIGINS)
def test_a_page_at_another_origin_gets_no_leave_and_no_token(bundle: "Bundle", origin: str, method: str) -> None:
    page, endpoint = Page(origin), signed_in(bundle, method)
    assert cors(page.preflight(method, endpoint.url, ["authorization"])) == {}
    with pytest.raises(BlockedError):
        endpoint.token(page.send)
    assert bundle.twins["convai"].calls == []


def test_an_answer_to_another_origin_has_no_cors_headers(bundle: "Bundle") -> None:
    endpoint = signed_in(bundle, "GET")
    headers = {**endpoint.headers, "Origin": OTHER_ORIGINS[0]}
    assert cors(requests.get(endpoint.url, headers=headers, timeout=5)) == {}


# The restated rules are as strict as the SDK's


def answered(status: int, body: str) -> Any:
    """A way to send that meets this answer, whatever is sent."""
    answer = requests.Response()
    answer.status_code, answer._content, answer.encoding = status, body.encode(), "utf-8"
    return lambda *_: answer


GOOD: dict[str, Any] = {"apiAuthToken": "t", "expirationTime": "2999-06-11T13:00:00Z", "mint": {"id": "1"}}
HTTPS = "https://api.example.com/v1/convai/tokens"


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    assert Endpoint(HTTPS).token(answered(status, json.dumps(GOOD))).value == "t"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        *[(status, json.dumps(GOOD), f"returned HTTP {status}") for status in (199, 300, 302, 304, 401, 429, 503)],
        *[(200, body, "malformed JSON") for body in ("", "<html>", "[]", "null", '"t"', "{")],
        *[(200, body, "was not found") for body in ("{}", '{"code": "vendor_busy", "status": 503}')],
        *[(200, json.dumps(GOOD | {"apiAuthToken": token}), "was empty") for token in ("", " ", None)],
        *[
            (200, json.dumps(GOOD | {"expirationTime": expiry}), "invalid expirationTime")
            for expiry in (None, "", "soon", 5, "2999-13-01T00:00:00Z", "11/06/2999", "2999-06-11T25:00:00Z")
        ],
    ],
)
def test_the_client_refuses_what_the_sdk_refuses(status: int, body: str, message: str) -> None:
    with pytest.raises(EndpointError, match=message):
        Endpoint(HTTPS).token(answered(status, body))


@pytest.mark.parametrize("url", ["http://api.example.com", "http://127.0.0.1.example.com", "ftp://localhost", "tokens"])
def test_the_client_asks_over_https_or_its_own_machine_only(url: str) -> None:
    with pytest.raises(EndpointError, match="must use HTTPS"):
        Endpoint(url).token(answered(200, json.dumps(GOOD)))


def test_a_field_with_dots_is_a_path() -> None:
    body = json.dumps({"data": {"token": "t"}})
    assert Endpoint(HTTPS, field="data.token").token(answered(200, body)) == Token("t", None)
    with pytest.raises(EndpointError, match=r"'data\.token\.x' was not found"):
        Endpoint(HTTPS, field="data.token.x").token(answered(200, body))
