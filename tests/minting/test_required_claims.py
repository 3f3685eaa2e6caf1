"""Which sign-ins a deployment accepts: the claims that every caller's JWT must have."""

from typing import TYPE_CHECKING

import pytest

from minting.settings import FunctionSettings, RequiredClaims, load
from tests.functions.contract import Fresh
from tests.vendors import MINTS, VENDORS

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer, Function

RULES = "email_verified=true,provider_id!=anonymous,tenant"
USER = {"email_verified": "true", "provider_id": "password", "tenant": "t-1"}


@pytest.mark.parametrize(
    ("listed", "claims", "broken"),
    [
        ("", {}, []),
        (RULES, USER, []),
        (RULES, USER | {"email_verified": "false"}, ["email_verified=true"]),
        (RULES, USER | {"provider_id": "anonymous"}, ["provider_id!=anonymous"]),
        (RULES, {}, ["email_verified=true", "provider_id!=anonymous", "tenant"]),
        ("tenant", {"tenant": ""}, []),
        (" tenant , ", {}, ["tenant"]),
        ("a=", {"a": ""}, []),
        ("a=", {"a": "x"}, ["a="]),
        ("a=b", {"a": "B"}, ["a=b"]),
        ("a=b", {"a": ["b"]}, ["a=b"]),
        ("a!=b", {"a": None}, ["a!=b"]),
        ("a=x=y", {"a": "x=y"}, []),
        ("https://example.com/role=user", {"https://example.com/role": "user"}, []),
    ],
)
def test_a_rule_is_a_text_that_is_there_or_equals_or_does_not_equal_a_value(
    listed: str, claims: dict[str, object], broken: list[str]
) -> None:
    assert [str(rule) for rule in RequiredClaims(listed).broken(claims)] == broken


@pytest.mark.parametrize("listed", ["=x", "!=x", "!", "a b", "a b=c", "ok,=x"])
def test_a_malformed_rule_stops_the_function_and_is_named(listed: str) -> None:
    with pytest.raises(ValueError, match=r"is not name, name=value or name!=value.*REQUIRED_CLAIMS"):
        load(FunctionSettings, {"REQUIRED_CLAIMS": listed})


def ask(function: "Function", bundle: "Bundle", event: str, **claims: str) -> "Answer":
    sent = bundle.event(event)
    sent["requestContext"]["authorizer"]["jwt"]["claims"] |= claims
    return function.send(sent)


@pytest.mark.parametrize("vendor", [*VENDORS, "catalogue"])
def test_every_function_refuses_a_guest_and_names_the_claims(function: Fresh, bundle: "Bundle", vendor: str) -> None:
    made = function(vendor, secret="{}", REQUIRED_CLAIMS=RULES)
    event = MINTS.get(vendor, "catalogue-list")
    guest = ask(made, bundle, event, email_verified="true", provider_id="anonymous")
    assert (guest.status, guest.body["code"], guest.body["retryable"]) == (403, "not_allowed", False)
    assert [error["field"] for error in guest.body["errors"]] == ["provider_id", "tenant"]
    assert ask(made, bundle, event, **USER).status != 403


def test_a_teams_own_backend_needs_no_claims_of_a_user(function: Fresh, bundle: "Bundle") -> None:
    convai = function("convai", REQUIRED_CLAIMS=RULES, BACKEND_SCOPE="mint:on-behalf")
    assert ask(convai, bundle, "convai-mint", scope="mint:on-behalf").status == 201
    assert ask(convai, bundle, "convai-mint", scope="other").status == 403


def test_without_a_sign_in_nobody_is_told_about_claims(function: Fresh, bundle: "Bundle") -> None:
    event = bundle.event("convai-mint")
    event["requestContext"].pop("authorizer")
    assert function("convai", REQUIRED_CLAIMS=RULES).send(event).body["code"] == "unauthenticated"
