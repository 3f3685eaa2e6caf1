"""Who asks: the verified sender and, for a backend alone, the user that it names. Nobody else's digest is theirs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minting.callers import ON_BEHALF_OF, Caller, acting_for, caller_of
from minting.problems import Problem

SCOPE = "mint:on-behalf"
ISS = "https://issuer.example"


def event(claims: dict[str, Any] | None = None, user: str | None = None) -> dict[str, Any]:
    """An HTTP API event. API Gateway writes the names of headers in lower case."""
    headers = {"content-type": "application/json"} | ({} if user is None else {"mint-on-behalf-of": user})
    authorizer = {"jwt": {"claims": {"iss": ISS, "sub": "lms"} | (claims or {}), "scopes": None}}
    return {"headers": headers, "requestContext": {"authorizer": authorizer}}


def backend(user: str) -> dict[str, Any]:
    return event({"scope": SCOPE}, user)


def asked(sent: dict[str, Any], scope: str = SCOPE) -> Caller:
    return acting_for(sent, caller_of(sent, scope))


def refusal(sent: dict[str, Any], scope: str = SCOPE) -> Problem:
    with pytest.raises(Problem) as refused:
        asked(sent, scope)
    return refused.value


# Who is a backend


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": SCOPE},
        {"scp": SCOPE},
        {"scope": f"openid {SCOPE} email"},
        {"scp": f"[{SCOPE}]"},
        {"scope": f"[openid {SCOPE}]"},
        {"scp": f"[{SCOPE} email]"},
        {"scope": "", "scp": SCOPE},
    ],
    ids=str,
)
def test_a_token_with_the_scope_is_a_backends_however_the_issuer_writes_scopes(claims: dict[str, str]) -> None:
    assert caller_of(event(claims), SCOPE) == Caller(ISS, "lms", backend=True)
    assert asked(event(claims, "learner-7")) == Caller(ISS, "lms", "learner-7", backend=True)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"scope": ""},
        {"scope": "openid"},
        {"scope": SCOPE.upper()},
        {"scope": f"{SCOPE}s"},
        {"scope": f"x{SCOPE}"},
        {"scope": "mint", "scp": "on-behalf"},
        {"scope": f"openid,{SCOPE}"},
        {"scope": f"[[{SCOPE}]]"},
        {"scope": [SCOPE]},
        {"scope": {SCOPE: True}},
        {"scope": "openid", "scp": SCOPE},
        {"scopes": SCOPE},
        {"roles": SCOPE},
    ],
    ids=str,
)
def test_a_token_without_the_scope_is_no_backends_and_may_name_nobody(claims: dict[str, Any]) -> None:
    assert caller_of(event(claims), SCOPE) == Caller(ISS, "lms")
    refused = refusal(event(claims, "learner-7"))
    assert (refused.code, [error.field for error in refused.errors]) == ("not_allowed", [ON_BEHALF_OF])


@pytest.mark.parametrize("granted", ["", " ", "[]", "[ ]", "a  b", " a", "[a ]", SCOPE, None, []])
def test_without_a_backend_scope_nobody_may_name_a_user(granted: Any) -> None:
    sent = event({"scope": granted, "scp": granted}, "learner-7")
    assert not caller_of(sent, "").backend
    assert refusal(sent, "").code == "not_allowed"


@given(st.text(alphabet=st.sampled_from("[] ab\t"), max_size=12))
def test_no_spelling_of_scopes_grants_the_empty_one(granted: str) -> None:
    assert not caller_of(event({"scope": granted}), "").backend


def test_the_refusal_names_the_setting_and_not_the_scope() -> None:
    [error] = refusal(event(user="learner-7")).errors
    assert "BACKEND_SCOPE" in error.message
    assert SCOPE not in error.message


def test_without_the_header_a_backend_acts_for_itself() -> None:
    sent = event({"scope": SCOPE})
    assert asked(sent) == Caller(ISS, "lms", backend=True)
    assert asked(sent | {"headers": None}) == Caller(ISS, "lms", backend=True)


def test_a_sender_that_is_not_verified_is_refused_before_its_header_is_read() -> None:
    sent = backend("learner-7")
    del sent["requestContext"]["authorizer"]
    assert refusal(sent).code == "unauthenticated"


@pytest.mark.parametrize("sub", [None, "", "x" * 256, "Zoë", "a\nb", 7])
def test_the_refusal_of_a_jwt_that_names_nobody_says_so(sub: object) -> None:
    refused = refusal(event({"sub": sub}))
    assert refused.code == "unauthenticated"
    assert "`sub` is not 1 to 255 printable ASCII characters" in refused.detail


# Names of users


@pytest.mark.parametrize("name", ["a", "~", "0", "a b", "a@b.example", "{caller}", "lms,other", "x" * 128])
def test_a_users_name_is_up_to_128_printable_ascii_characters(name: str) -> None:
    assert asked(backend(name)).user == name


@pytest.mark.parametrize("name", ["", "x" * 129, "Zoë", "a\nb", "a\n", "a\t", "a\x00", "a\x7f", "\u202ea", "\ud800"])
def test_a_header_that_holds_no_name_is_refused_and_not_ignored(name: str) -> None:
    refused = refusal(backend(name))
    assert (refused.code, [error.field for error in refused.errors]) == ("invalid_request", [ON_BEHALF_OF])


@given(st.text(st.characters(), max_size=140))
def test_any_header_is_a_name_or_a_refusal(name: str) -> None:
    if 1 <= len(name) <= 128 and name.isascii() and name.isprintable():
        assert asked(backend(name)).user == name
    else:
        assert refusal(backend(name)).code == "invalid_request"


# Digests

names = st.text(st.sampled_from("0123:,a"), min_size=1, max_size=4)
"""The characters with which lengths are written in front of names."""


@given(st.lists(st.builds(Caller, names, names, st.none() | names), min_size=2, max_size=40))
def test_two_callers_never_share_a_digest(callers: list[Caller]) -> None:
    apart = {(caller.iss, caller.sub, caller.user) for caller in callers}
    assert len({caller.digest for caller in callers}) == len({caller.id for caller in callers}) == len(apart)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Caller("i", "s"), Caller("i", "s", "u")),
        (Caller("i", "su"), Caller("i", "s", "u")),
        (Caller("i", "s", "u"), Caller("i", "su", "")),
        (Caller("i", "s", "u"), Caller("is", "u")),
        (Caller("i", "s", "u"), Caller("u", "s", "i")),
        (Caller("1:", "x"), Caller("1", ",1:x", "y")),
    ],
)
def test_a_backend_its_users_and_its_issuers_users_are_all_apart(one: Caller, other: Caller) -> None:
    assert one.digest != other.digest


def test_the_scope_alone_makes_no_other_caller() -> None:
    """What a backend minted for itself stays its own when its client is given the scope."""
    assert Caller("i", "s", backend=True).digest == Caller("i", "s").digest


def test_a_signed_in_callers_digest_is_as_it_was_in_the_first_version() -> None:
    """Another digest would take away from callers what they own, and give them a fresh quota."""
    assert Caller("https://issuer.example", "alice").digest == (
        "1d37331a9bd64a0b3a6c25751e6708340516319559c84454ec3b5c73f1bea362"
    )
