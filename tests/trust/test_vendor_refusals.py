"""A vendor's 403 about one token or avatar affects that alone: nobody else is stopped, and no key alarm rings."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from local.twins.trulience import Key
from local.twins.twin import Fault
from tests.functions.contract import KEY_REJECTED, OPERATORS_ERROR, Fresh, said
from tests.trust.table import EXACT, SECRET, Wire, taken, used

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer, Function

AVATAR, FORBIDDEN = "4386676996480451678", "4386676996480451679"
FORBIDDEN_TOKEN = {"ERROR": "You may not do that with this token."}
TIMES = 5
"""As many failures in a row stop a vendor that is down."""


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """What is asked of AWS."""
    return Wire(monkeypatch)


@pytest.fixture
def convai(wire: Wire, function: Fresh) -> "Function":
    return function("convai", **EXACT)


@pytest.fixture
def trulience(wire: Wire, function: Fresh) -> "Function":
    """Its API key is limited to one avatar at the vendor; callers may ask for any."""
    trulience = function("trulience", TRULIENCE_AVATAR_IDS="*")
    trulience.twin.keys["tru_live_local_key"] = Key(avatars=frozenset({AVATAR}))
    return trulience


def outcomes(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, bool]]:
    """Of each request, its outcome and whether it raised the metric that the key alarm watches."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    records = [line["outcome"] for line in lines if "mint_id" in line]
    alarmed = ["vendor_key_rejected" in line for line in lines if "_aws" in line]
    return list(zip(records, alarmed, strict=True))


def act(convai: "Function", action: str, token: str, sub: str = "alice") -> "Answer":
    return convai.ask(f"convai-{action}", {"apiAuthToken": token}, sub=sub)


@pytest.mark.parametrize("action", ["extend", "revoke"])
def test_five_403s_about_one_convai_token_stop_nobody_else(
    convai: "Function", wire: Wire, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    token, other = (convai.ask("convai-mint", sub=sub).body["apiAuthToken"] for sub in ("alice", "bob"))
    capsys.readouterr()
    wire.sent.clear()
    convai.twin.fault(Fault(path=f"/user/{action}-token", status=403, body=FORBIDDEN_TOKEN, times=TIMES))
    for _ in range(TIMES):
        assert said(act(convai, action, token)) == OPERATORS_ERROR.of(403)
    assert convai.ask("convai-mint", sub="carol").status == 201
    assert act(convai, action, other, "bob").status in {200, 204}
    assert act(convai, action, token).status in {200, 204}
    assert outcomes(capsys)[:TIMES] == [("vendor_error", False)] * TIMES
    assert wire.sent.count(SECRET) == 0


def test_five_403s_about_one_trulience_avatar_stop_no_other(
    trulience: "Function", wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.sent.clear()
    for _ in range(TIMES):
        assert said(trulience.ask("trulience-mint", {"avatar_id": FORBIDDEN})) == OPERATORS_ERROR.of(403, 33)
    assert trulience.ask("trulience-mint", {"avatar_id": AVATAR}, sub="bob").status == 201
    assert outcomes(capsys) == [("vendor_error", False)] * TIMES + [("minted", False)]
    assert wire.sent.count(SECRET) == 0


@pytest.mark.parametrize("body", [{}, {"error": {"code": 99, "message": "This avatar is blocked"}}, "<html>"])
def test_a_403_without_a_number_is_about_the_avatar(
    trulience: "Function", wire: Wire, capsys: pytest.CaptureFixture[str], body: Any
) -> None:
    wire.sent.clear()
    trulience.twin.fault(Fault(status=403, body=body, times=1))
    assert said(trulience.ask("trulience-mint")) == OPERATORS_ERROR.of(403)
    assert trulience.ask("trulience-mint").status == 201
    assert outcomes(capsys) == [("vendor_error", False), ("minted", False)]
    assert wire.sent.count(SECRET) == 0


def test_the_operator_is_told_that_the_vendor_must_allow_what_was_asked_for(trulience: "Function") -> None:
    refused = trulience.ask("trulience-mint", {"avatar_id": FORBIDDEN})
    assert "operator must allow it" in refused.body["detail"]
    assert (refused.body["fault"], refused.body["retryable"]) == ("operator", False)


def test_what_a_refused_extension_took_is_given_back(convai: "Function", bundle: "Bundle", table: str) -> None:
    token = convai.ask("convai-mint").body["apiAuthToken"]
    convai.twin.fault(Fault(path="/user/extend-token", status=403, body=FORBIDDEN_TOKEN))
    assert act(convai, "extend", token).status == 502
    assert used(bundle, table) == taken(1)


# What is about the key


@pytest.mark.parametrize("action", ["extend", "revoke"])
def test_a_403_that_names_the_api_key_is_about_the_key(
    convai: "Function", wire: Wire, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    token = convai.ask("convai-mint").body["apiAuthToken"]
    wire.sent.clear()
    capsys.readouterr()
    convai.twin.fault(Fault(status=403, body={"ERROR": "This API key has no permission for that."}))
    assert said(act(convai, action, token)) == KEY_REJECTED.of(403)
    assert outcomes(capsys) == [("vendor_key_rejected", True)]
    assert wire.sent.count(SECRET) == 1


@pytest.mark.parametrize(
    ("vendor", "body"),
    [
        ("convai", {"ERROR": "Your plan does not include this."}),
        ("trulience", {"error": {"code": 34, "message": "API key lacks required scope"}}),
        ("trulience", {"error": {"code": 35, "message": "Origin is not allowed for this API key"}}),
    ],
)
def test_a_403_to_a_mint_about_the_plan_the_scope_or_the_origin_is_about_the_key(
    wire: Wire, function: Fresh, capsys: pytest.CaptureFixture[str], vendor: str, body: Any
) -> None:
    minting = function(vendor)
    wire.sent.clear()
    minting.twin.fault(Fault(status=403, body=body))
    assert minting.ask(f"{vendor}-mint").body["code"] == "vendor_key_rejected"
    assert outcomes(capsys) == [("vendor_key_rejected", True)]
    assert wire.sent.count(SECRET) == 1
