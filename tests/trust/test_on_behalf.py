"""A backend mints for users that it names: each has limits, tokens and records of its own, and nobody else may do it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import requests

from local.bundle import AS_IT_IS
from tests.clients.browser import BlockedError, Page
from tests.functions.contract import Fresh
from tests.trust.table import items
from tests.vendors import MINTS

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer, Function

SCOPE = "mint:on-behalf"
"""The local deployment's BackendScope."""

HEADER = "Mint-On-Behalf-Of"
EVENTS = sorted(path.stem for path in (Path(__file__).parents[2] / "events").glob("*.json"))
ACTIONS = ["extend", "revoke"]


class Backend:
    """One function, as a backend asks it. `for_user` None: the backend asks for itself."""

    def __init__(self, bundle: "Bundle", asked: "Function") -> None:
        self._bundle = bundle
        self.asked = asked

    def ask(  # noqa: PLR0913 - what a request consists of
        self,
        event: str,
        for_user: str | None,
        body: Any = AS_IT_IS,
        *,
        sub: str = "lms",
        scope: str | None = SCOPE,
        headers: Mapping[str, str] = {},
    ) -> "Answer":
        sent = self._bundle.event(event, body=body, sub=sub)
        sent["headers"] |= headers
        if for_user is not None:
            sent["headers"][HEADER.lower()] = for_user
        if scope is not None:
            sent["requestContext"]["authorizer"]["jwt"]["claims"]["scope"] = scope
        return self.asked.send(sent)

    def token(self, for_user: str | None, **sender: Any) -> str:
        """A Convai token that was minted for a user, or for the sender itself."""
        answer = self.ask("convai-mint", for_user, **sender)
        assert answer.status == 201, answer.body
        minted: str = answer.body["apiAuthToken"]
        return minted

    def act(self, action: str, token: str, for_user: str | None, **sender: Any) -> int:
        return self.ask(f"convai-{action}", for_user, {"apiAuthToken": token}, **sender).status


@pytest.fixture
def lms(bundle: "Bundle", function: Fresh) -> Backend:
    return Backend(bundle, function("convai"))


# Limits


@pytest.mark.parametrize(("vendor", "event"), MINTS.items(), ids=MINTS)
def test_each_user_of_a_backend_has_the_hourly_limit_of_a_caller_at_every_vendor(
    bundle: "Bundle", function: Fresh, vendor: str, event: str
) -> None:
    backend = Backend(bundle, function(vendor, CALLER_PER_HOUR="1"))

    def mint(user: str | None) -> tuple[int, str | None]:
        answer = backend.ask(event, user, headers={"idempotency-key": uuid4().hex})
        return answer.status, answer.body.get("limit")

    users = ["learner-a", "learner-b", None]
    assert [mint(user) for user in users] == [(201, None)] * 3
    assert [mint(user) for user in users] == [(429, "caller_per_hour")] * 3


def test_the_same_user_of_another_backend_is_another_caller(bundle: "Bundle", function: Fresh) -> None:
    backend = Backend(bundle, function("convai", CALLER_PER_HOUR="1"))
    assert [backend.ask("convai-mint", "a", sub=sub).status for sub in ("lms", "kiosk", "lms")] == [201, 201, 429]


def test_all_users_of_a_backend_count_against_the_vendors_day(bundle: "Bundle", function: Fresh) -> None:
    backend = Backend(bundle, function("convai", VENDOR_PER_DAY="2"))
    answers = [backend.ask("convai-mint", user) for user in ("a", "b", "c")]
    assert [(answer.status, answer.body.get("limit")) for answer in answers] == [
        (201, None),
        (201, None),
        (429, "vendor_per_day"),
    ]


# Ownership


@pytest.mark.parametrize("action", ACTIONS)
def test_a_learners_token_is_acted_on_for_that_learner_alone(lms: Backend, action: str) -> None:
    token = lms.token("learner-a")
    lms.asked.twin.calls.clear()
    assert lms.act(action, token, "learner-b") == 404
    assert lms.act(action, token, None) == 404
    assert lms.act(action, token, "learner-a", sub="another-backend") == 404
    assert lms.act(action, token, None, sub="learner-a", scope=None) == 404
    assert lms.asked.twin.calls == []
    assert lms.act(action, token, "learner-a") in {200, 204}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_backend_has_no_power_over_the_tokens_of_users_who_sign_in_themselves(lms: Backend, action: str) -> None:
    own = lms.token(None, sub="learner-a", scope=None)
    assert lms.act(action, own, "learner-a") == 404
    assert lms.act(action, own, None) == 404
    assert lms.act(action, own, None, sub="learner-a", scope=None) in {200, 204}


@pytest.mark.parametrize("action", ACTIONS)
def test_what_a_backend_mints_for_itself_is_none_of_its_users(lms: Backend, action: str) -> None:
    own = lms.token(None)
    assert lms.act(action, own, "learner-a") == 404
    assert lms.act(action, own, None) in {200, 204}


def test_two_users_with_one_idempotency_key_never_share_a_session(bundle: "Bundle", function: Fresh) -> None:
    backend = Backend(bundle, function("odyssey", ODYSSEY_QUEUE_SECONDS="0"))
    key = {"idempotency-key": "same"}
    first, second, again = (backend.ask("odyssey-mint", user, headers=key) for user in ("a", "b", "a"))
    assert {first.status, second.status, again.status} == {201}
    assert first.body["session_id"] != second.body["session_id"]
    assert first.body["session_id"] == again.body["session_id"]


def test_two_users_have_rooms_of_their_own_in_livekit(bundle: "Bundle", function: Fresh) -> None:
    backend = Backend(bundle, function("livekit"))
    answers = [backend.ask("livekit-mint", user, {"room_name": "{caller}"}) for user in ("a", "b", None)]
    assert len({answer.body["room_name"] for answer in answers}) == 3


# Who may not


@pytest.mark.parametrize("event", EVENTS)
def test_without_the_scope_no_route_takes_the_header_and_no_vendor_is_asked(bundle: "Bundle", event: str) -> None:
    """The same request with the scope is not refused like that, so the header is all that is wrong with it."""
    plain = signed(bundle, event, {"sub": "mallory", "scope": "openid"}, "learner-a")
    assert (plain.status_code, plain.json()["code"]) == (403, "not_allowed")
    assert [error["field"] for error in plain.json()["errors"]] == [HEADER]
    assert [twin.calls for twin in bundle.twins.values() if twin.calls] == []
    allowed = signed(bundle, event, {"sub": "lms", "scope": SCOPE}, "learner-a")
    assert HEADER not in allowed.text


@pytest.mark.parametrize("scope", [SCOPE, "", " ", "[]", "a  b", None])
def test_where_no_scope_is_set_nobody_acts_for_a_user(bundle: "Bundle", function: Fresh, scope: str | None) -> None:
    backend = Backend(bundle, function("convai", BACKEND_SCOPE=""))
    refused = backend.ask("convai-mint", "learner-a", scope=scope)
    assert (refused.status, refused.body["code"], backend.asked.twin.calls) == (403, "not_allowed", [])
    assert backend.ask("convai-mint", None, scope=scope).status == 201


@pytest.mark.parametrize("name", ["", "x" * 129, "Zoë"])
def test_a_header_without_a_users_name_is_refused_and_the_vendor_is_not_asked(lms: Backend, name: str) -> None:
    refused = lms.ask("convai-mint", name)
    assert (refused.status, refused.body["code"], lms.asked.twin.calls) == (400, "invalid_request", [])


def test_a_page_in_a_browser_cannot_send_the_header(bundle: "Bundle") -> None:
    """CORS does not allow it: a backend is no page, and a page must not hold a backend's token."""
    page = Page("http://localhost:8080")
    headers = {"Authorization": f"Bearer {bundle.token('lms', scope=SCOPE)}", HEADER: "learner-a"}
    with pytest.raises(BlockedError, match="not all among"):
        page.send("POST", f"{bundle.url}/v1/convai/tokens", headers, None)
    assert bundle.twins["convai"].calls == []


# Over HTTP, as the LMS does it


def signed(bundle: "Bundle", event: str, claims: Mapping[str, Any], user: str, header: str = HEADER) -> Any:
    """An event of events/ as an HTTP request, with a token that `make run` gives for the claims."""
    sent = bundle.event(event)
    token = requests.post(f"{bundle.url}/_local/token", json=claims, timeout=10).json()["token"]
    headers = {"Authorization": f"Bearer {token}", header: user}
    if "body" in sent:
        headers["Content-Type"] = "application/json"
    url = f"{bundle.url}{sent['rawPath']}?{sent['rawQueryString']}"
    method = sent["requestContext"]["http"]["method"]
    return requests.request(method, url, data=sent.get("body"), headers=headers, timeout=30)


@pytest.mark.parametrize("header", [HEADER, HEADER.lower(), HEADER.upper()])
def test_a_local_backends_token_mints_for_a_learner_however_the_header_is_written(
    bundle: "Bundle", header: str
) -> None:
    learner, lms = uuid4().hex, {"sub": "lms", "scope": SCOPE}
    minted = signed(bundle, "convai-mint", lms, learner, header)
    assert minted.status_code == 201
    headers = {"Authorization": f"Bearer {bundle.token('lms', scope=SCOPE)}"}
    token = {"apiAuthToken": minted.json()["apiAuthToken"]}
    url = f"{bundle.url}/v1/convai/tokens/revoke"
    assert requests.post(url, json=token, headers=headers, timeout=10).status_code == 404
    assert requests.post(url, json=token, headers=headers | {HEADER: learner}, timeout=10).status_code == 204


@pytest.mark.parametrize("scopes", [{"scope": f"openid {SCOPE}"}, {"scp": [SCOPE]}, {"scp": ["openid", SCOPE]}])
def test_scopes_as_issuers_write_them_reach_the_function(bundle: "Bundle", scopes: dict[str, Any]) -> None:
    assert signed(bundle, "convai-mint", {"sub": "lms"} | scopes, uuid4().hex).status_code == 201


# What is written down


def test_the_record_names_the_backend_and_the_user(lms: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    lms.token("learner-a")
    [caller] = callers(capsys)
    assert (caller["sub"], caller["user"], caller["backend"]) == ("lms", "learner-a", True)
    assert caller["iss"]


def test_the_record_of_a_refused_header_names_who_sent_it(lms: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    lms.ask("convai-mint", "learner-a", sub="mallory", scope="openid")
    [caller] = callers(capsys)
    assert (caller["sub"], caller.get("user"), caller.get("backend")) == ("mallory", None, None)


@pytest.mark.parametrize("query", ["WhoGotThisToken", "WhatDidThisCallerMint"])
def test_the_operators_queries_show_the_user_that_a_backend_named(bundle: "Bundle", query: str) -> None:
    shown = bundle.template.properties(query)["QueryString"].partition("|")[0]
    assert "caller.user" in shown


def callers(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "mint_id" in line]
    return [record["caller"] for record in records]


def test_no_item_names_a_user(lms: Backend, bundle: "Bundle", table: str) -> None:
    lms.act("extend", lms.token("learner-in-clear"), "learner-in-clear")
    dump = json.dumps(items(bundle, table))
    assert "token#" in dump
    assert "learner-in-clear" not in dump


def test_the_vendor_hears_nothing_of_the_user(lms: Backend) -> None:
    lms.token("learner-in-clear")
    [call] = lms.asked.twin.calls
    assert "learner-in-clear" not in str(call)
    assert HEADER.lower() not in {name.lower() for name in call.headers}
