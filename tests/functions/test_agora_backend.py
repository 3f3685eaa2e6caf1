"""Agora: the team's backend mints for the team's own agents and avatars, and nobody else does."""

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from minting.callers import Caller
from tests.functions.agora_tokens import PUBLISHER, ask, ask_as_backend, token_of
from tests.functions.contract import NOT_ALLOWED, Fresh, faults, minted, said

if TYPE_CHECKING:
    from local.bundle import Bundle

AGENT, AVATAR = 1001, 1002
"""The uids that local/parameters.py leaves to the team's backend."""


def test_a_backend_mints_for_its_agent_and_its_avatar_in_a_users_channel(tableless: Fresh, bundle: "Bundle") -> None:
    agora = tableless("agora")
    users = minted(ask(agora)).fields
    mints = [minted(ask_as_backend(agora, bundle, channel=users["channel"], uid=uid)) for uid in (AGENT, AVATAR)]
    assert [mint.fields["uid"] for mint in mints] == [AGENT, AVATAR]
    assert all(
        token_of(mint).services[1] == (dict.fromkeys(PUBLISHER, 3600), [users["channel"], uid])
        for mint, uid in zip(mints, ("1001", "1002"), strict=True)
    )


def test_a_backend_can_compute_a_users_channel_from_the_users_claims(tableless: Fresh) -> None:
    iss = "https://issuer.example.com"
    digest = hashlib.sha256(f"{len(iss)}:{iss}alice".encode()).hexdigest()
    assert minted(ask(tableless("agora"))).fields["channel"] == digest[:32]


def test_a_backend_that_mints_for_a_user_gets_all_three_tokens_of_one_channel(
    tableless: Fresh, bundle: "Bundle"
) -> None:
    agora = tableless("agora")
    uids: list[dict[str, Any]] = [{}, {"uid": AGENT}, {"uid": AVATAR}]
    mints = [minted(ask_as_backend(agora, bundle, user="alice", **uid)) for uid in uids]
    assert len({mint.fields["channel"] for mint in mints}) == 1
    assert len({token_of(mint).services[1][1][1] for mint in mints}) == 3


@pytest.mark.parametrize("channel", ["{caller}", "lobby"])
@pytest.mark.parametrize("scope", ["", "mint:on-behalf-of", "openid MINT:ON-BEHALF", "mint:on behalf"])
def test_no_caller_without_the_scope_gets_a_backends_uid(
    tableless: Fresh, bundle: "Bundle", channel: str, scope: str
) -> None:
    agora = tableless("agora")
    answer = ask_as_backend(agora, bundle, scope=scope, channel=channel, uid=AGENT)
    assert (said(answer), faults(answer)) == (NOT_ALLOWED, ["uid"])


def test_without_a_scope_in_the_deployment_nobody_is_a_backend(tableless: Fresh, bundle: "Bundle") -> None:
    agora = tableless("agora", BACKEND_SCOPE="")
    assert said(ask_as_backend(agora, bundle, channel="lobby", uid=AGENT)) == NOT_ALLOWED


@pytest.mark.parametrize("listed", ["", "1003", "10011", "1"])
def test_a_backend_gets_no_uid_that_is_not_listed(tableless: Fresh, bundle: "Bundle", listed: str) -> None:
    agora = tableless("agora", AGORA_BACKEND_UIDS=listed)
    assert said(ask_as_backend(agora, bundle, channel="lobby", uid=AGENT)) == NOT_ALLOWED


def test_a_backend_does_not_get_the_uid_of_a_user(tableless: Fresh, bundle: "Bundle") -> None:
    agora = tableless("agora")
    alices = minted(ask(agora, channel="lobby")).fields["uid"]
    assert said(ask_as_backend(agora, bundle, channel="lobby", uid=alices)) == NOT_ALLOWED


ALICES = Caller("https://issuer.example.com", "alice").id


@pytest.mark.parametrize(
    ("listed", "channel", "allowed"),
    [
        ("", "lobby", False),
        ("", ALICES, False),
        ("lobby", "lobby", True),
        ("lobby", "Lobby", False),
        ("lobby", ALICES, False),
        ("{caller}", ALICES, True),
        ("{caller}", ALICES.upper(), False),
        ("{caller}", ALICES[:-1], False),
        ("{caller}", f"{ALICES}0", False),
        ("{caller}", f"x{ALICES}", False),
        ("a{caller}b", f"a{ALICES}b", True),
        ("a{caller}b", ALICES, False),
        ("desk-{caller}", f"desk-{ALICES}", True),
        ("desk-{caller}", "desk-alice", False),
        ("desk-{caller}", "desk-", False),
        ("*", "anything", True),
    ],
)
def test_a_backends_uid_is_for_channels_that_some_caller_can_join(
    tableless: Fresh, bundle: "Bundle", listed: str, channel: str, allowed: bool
) -> None:
    answer = ask_as_backend(tableless("agora", AGORA_CHANNELS=listed), bundle, channel=channel, uid=AGENT)
    assert (answer.status == 201) is allowed
    assert allowed or (said(answer), faults(answer)) == (NOT_ALLOWED, ["channel"])


@pytest.mark.parametrize("fields", [{}, {"account": "{caller}"}])
def test_a_backend_that_asks_for_no_uid_of_its_own_joins_no_users_channel(
    tableless: Fresh, bundle: "Bundle", fields: dict[str, str]
) -> None:
    answer = ask_as_backend(tableless("agora"), bundle, channel=ALICES, **fields)
    assert (said(answer), faults(answer)) == (NOT_ALLOWED, ["channel"])


def test_an_agent_speaks_where_callers_may_only_watch(tableless: Fresh, bundle: "Bundle") -> None:
    agora = tableless("agora", AGORA_ROLES="subscriber")
    assert said(ask(agora)) == NOT_ALLOWED
    assert token_of(minted(ask_as_backend(agora, bundle, channel="lobby", uid=AGENT)))


def test_an_agent_logs_in_to_rtm_only_where_callers_may(tableless: Fresh, bundle: "Bundle") -> None:
    answers = [
        ask_as_backend(tableless("agora", AGORA_ALLOW_RTM=allowed), bundle, channel="lobby", uid=AGENT, rtm=True)
        for allowed in ("true", "false")
    ]
    assert (answers[0].status, said(answers[1])) == (201, NOT_ALLOWED)


def test_a_mint_for_a_user_counts_for_that_user(function: Fresh, bundle: "Bundle") -> None:
    agora = function("agora", CALLER_PER_HOUR="2")
    asked = [("alice", AGENT), ("alice", AVATAR), ("alice", AGENT), ("bob", AGENT)]
    answers = [ask_as_backend(agora, bundle, user=user, uid=uid).status for user, uid in asked]
    assert answers == [201, 201, 429, 201]


@pytest.mark.parametrize("listed", ["0", "1001,0", "-1", "1073741824", "4294967296", "agent", "1.5", "1001;1002", "*"])
def test_a_function_with_an_invalid_backend_uid_does_not_start(tableless: Fresh, listed: str) -> None:
    with pytest.raises(ValueError, match="AGORA_BACKEND_UIDS"):
        tableless("agora", AGORA_BACKEND_UIDS=listed)


@pytest.mark.parametrize("uid", [1, 2**30 - 1])
def test_a_backend_may_have_any_uid_below_the_callers(tableless: Fresh, bundle: "Bundle", uid: int) -> None:
    agora = tableless("agora", AGORA_BACKEND_UIDS=f" 7 ,{uid}")
    assert minted(ask_as_backend(agora, bundle, channel="lobby", uid=uid)).fields["uid"] == uid
