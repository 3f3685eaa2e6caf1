"""Agora: a caller gets a token for a listed channel, and joins it as itself only."""

import string
from time import monotonic, time
from typing import TYPE_CHECKING, Any

import pytest

from local.parameters import PAIRS
from minting import keyring
from tests.functions.agora_tokens import APP_ID, CERTIFICATE, ask, read, rebuilt, token_of, unpacked
from tests.functions.contract import (
    INVALID,
    LISTINGS,
    NOT_ALLOWED,
    NOT_CONFIGURED,
    Fresh,
    faults,
    minted,
    moment,
    said,
)
from tests.trust.table import CHANGE, EXACT, SECRET, Wire, taken, used

if TYPE_CHECKING:
    from local.bundle import Bundle

PUBLIC = {
    "spatius_app_id": "local-app",
    "spatius_avatar_id": "local-avatar",
    "region": "us-west",
    "agentUid": 1001,
}
"""What local/parameters.py sets for clients."""

LARGEST_UID = 2**31 - 1
"""What clients in Java, Kotlin and C# keep in an int without turning it negative."""


def test_a_mint_returns_what_the_client_joins_with(tableless: Fresh) -> None:
    mint = minted(tableless("agora").ask("agora-mint"))
    assert mint.fields.keys() == {"appId", "channel", "uid", "token"} | PUBLIC.keys()
    assert (mint.vendor, mint.facts) == ("agora", set())
    assert mint.expires_in in range(3598, 3601)
    held = token_of(mint)
    assert abs(held.issued - time()) < 30
    assert mint.expires_at
    assert moment(mint.expires_at).timestamp() == held.issued + held.seconds


# The request

OF_ITS_OWN: dict[str, Any] = {"channel": "lobby", "role": "publisher"}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ["channel", "role"]),
        *[
            (OF_ITS_OWN | {"channel": channel}, ["channel"])
            for channel in ("", "x" * 64, 'a"b', "a/b", "a*", "é", "a\n", 5)
        ],
        *[(OF_ITS_OWN | {"role": role}, ["role"]) for role in ("", "admin", 1, None)],
        *[(OF_ITS_OWN | {"uid": uid}, ["uid"]) for uid in (0, -1, 2**32, 2**33, "1234", 1.5, True)],
        *[(OF_ITS_OWN | {"account": account}, ["account"]) for account in ("", "x" * 256, 5)],
        *[(OF_ITS_OWN | {"ttl_seconds": ttl}, ["ttl_seconds"]) for ttl in (0, -1, 59, 86_401, 999_999, "60", None)],
        (OF_ITS_OWN | {"rtm": "yes"}, ["rtm"]),
        (OF_ITS_OWN | {"version": "006", "appId": APP_ID}, ["appId", "version"]),
        (OF_ITS_OWN | {"uid": 1, "account": "a"}, [""]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_invalid_request_names_its_fields(tableless: Fresh, body: dict[str, Any], wrong: list[str]) -> None:
    answer = tableless("agora").ask("agora-mint", body)
    assert (said(answer), faults(answer)) == (INVALID, wrong)


def test_a_channel_has_the_vendors_characters_only(tableless: Fresh) -> None:
    agora, theirs = tableless("agora"), string.ascii_letters + string.digits + " !#$%&()+-:;<=.>?@[]^_{}|~,"
    answers = {character: said(ask(agora, channel=character)) for character in map(chr, range(256))}
    assert answers == {character: NOT_ALLOWED if character in theirs else INVALID for character in answers}


def test_a_channel_with_the_callers_id_has_the_same_limit(tableless: Fresh) -> None:
    agora = tableless("agora", AGORA_CHANNELS="*")
    assert len(minted(ask(agora, channel="x" * 31 + "{caller}")).fields["channel"]) == 63
    assert said(ask(agora, channel="x" * 32 + "{caller}")) == NOT_ALLOWED


# Channels and users


def test_every_caller_has_a_channel_of_its_own_that_no_other_can_join(tableless: Fresh) -> None:
    agora = tableless("agora")
    alices, bobs = (minted(ask(agora, sub)).fields["channel"] for sub in ("alice", "bob"))
    assert len({alices, bobs, "{caller}"}) == 3
    assert minted(ask(agora, channel=alices)).fields["channel"] == alices
    assert said(ask(agora, channel=bobs)) == NOT_ALLOWED
    assert said(ask(agora, "bob", channel=alices)) == NOT_ALLOWED


@pytest.mark.parametrize(("listed", "asked", "allowed"), LISTINGS)
def test_a_channel_must_be_listed(tableless: Fresh, listed: str, asked: str, allowed: bool) -> None:
    answer = ask(tableless("agora", AGORA_CHANNELS=listed), channel=asked)
    assert (answer.status == 201) is allowed
    assert allowed or said(answer) == NOT_ALLOWED


def test_a_caller_keeps_its_uid_so_that_a_token_can_be_renewed(tableless: Fresh) -> None:
    agora = tableless("agora")
    first = minted(ask(agora, channel="lobby")).fields
    again = minted(ask(agora, channel="lobby")).fields
    renewed = minted(ask(agora, channel=first["channel"], uid=first["uid"])).fields
    assert first["uid"] == again["uid"] == renewed["uid"]
    assert len({answer["token"] for answer in (first, again, renewed)}) == 3


def test_a_uid_belongs_to_one_caller_in_one_channel(tableless: Fresh) -> None:
    agora = tableless("agora")
    asked = [(sub, channel) for sub in map("user-{}".format, range(20)) for channel in ("lobby", "{caller}")]
    uids = [minted(ask(agora, sub, channel=channel)).fields["uid"] for sub, channel in asked]
    assert len(set(uids)) == len(asked)
    assert all(2**30 <= uid <= LARGEST_UID for uid in uids)


def test_a_uid_cannot_be_computed_without_the_certificate(tableless: Fresh) -> None:
    others = {"app_id": APP_ID, "app_certificate": "0" * 32}
    ours, theirs = (
        minted(ask(agora, channel="lobby")).fields for agora in (tableless("agora"), tableless("agora", others))
    )
    assert ours["uid"] != theirs["uid"]


def test_a_caller_cannot_use_the_uid_of_another(tableless: Fresh) -> None:
    agora = tableless("agora")
    alices = minted(ask(agora, channel="lobby")).fields["uid"]
    assert said(ask(agora, "bob", channel="lobby", uid=alices)) == NOT_ALLOWED
    assert said(ask(agora, channel="{caller}", uid=alices)) == NOT_ALLOWED
    assert [said(ask(agora, channel="lobby", uid=uid)) for uid in (1, 1001, 2**32 - 1)] == [NOT_ALLOWED] * 3


def test_an_account_is_the_callers_own(tableless: Fresh) -> None:
    agora = tableless("agora")
    alices, bobs = (minted(ask(agora, sub, account="{caller}")).fields["uid"] for sub in ("alice", "bob"))
    assert minted(ask(agora, channel="lobby", account=alices)).fields["uid"] == alices
    for account in (bobs, "alice", f"{alices}x", "{caller}{caller}", "1234", "x" * 255):
        assert said(ask(agora, account=account)) == NOT_ALLOWED


def test_the_same_sub_of_another_issuer_has_another_uid(tableless: Fresh, bundle: "Bundle") -> None:
    event = bundle.event("agora-mint", body={"channel": "lobby", "role": "subscriber"})
    event["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] = "https://other.example.com"
    agora = tableless("agora")
    assert minted(agora.send(event)).fields["uid"] != minted(ask(agora, channel="lobby")).fields["uid"]


@pytest.mark.parametrize(
    ("changes", "fields", "allowed"),
    [
        ({"AGORA_ALLOW_RTM": ""}, {"rtm": True}, False),
        ({"AGORA_ALLOW_RTM": "false"}, {"rtm": True}, False),
        ({"AGORA_ALLOW_RTM": "false"}, {"rtm": False}, True),
        ({"AGORA_ROLES": ""}, {"role": "subscriber"}, False),
        ({"AGORA_ROLES": "subscriber"}, {"role": "publisher"}, False),
        ({"AGORA_ROLES": "subscriber"}, {"role": "subscriber"}, True),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_deployment_decides_about_roles_and_rtm(
    tableless: Fresh, changes: dict[str, str], fields: dict[str, Any], allowed: bool
) -> None:
    answer = ask(tableless("agora", **changes), **fields)
    assert (answer.status == 201) is allowed
    assert allowed or said(answer) == NOT_ALLOWED


# The team's public fields


def test_a_response_has_the_teams_public_fields(tableless: Fresh) -> None:
    assert minted(ask(tableless("agora"))).fields.items() >= PUBLIC.items()


def test_a_public_uid_is_a_number_and_another_id_of_digits_a_string(tableless: Fresh) -> None:
    listed = "agentUid=1001, avatar_uid = 1002,spatius_app_id=1234567890123456789,guid=7,fooUid=x1,region=us-west"
    fields = minted(ask(tableless("agora", AGORA_CLIENT_FIELDS=listed))).fields
    told = {"agentUid": 1001, "avatar_uid": 1002, "spatius_app_id": "1234567890123456789", "guid": "7", "fooUid": "x1"}
    assert fields.items() >= told.items()


def test_a_public_field_never_takes_the_place_of_the_credentials_own(tableless: Fresh) -> None:
    mint = minted(ask(tableless("agora", AGORA_CLIENT_FIELDS="appId=x,channel=x,uid=5,token=x,mint=x")))
    assert token_of(mint)
    assert mint.fields.keys() == {"appId", "channel", "uid", "token"}
    assert mint.fields["uid"] >= 2**30


# Secrets


@pytest.mark.parametrize(
    "changes",
    [
        {"app_id": APP_ID[:31]},
        {"app_id": APP_ID + "0"},
        {"app_id": ""},
        {"app_certificate": CERTIFICATE[:31]},
        {"app_certificate": CERTIFICATE.replace("f", "g")},
        {"app_certificate": None},
        {"app_certificate": "\u0660" * 32},
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_secret_of_another_form_is_not_configured(tableless: Fresh, changes: dict[str, Any]) -> None:
    assert said(ask(tableless("agora", PAIRS["agora"] | changes))) == NOT_CONFIGURED


def test_white_space_around_a_secret_is_removed(tableless: Fresh) -> None:
    padded = {"app_id": f" {APP_ID}\n", "app_certificate": f"\t{CERTIFICATE}\r\n"}
    assert token_of(minted(ask(tableless("agora", padded))))


def test_a_rotated_certificate_signs_after_five_minutes(function: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    agora, newer = function("agora"), "0" * 32
    agora.put_key({"app_id": APP_ID, "app_certificate": newer})
    token_of(minted(ask(agora)))
    later = monotonic() + keyring.MAX_AGE
    monkeypatch.setattr(keyring, "monotonic", lambda: later)
    token = minted(ask(agora)).fields["token"]
    assert rebuilt(read(token), newer) == unpacked(token)


# Limits


def test_the_first_mint_asks_for_its_secret_and_its_limits_and_nobody_else(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    agora = function("agora")
    monkeypatch.setattr("requests.Session.request", None)  # a call of it fails
    assert minted(ask(agora))
    assert wire.sent == [SECRET, CHANGE, CHANGE]


def test_a_caller_gets_as_many_as_the_limit_allows(function: Fresh) -> None:
    agora = function("agora", CALLER_PER_HOUR="2", VENDOR_PER_DAY="3")
    statuses = [ask(agora, sub).status for sub in ("alice", "alice", "alice", "bob", "bob")]
    assert statuses == [201, 201, 429, 201, 429]


@pytest.mark.parametrize("fields", [{"channel": "other"}, {"uid": 1001}, {"account": "bob"}])
def test_a_refused_mint_is_not_counted(function: Fresh, bundle: "Bundle", table: str, fields: dict[str, Any]) -> None:
    agora = function("agora", **EXACT)
    ask(agora)
    assert said(ask(agora, **fields)) == NOT_ALLOWED
    assert used(bundle, table) == taken(1)
