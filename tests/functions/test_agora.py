"""Agora: an AccessToken2 that others read as we mean it, for a channel that is listed and a user who is the caller."""

import base64
import hashlib
import string
import warnings
import zlib
from struct import unpack_from
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.agora.access_token import AgoraKey, access_token, rtc
from local.parameters import PAIRS
from minting import keyring
from minting.callers import Caller
from tests.functions.contract import (
    INVALID,
    LISTINGS,
    NOT_ALLOWED,
    NOT_CONFIGURED,
    Fresh,
    Minted,
    faults,
    minted,
    moment,
    said,
)
from tests.trust.table import CHANGE, SECRET, Wire, used

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer

with warnings.catch_warnings(action="ignore"):  # it warns of parts of its own that are not used here
    from agoraiotools.AccessToken2 import AccessToken2, ServiceRtc, ServiceRtm  # type: ignore[import-untyped]

APP_ID, CERTIFICATE = PAIRS["agora"].values()
PUBLISHER, SUBSCRIBER, LOGIN = (1, 2, 3, 4), (1,), (1,)
VECTOR = (
    "200030313233343536373839616263646566303132333435363738396162636465660"
    "0f15365580200004e61bc000100010004000100580200000200580200000300580200000400580200000600726f6f6d2d31040031323334"
)
SIGNATURE = "b3d30dcbb0c8c2f1a3ed7b623fe4c1f417fa29bb5630d13f17300b3bf6dbdfe9"
PUBLIC = {
    "spatius_app_id": "local-app",
    "spatius_avatar_id": "local-avatar",
    "region": "us-west",
    "agentUid": 1001,
}
"""What local/parameters.py sets for clients."""

AGENT, AVATAR = 1001, 1002
"""The uids that local/parameters.py leaves to the team's backend."""

SCOPE = "mint:on-behalf"
LARGEST_UID = 2**31 - 1
"""What clients in Java, Kotlin and C# keep in an int without turning it negative."""


class Read(NamedTuple):
    """A token's content, read by the format's description alone. services: type -> its privileges' seconds, and its names."""

    app_id: str
    issued: int
    seconds: int
    salt: int
    services: dict[int, tuple[dict[int, int], list[str]]]


NAMES = {1: 2, 2: 1}
"""How many names a service of each type has."""


class Bytes:
    """What is left to read, little-endian."""

    def __init__(self, raw: bytes) -> None:
        self.left = raw

    def number(self, code: str) -> int:
        (value,) = unpack_from(f"<{code}", self.left)
        self.left = self.left[{"H": 2, "I": 4}[code] :]
        return int(value)

    def text(self) -> bytes:
        size = self.number("H")
        value, self.left = self.left[:size], self.left[size:]
        return value


def unpacked(token: str) -> bytes:
    assert token.startswith("007")
    return zlib.decompress(base64.b64decode(token.removeprefix("007"), validate=True))


def read(token: str) -> Read:
    raw = Bytes(unpacked(token))
    assert len(raw.text()) == 32
    head = raw.text().decode(), raw.number("I"), raw.number("I"), raw.number("I")
    services = {}
    for _ in range(raw.number("H")):
        kind = raw.number("H")
        privileges = {raw.number("H"): raw.number("I") for _ in range(raw.number("H"))}
        services[kind] = privileges, [raw.text().decode() for _ in range(NAMES[kind])]
    assert raw.left == b""
    return Read(*head, services)


def rebuilt(held: Read, certificate: str = CERTIFICATE) -> bytes:
    """The same token as the vendor's own code makes it, decompressed."""
    token = AccessToken2(held.app_id, certificate, held.issued, held.seconds)
    token._AccessToken__salt = held.salt
    for kind, (privileges, names) in held.services.items():
        service = {1: ServiceRtc, 2: ServiceRtm}[kind](*names)
        for privilege, seconds in privileges.items():
            service.add_privilege(privilege, seconds)
        token.add_service(service)
    return unpacked(token.build())


def ask(agora: Any, sub: str = "alice", /, **fields: Any) -> "Answer":
    answer: Answer = agora.ask("agora-mint", {"channel": "{caller}", "role": "publisher"} | fields, sub=sub)
    return answer


def ask_as_backend(agora: Any, bundle: "Bundle", /, *, user: str = "", scope: str = SCOPE, **fields: Any) -> "Answer":
    """Asks as the team's own server does, perhaps for a user that it names."""
    event = bundle.event("agora-mint", body={"channel": "{caller}", "role": "publisher"} | fields, sub="server")
    event["requestContext"]["authorizer"]["jwt"]["claims"]["scope"] = scope
    event["headers"] |= {"mint-on-behalf-of": user} if user else {}
    answer: Answer = agora.send(event)
    return answer


def token_of(mint: Minted) -> Read:
    """The token, held to what the answer says of it and to the vendor's own code."""
    held = read(mint.fields["token"])
    assert rebuilt(held) == unpacked(mint.fields["token"])
    assert held.app_id == mint.fields["appId"] == APP_ID
    _, names = held.services[1]
    assert names == [mint.fields["channel"], str(mint.fields["uid"])]
    return held


# The token


def test_the_vendors_test_vector_comes_out() -> None:
    service = rtc("publisher", "room-1", "1234")
    token = access_token(AgoraKey(APP_ID, CERTIFICATE), [service], 1_700_000_000, 600, 12_345_678)
    assert unpacked(token).hex() == "2000" + SIGNATURE + VECTOR


def test_a_mint_gives_what_the_client_joins_with(function: Fresh) -> None:
    mint = minted(function("agora").ask("agora-mint"))
    assert mint.fields.keys() == {"appId", "channel", "uid", "token"} | PUBLIC.keys()
    assert (mint.vendor, mint.facts) == ("agora", set())
    assert mint.expires_in in range(3598, 3601)
    held = token_of(mint)
    assert abs(held.issued - time()) < 30
    assert mint.expires_at
    assert moment(mint.expires_at).timestamp() == held.issued + held.seconds


@pytest.mark.parametrize(
    ("fields", "services"),
    [
        ({"role": "publisher"}, {1: PUBLISHER}),
        ({"role": "subscriber"}, {1: SUBSCRIBER}),
        ({"role": "publisher", "rtm": True}, {1: PUBLISHER, 2: LOGIN}),
        ({"role": "subscriber", "rtm": True, "account": "{caller}"}, {1: SUBSCRIBER, 2: LOGIN}),
    ],
)
@pytest.mark.parametrize("seconds", [60, 3600, 86_400])
def test_a_token_is_good_for_what_was_asked_and_as_long(
    warm: Fresh, fields: dict[str, Any], services: dict[int, tuple[int, ...]], seconds: int
) -> None:
    mint = minted(ask(warm("agora"), ttl_seconds=seconds, **fields))
    held = token_of(mint)
    assert held.seconds == seconds
    granted = {kind: privileges for kind, (privileges, _) in held.services.items()}
    assert granted == {kind: dict.fromkeys(privileges, seconds) for kind, privileges in services.items()}
    assert all(names[-1] == str(mint.fields["uid"]) for _, names in held.services.values())


def test_every_token_has_a_salt_of_its_own(warm: Fresh) -> None:
    salts = {token_of(minted(ask(warm("agora")))).salt for _ in range(20)}
    assert len(salts) > 15
    assert all(1 <= salt <= 99_999_999 for salt in salts)


def test_a_token_is_signed_with_the_certificate(warm: Fresh) -> None:
    token = minted(ask(warm("agora"))).fields["token"]
    assert rebuilt(read(token), CERTIFICATE.replace("f", "e")) != unpacked(token)


CHANNELS = st.text(
    "abcXYZ019 !#$%&()+-:;<=.>?@[]^_|~,",  # all but braces, which stand for the caller
    min_size=1,
    max_size=63,
)


def test_any_channel_and_lifetime_make_a_token_that_the_vendors_code_agrees_with(function: Fresh) -> None:
    agora = function("agora", AGORA_CHANNELS="*", CALLER_PER_HOUR="100000", VENDOR_PER_DAY="100000")

    @given(CHANNELS, st.integers(60, 86_400), st.booleans())
    @settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
    def hold(channel: str, seconds: int, rtm: bool) -> None:
        answer = ask(agora, channel=channel, ttl_seconds=seconds, rtm=rtm)
        assert token_of(minted(answer)).seconds == seconds

    hold()


# Bounds

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
def test_what_the_vendors_builders_would_let_pass_is_refused(
    warm: Fresh, body: dict[str, Any], wrong: list[str]
) -> None:
    answer = warm("agora").ask("agora-mint", body)
    assert (said(answer), faults(answer)) == (INVALID, wrong)


def test_a_channel_is_of_the_vendors_characters_and_of_no_others(warm: Fresh) -> None:
    agora, theirs = warm("agora"), string.ascii_letters + string.digits + " !#$%&()+-:;<=.>?@[]^_{}|~,"
    answers = {character: said(ask(agora, channel=character)) for character in map(chr, range(256))}
    assert answers == {character: NOT_ALLOWED if character in theirs else INVALID for character in answers}


def test_a_channel_with_the_callers_id_in_it_is_bounded_too(function: Fresh) -> None:
    agora = function("agora", AGORA_CHANNELS="*")
    assert len(minted(ask(agora, channel="x" * 31 + "{caller}")).fields["channel"]) == 63
    assert said(ask(agora, channel="x" * 32 + "{caller}")) == NOT_ALLOWED


# Who, and where


def test_every_caller_has_a_channel_of_its_own_that_no_other_can_join(warm: Fresh) -> None:
    agora = warm("agora")
    alices, bobs = (minted(ask(agora, sub)).fields["channel"] for sub in ("alice", "bob"))
    assert len({alices, bobs, "{caller}"}) == 3
    assert minted(ask(agora, channel=alices)).fields["channel"] == alices
    assert said(ask(agora, channel=bobs)) == NOT_ALLOWED
    assert said(ask(agora, "bob", channel=alices)) == NOT_ALLOWED


@pytest.mark.parametrize(("listed", "asked", "allowed"), LISTINGS)
def test_a_channel_must_be_listed(function: Fresh, listed: str, asked: str, allowed: bool) -> None:
    answer = ask(function("agora", AGORA_CHANNELS=listed), channel=asked)
    assert (answer.status == 201) is allowed
    assert allowed or said(answer) == NOT_ALLOWED


def test_a_uid_is_the_same_each_time_so_that_a_token_can_be_renewed(warm: Fresh) -> None:
    agora = warm("agora")
    first = minted(ask(agora, channel="lobby")).fields
    again = minted(ask(agora, channel="lobby")).fields
    renewed = minted(ask(agora, channel=first["channel"], uid=first["uid"])).fields
    assert first["uid"] == again["uid"] == renewed["uid"]
    assert len({answer["token"] for answer in (first, again, renewed)}) == 3


def test_a_uid_belongs_to_one_caller_in_one_channel_and_is_never_0(warm: Fresh) -> None:
    agora = warm("agora")
    asked = [(sub, channel) for sub in map("user-{}".format, range(20)) for channel in ("lobby", "{caller}")]
    uids = [minted(ask(agora, sub, channel=channel)).fields["uid"] for sub, channel in asked]
    assert len(set(uids)) == len(asked)
    assert all(2**30 <= uid <= LARGEST_UID for uid in uids)


def test_a_uid_cannot_be_worked_out_without_the_certificate(function: Fresh) -> None:
    others = {"app_id": APP_ID, "app_certificate": "0" * 32}
    ours, theirs = (
        minted(ask(agora, channel="lobby")).fields for agora in (function("agora"), function("agora", others))
    )
    assert ours["uid"] != theirs["uid"]


def test_nobody_takes_the_uid_of_another(warm: Fresh) -> None:
    agora = warm("agora")
    alices = minted(ask(agora, channel="lobby")).fields["uid"]
    assert said(ask(agora, "bob", channel="lobby", uid=alices)) == NOT_ALLOWED
    assert said(ask(agora, channel="{caller}", uid=alices)) == NOT_ALLOWED
    assert [said(ask(agora, channel="lobby", uid=uid)) for uid in (1, 1001, 2**32 - 1)] == [NOT_ALLOWED] * 3


def test_an_account_is_the_callers_own(warm: Fresh) -> None:
    agora = warm("agora")
    alices, bobs = (minted(ask(agora, sub, account="{caller}")).fields["uid"] for sub in ("alice", "bob"))
    assert minted(ask(agora, channel="lobby", account=alices)).fields["uid"] == alices
    for account in (bobs, "alice", f"{alices}x", "{caller}{caller}", "1234", "x" * 255):
        assert said(ask(agora, account=account)) == NOT_ALLOWED


def test_callers_of_two_issuers_are_two(warm: Fresh, bundle: "Bundle") -> None:
    event = bundle.event("agora-mint", body={"channel": "lobby", "role": "subscriber"})
    event["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] = "https://other.example.com"
    agora = warm("agora")
    assert minted(agora.send(event)).fields["uid"] != minted(ask(agora, channel="lobby")).fields["uid"]


# The team's agents and avatars


def test_a_backend_mints_for_its_agent_and_its_avatar_in_the_channel_of_a_user(warm: Fresh, bundle: "Bundle") -> None:
    agora = warm("agora")
    users = minted(ask(agora)).fields
    mints = [minted(ask_as_backend(agora, bundle, channel=users["channel"], uid=uid)) for uid in (AGENT, AVATAR)]
    assert [mint.fields["uid"] for mint in mints] == [AGENT, AVATAR]
    assert all(
        token_of(mint).services[1] == (dict.fromkeys(PUBLISHER, 3600), [users["channel"], uid])
        for mint, uid in zip(mints, ("1001", "1002"), strict=True)
    )


def test_a_backend_can_work_out_the_channel_of_a_user_from_the_users_claims(warm: Fresh) -> None:
    iss = "https://issuer.example.com"
    digest = hashlib.sha256(f"{len(iss)}:{iss}alice".encode()).hexdigest()
    assert minted(ask(warm("agora"))).fields["channel"] == digest[:32]


def test_a_backend_that_mints_for_a_user_gets_all_three_tokens_of_one_channel(warm: Fresh, bundle: "Bundle") -> None:
    agora = warm("agora")
    uids: list[dict[str, Any]] = [{}, {"uid": AGENT}, {"uid": AVATAR}]
    mints = [minted(ask_as_backend(agora, bundle, user="alice", **uid)) for uid in uids]
    assert len({mint.fields["channel"] for mint in mints}) == 1
    assert len({token_of(mint).services[1][1][1] for mint in mints}) == 3


@pytest.mark.parametrize("channel", ["{caller}", "lobby"])
@pytest.mark.parametrize("scope", ["", "mint:on-behalf-of", "openid MINT:ON-BEHALF", "mint:on behalf"])
def test_no_caller_without_the_scope_gets_a_backends_uid(
    warm: Fresh, bundle: "Bundle", channel: str, scope: str
) -> None:
    agora = warm("agora")
    answer = ask_as_backend(agora, bundle, scope=scope, channel=channel, uid=AGENT)
    assert (said(answer), faults(answer)) == (NOT_ALLOWED, ["uid"])


def test_without_a_scope_in_the_deployment_nobody_is_a_backend(function: Fresh, bundle: "Bundle") -> None:
    agora = function("agora", BACKEND_SCOPE="")
    assert said(ask_as_backend(agora, bundle, channel="lobby", uid=AGENT)) == NOT_ALLOWED


@pytest.mark.parametrize("listed", ["", "1003", "10011", "1"])
def test_a_backend_gets_no_uid_that_is_not_listed(function: Fresh, bundle: "Bundle", listed: str) -> None:
    agora = function("agora", AGORA_BACKEND_UIDS=listed)
    assert said(ask_as_backend(agora, bundle, channel="lobby", uid=AGENT)) == NOT_ALLOWED


def test_a_backend_does_not_get_the_uid_of_a_user(warm: Fresh, bundle: "Bundle") -> None:
    agora = warm("agora")
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
    function: Fresh, bundle: "Bundle", listed: str, channel: str, allowed: bool
) -> None:
    answer = ask_as_backend(function("agora", AGORA_CHANNELS=listed), bundle, channel=channel, uid=AGENT)
    assert (answer.status == 201) is allowed
    assert allowed or (said(answer), faults(answer)) == (NOT_ALLOWED, ["channel"])


@pytest.mark.parametrize("fields", [{}, {"account": "{caller}"}])
def test_a_backend_that_asks_for_no_uid_of_its_own_joins_no_users_channel(
    warm: Fresh, bundle: "Bundle", fields: dict[str, str]
) -> None:
    answer = ask_as_backend(warm("agora"), bundle, channel=ALICES, **fields)
    assert (said(answer), faults(answer)) == (NOT_ALLOWED, ["channel"])


def test_an_agent_speaks_where_callers_may_only_watch(function: Fresh, bundle: "Bundle") -> None:
    agora = function("agora", AGORA_ROLES="subscriber")
    assert said(ask(agora)) == NOT_ALLOWED
    assert token_of(minted(ask_as_backend(agora, bundle, channel="lobby", uid=AGENT)))


def test_an_agent_logs_in_to_rtm_only_where_callers_may(function: Fresh, bundle: "Bundle") -> None:
    answers = [
        ask_as_backend(function("agora", AGORA_ALLOW_RTM=allowed), bundle, channel="lobby", uid=AGENT, rtm=True)
        for allowed in ("true", "false")
    ]
    assert (answers[0].status, said(answers[1])) == (201, NOT_ALLOWED)


def test_what_a_backend_mints_for_a_user_counts_as_that_users(function: Fresh, bundle: "Bundle") -> None:
    agora = function("agora", CALLER_PER_HOUR="2")
    asked = [("alice", AGENT), ("alice", AVATAR), ("alice", AGENT), ("bob", AGENT)]
    answers = [ask_as_backend(agora, bundle, user=user, uid=uid).status for user, uid in asked]
    assert answers == [201, 201, 429, 201]


@pytest.mark.parametrize("listed", ["0", "1001,0", "-1", "1073741824", "4294967296", "agent", "1.5", "1001;1002", "*"])
def test_a_backends_uid_that_could_be_a_callers_own_or_anybodys_starts_nothing(function: Fresh, listed: str) -> None:
    with pytest.raises(ValueError, match="AGORA_BACKEND_UIDS"):
        function("agora", AGORA_BACKEND_UIDS=listed)


@pytest.mark.parametrize("uid", [1, 2**30 - 1])
def test_every_uid_below_the_callers_own_can_be_a_backends(function: Fresh, bundle: "Bundle", uid: int) -> None:
    agora = function("agora", AGORA_BACKEND_UIDS=f" 7 ,{uid}")
    assert minted(ask_as_backend(agora, bundle, channel="lobby", uid=uid)).fields["uid"] == uid


# What the team tells clients


def test_an_answer_carries_the_teams_public_fields(warm: Fresh) -> None:
    assert minted(ask(warm("agora"))).fields.items() >= PUBLIC.items()


def test_of_the_public_fields_a_uid_is_a_number_and_an_id_of_digits_is_a_text(function: Fresh) -> None:
    listed = "agentUid=1001, avatar_uid = 1002,spatius_app_id=1234567890123456789,guid=7,fooUid=x1,region=us-west"
    fields = minted(ask(function("agora", AGORA_CLIENT_FIELDS=listed))).fields
    told = {"agentUid": 1001, "avatar_uid": 1002, "spatius_app_id": "1234567890123456789", "guid": "7", "fooUid": "x1"}
    assert fields.items() >= told.items()


def test_a_public_field_never_takes_the_place_of_the_credentials_own(function: Fresh) -> None:
    mint = minted(ask(function("agora", AGORA_CLIENT_FIELDS="appId=x,channel=x,uid=5,token=x,mint=x")))
    assert token_of(mint)
    assert mint.fields.keys() == {"appId", "channel", "uid", "token"}
    assert mint.fields["uid"] >= 2**30


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
def test_roles_and_rtm_are_the_deployments_to_offer(
    function: Fresh, changes: dict[str, str], fields: dict[str, Any], allowed: bool
) -> None:
    answer = ask(function("agora", **changes), **fields)
    assert (answer.status == 201) is allowed
    assert allowed or said(answer) == NOT_ALLOWED


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
def test_a_secret_for_which_the_vendors_builders_return_nothing_is_not_configured(
    function: Fresh, changes: dict[str, Any]
) -> None:
    assert said(ask(function("agora", PAIRS["agora"] | changes))) == NOT_CONFIGURED


def test_white_space_around_a_secret_is_dropped(function: Fresh) -> None:
    padded = {"app_id": f" {APP_ID}\n", "app_certificate": f"\t{CERTIFICATE}\r\n"}
    assert token_of(minted(ask(function("agora", padded))))


def test_a_rotated_certificate_signs_once_the_old_one_is_five_minutes_old(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    agora, newer = function("agora"), "0" * 32
    agora.put_key({"app_id": APP_ID, "app_certificate": newer})
    token_of(minted(ask(agora)))
    later = monotonic() + keyring.MAX_AGE
    monkeypatch.setattr(keyring, "monotonic", lambda: later)
    token = minted(ask(agora)).fields["token"]
    assert rebuilt(read(token), newer) == unpacked(token)


# Trust


def test_the_first_mint_asks_for_its_secret_and_its_limits_and_nobody_else(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    agora = function("agora")
    monkeypatch.setattr("requests.Session.request", None)  # whoever calls it fails
    assert minted(ask(agora))
    assert wire.sent == [SECRET, CHANGE]


def test_a_caller_gets_as_many_as_the_limit_allows(function: Fresh) -> None:
    agora = function("agora", CALLER_PER_HOUR="2", VENDOR_PER_DAY="3")
    statuses = [ask(agora, sub).status for sub in ("alice", "alice", "alice", "bob", "bob")]
    assert statuses == [201, 201, 429, 201, 429]


@pytest.mark.parametrize("fields", [{"channel": "other"}, {"uid": 1001}, {"account": "bob"}])
def test_what_is_refused_is_not_counted(function: Fresh, bundle: "Bundle", table: str, fields: dict[str, Any]) -> None:
    agora = function("agora")
    ask(agora)
    assert said(ask(agora, **fields)) == NOT_ALLOWED
    assert used(bundle, table) == {"hour": 1, "day": 1}
