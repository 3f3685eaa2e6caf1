"""LiveKit: its standard token endpoint, and a token that holds what the caller may have and nothing else."""

from time import monotonic
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from livekit.api import TokenVerifier

from local.parameters import PAIRS
from minting import keyring
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
from tests.trust.table import CHANGE, SECRET, Wire, taken, used

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Answer

KEY, API_SECRET = PAIRS["livekit"].values()
OTHER_SECRET = "another-secret-of-the-forty-characters-wanted"
SPATIUS = {"spatius_app_id": "local-app", "spatius_avatar_id": "local-avatar"}


def claims(mint: Minted, secret: str = API_SECRET) -> dict[str, Any]:
    """A token's payload, once the vendor's own verifier has accepted it."""
    token = mint.fields["participant_token"]
    assert TokenVerifier(KEY, secret).verify(token)
    payload: dict[str, Any] = jwt.decode(token, secret, algorithms=["HS256"])
    return payload


def ask(livekit: Any, sub: str = "alice", /, **fields: Any) -> "Answer":
    """What `TokenSource.endpoint` sends for these fields."""
    answer: Answer = livekit.ask("livekit-mint", fields, sub=sub)
    return answer


def agent(**fields: Any) -> dict[str, Any]:
    return {"agents": [fields]}


# The standard endpoint


def test_a_mint_gives_what_the_standard_wants_and_what_the_client_needs_beside_it(function: Fresh) -> None:
    mint = minted(function("livekit").ask("livekit-mint"))
    assert mint.fields.keys() == {"server_url", "participant_token", "room_name"} | SPATIUS.keys()
    assert mint.fields.items() >= SPATIUS.items()
    assert mint.fields["server_url"] == "wss://livekit.local"
    assert (mint.vendor, mint.facts) == ("livekit", set())
    assert mint.expires_in in range(598, 601)


def test_the_vendors_verifier_reads_all_that_was_asked_for(function: Fresh) -> None:
    mint = minted(function("livekit").ask("livekit-mint"))
    read = TokenVerifier(KEY, API_SECRET).verify(mint.fields["participant_token"])
    assert read.video
    assert (read.video.room_join, read.video.room) == (True, mint.fields["room_name"])
    assert (read.name, read.attributes, read.metadata) == ("Alice", {"language": "en"}, "")
    assert read.room_config
    [dispatched] = read.room_config.agents
    assert (dispatched.agent_name, dispatched.metadata) == ("local-agent", '{"topic": "weather"}')


def test_a_token_holds_these_claims_and_no_more(warm: Fresh) -> None:
    mint = minted(ask(warm("livekit")))
    token = mint.fields["participant_token"]
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    held = claims(mint)
    assert held.keys() == {"iss", "sub", "nbf", "exp", "video"}
    assert (held["iss"], held["exp"] - held["nbf"]) == (KEY, 600)
    assert mint.expires_at
    assert held["exp"] == moment(mint.expires_at).timestamp()
    assert held["video"] == {
        "roomJoin": True,
        "room": mint.fields["room_name"],
        "canSubscribe": True,
        "canPublish": True,
        "canPublishData": True,
        "canPublishSources": ["microphone"],
    }


def test_what_is_chosen_reaches_the_token_as_it_is(warm: Fresh) -> None:
    chosen = {"participant_name": "Zoë 🎧 <b>", "participant_metadata": '{"a": "\\u0000é"}'}
    room_config = agent(agent_name="local-agent")
    held = claims(minted(ask(warm("livekit"), **chosen, room_config=room_config)))
    assert (held["name"], held["metadata"]) == tuple(chosen.values())
    assert held["roomConfig"] == {"agents": [{"agentName": "local-agent"}]}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"participant_metadata": "", "participant_attributes": {}, "room_config": {}},
        {"room_config": {"agents": []}},
        dict.fromkeys(
            ("room_name", "participant_name", "participant_identity", "participant_attributes", "room_config")
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_empty_and_absent_fields_leave_no_claim(warm: Fresh, fields: dict[str, Any]) -> None:
    assert claims(minted(ask(warm("livekit"), **fields))).keys() == {"iss", "sub", "nbf", "exp", "video"}


LONG = "x" * 129


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"room_name": ""}, ["room_name"]),
        ({"room_name": LONG}, ["room_name"]),
        ({"room_name": "a b"}, ["room_name"]),
        ({"room_name": "a\n"}, ["room_name"]),
        ({"room_name": 5}, ["room_name"]),
        ({"roomName": "lobby"}, ["roomName"]),
        ({"participant_identity": LONG}, ["participant_identity"]),
        ({"participant_name": ""}, ["participant_name"]),
        ({"participant_name": LONG}, ["participant_name"]),
        ({"participant_name": "a\x1b[31m"}, ["participant_name"]),
        ({"participant_metadata": "x" * 2049}, ["participant_metadata"]),
        ({"participant_metadata": {}}, ["participant_metadata"]),
        ({"participant_attributes": {"language": 5}}, ["participant_attributes.language"]),
        ({"participant_attributes": {"language": "x" * 513}}, ["participant_attributes.language"]),
        ({"participant_attributes": {"": "x"}}, ["participant_attributes."]),
        ({"participant_attributes": {"a b": "x"}}, ["participant_attributes.a b"]),
        ({"participant_attributes": {str(number): "" for number in range(17)}}, ["participant_attributes"]),
        ({"room_config": {"agents": [{"agent_name": "local-agent"}] * 2}}, ["room_config.agents"]),
        ({"room_config": agent()}, ["room_config.agents[0].agent_name"]),
        ({"room_config": agent(metadata="alone")}, ["room_config.agents[0].agent_name"]),
        ({"room_config": agent(agent_name="local-agent", deployment="x")}, ["room_config.agents[0].deployment"]),
        ({"room_config": agent(agentName="local-agent", agent_name="a")}, ["room_config.agents[0].agentName"]),
        (
            {"room_config": {"egress": {}, "max_participants": 9}},
            ["room_config.egress", "room_config.max_participants"],
        ),
        ({"ttl": "6h", "video": {"roomAdmin": True}}, ["ttl", "video"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_the_standard_or_the_bounds_do_not_know_is_refused(
    warm: Fresh, fields: dict[str, Any], wrong: list[str]
) -> None:
    answer = ask(warm("livekit"), **fields)
    assert (said(answer), faults(answer)) == (INVALID, wrong)


def test_what_is_as_long_as_it_may_be_is_taken(function: Fresh) -> None:
    livekit = function("livekit", LIVEKIT_ROOMS="*", LIVEKIT_AGENTS="*", LIVEKIT_ATTRIBUTES="*")
    name, metadata = "x" * 128, "m" * 2048
    attributes = {f"{number:064}": "v" * 512 for number in range(16)}
    participant = {"participant_name": name, "participant_metadata": metadata, "participant_attributes": attributes}
    room_config = agent(agent_name=name, metadata=metadata)
    held = claims(minted(ask(livekit, room_name=name, **participant, room_config=room_config)))
    assert (held["video"]["room"], held["name"], held["metadata"], held["attributes"]) == (name, *participant.values())
    assert held["roomConfig"] == {"agents": [{"agentName": name, "metadata": metadata}]}


# Rooms


def test_without_a_room_each_mint_makes_one_that_cannot_be_guessed(warm: Fresh) -> None:
    livekit = warm("livekit")
    rooms = [minted(ask(livekit)).fields["room_name"] for _ in range(3)]
    assert len(set(rooms)) == 3
    assert all(len(room.rpartition("-")[2]) == 32 for room in rooms)
    assert said(ask(livekit, room_name=rooms[0])) == NOT_ALLOWED


def test_every_caller_has_a_room_of_its_own_that_no_other_can_join(warm: Fresh) -> None:
    livekit = warm("livekit")
    alices, bobs = (minted(ask(livekit, sub, room_name="{caller}")).fields["room_name"] for sub in ("alice", "bob"))
    assert len({alices, bobs, "{caller}"}) == 3
    assert minted(ask(livekit, room_name=alices)).fields["room_name"] == alices
    assert said(ask(livekit, room_name=bobs)) == NOT_ALLOWED
    assert said(ask(livekit, "bob", room_name=alices)) == NOT_ALLOWED


@pytest.mark.parametrize(("listed", "asked", "allowed"), LISTINGS)
def test_a_room_must_be_listed(function: Fresh, listed: str, asked: str, allowed: bool) -> None:
    answer = ask(function("livekit", LIVEKIT_ROOMS=listed), room_name=asked)
    assert (answer.status == 201) is allowed
    assert allowed or said(answer) == NOT_ALLOWED


def test_without_any_list_a_caller_still_gets_a_new_room(function: Fresh) -> None:
    lists = dict.fromkeys(("LIVEKIT_ROOMS", "LIVEKIT_AGENTS", "LIVEKIT_ATTRIBUTES", "LIVEKIT_CLIENT_FIELDS"), "")
    mint = minted(ask(function("livekit", **lists)))
    assert mint.fields.keys() == {"server_url", "participant_token", "room_name"}


def test_a_public_field_never_takes_the_place_of_the_credentials_own(function: Fresh) -> None:
    own = "server_url=wss://x,participant_token=x,room_name=x,mint=x"
    mint = minted(ask(function("livekit", LIVEKIT_CLIENT_FIELDS=own), room_name="lobby"))
    assert claims(mint)
    assert (mint.fields["server_url"], mint.fields["room_name"]) == ("wss://livekit.local", "lobby")


# Identities


def identity(livekit: Any, iss: str, sub: str, bundle: "Bundle") -> str:
    event = bundle.event("livekit-mint", body={}, sub=sub)
    event["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] = iss
    subject: str = claims(minted(livekit.send(event)))["sub"]
    return subject


def test_an_identity_is_the_callers_and_no_other_callers(warm: Fresh, bundle: "Bundle") -> None:
    livekit = warm("livekit")
    callers = [("https://a", "alice"), ("https://b", "alice"), ("https://a", "bob"), ("https://aa", "lice")]
    first, again = ([identity(livekit, *caller, bundle) for caller in callers] for _ in range(2))
    assert first == again
    assert len(set(first)) == len(callers)
    assert not any("alice" in subject for subject in first)


def test_an_identity_of_each_session_begins_with_the_callers(function: Fresh) -> None:
    stable, changing = (function("livekit", LIVEKIT_IDENTITY_PER=per) for per in ("caller", "session"))
    own = claims(minted(ask(stable)))["sub"]
    subjects = {claims(minted(ask(changing)))["sub"] for _ in range(3)}
    assert len(subjects) == 3
    assert all(subject.startswith(f"{own}-") for subject in subjects)


def test_an_identity_is_the_bodys_only_where_that_is_allowed(function: Fresh) -> None:
    answer = ask(function("livekit"), participant_identity="bob")
    assert (said(answer), faults(answer)) == (NOT_ALLOWED, ["participant_identity"])
    trusting = function("livekit", LIVEKIT_ALLOW_IDENTITY="true")
    assert claims(minted(ask(trusting, participant_identity="bob")))["sub"] == "bob"


# What callers may choose


@pytest.mark.parametrize(
    ("settings", "fields", "wrong"),
    [
        ({}, {"room_config": agent(agent_name="other")}, "room_config.agents[0].agent_name"),
        ({"LIVEKIT_AGENTS": ""}, {"room_config": agent(agent_name="a")}, "room_config.agents[0].agent_name"),
        ({}, {"participant_attributes": {"role": "host"}}, "participant_attributes.role"),
        ({}, {"participant_attributes": {"Language": "en"}}, "participant_attributes.Language"),
        ({"LIVEKIT_ATTRIBUTES": ""}, {"participant_attributes": {"a": ""}}, "participant_attributes.a"),
        ({"LIVEKIT_ALLOW_METADATA": ""}, {"participant_metadata": "m"}, "participant_metadata"),
        (
            {"LIVEKIT_ALLOW_METADATA": "false"},
            {"room_config": agent(agent_name="local-agent", metadata="m")},
            "room_config.agents[0].metadata",
        ),
    ],
)
def test_what_is_not_listed_is_refused(
    function: Fresh, settings: dict[str, str], fields: dict[str, Any], wrong: str
) -> None:
    answer = ask(function("livekit", **settings), **fields)
    assert (said(answer), faults(answer)) == (NOT_ALLOWED, [wrong])


@pytest.mark.parametrize("name", ["lk.publish_on_behalf", "lk.agent.state", "LK.x", "lk."])
@pytest.mark.parametrize("listed", ["*", "lk.publish_on_behalf,lk.agent.state,LK.x,lk."])
def test_attributes_that_steer_the_vendor_are_refused_whatever_is_listed(
    function: Fresh, listed: str, name: str
) -> None:
    livekit = function("livekit", LIVEKIT_ATTRIBUTES=listed)
    answer = ask(livekit, participant_attributes={name: "bob"})
    assert (said(answer), faults(answer)) == (NOT_ALLOWED, [f"participant_attributes.{name}"])


def test_all_that_is_not_allowed_is_told_at_once(function: Fresh) -> None:
    livekit = function("livekit", LIVEKIT_ALLOW_METADATA="")
    room_config = agent(agent_name="other", metadata="m")
    answer = ask(
        livekit,
        participant_identity="bob",
        participant_metadata="m",
        participant_attributes={"language": "en", "role": "host"},
        room_config=room_config,
    )
    assert said(answer) == NOT_ALLOWED
    assert faults(answer) == [
        "participant_attributes.role",
        "participant_identity",
        "participant_metadata",
        "room_config.agents[0].agent_name",
        "room_config.agents[0].metadata",
    ]


def test_a_star_offers_every_agent_and_attribute(function: Fresh) -> None:
    livekit = function("livekit", LIVEKIT_AGENTS="*", LIVEKIT_ATTRIBUTES="*")
    held = claims(minted(ask(livekit, participant_attributes={"a": "b"}, room_config=agent(agent_name="any"))))
    assert (held["attributes"], held["roomConfig"]) == ({"a": "b"}, {"agents": [{"agentName": "any"}]})


# Permissions

EVERY_SOURCE = ["camera", "microphone", "screen_share", "screen_share_audio"]


@pytest.mark.parametrize(
    ("publish", "sources", "data"),
    [
        ("", [], False),
        ("data", [], True),
        ("microphone", ["microphone"], False),
        ("data, camera ,microphone", ["camera", "microphone"], True),
        ("*", EVERY_SOURCE, True),
        ("everything", [], False),
    ],
)
def test_what_may_be_published_is_the_deployments_choice_and_always_said(
    function: Fresh, publish: str, sources: list[str], data: bool
) -> None:
    video = claims(minted(ask(function("livekit", LIVEKIT_PUBLISH=publish))))["video"]
    assert (video["canPublish"], video["canPublishSources"]) == (bool(sources), sources)
    assert (video["canPublishData"], video["canSubscribe"]) == (data, True)
    assert video.keys() == {
        *("roomJoin", "room", "canSubscribe"),
        *(f"canPublish{what}" for what in ("", "Data", "Sources")),
    }


# Settings and secrets


@pytest.mark.parametrize("seconds", [60, 21_600])
def test_a_token_lives_as_long_as_the_deployment_says(function: Fresh, seconds: int) -> None:
    mint = minted(ask(function("livekit", LIVEKIT_TTL_SECONDS=str(seconds))))
    assert claims(mint)["exp"] - claims(mint)["nbf"] == seconds
    assert mint.expires_in in range(seconds - 2, seconds + 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("LIVEKIT_TTL_SECONDS", seconds) for seconds in ("59", "21601", "0", "-1", "soon")],
        *[("LIVEKIT_URL", url) for url in ("", "livekit.example", "https://livekit.example", "wss://", "wss:///x")],
        *[
            ("LIVEKIT_URL", url)
            for url in ("ws://livekit.example", "ws://localhost.example", "wss://a?b=c", "wss://a b")
        ],
        ("LIVEKIT_IDENTITY_PER", "nobody"),
        ("LIVEKIT_ALLOW_IDENTITY", "perhaps"),
    ],
)
def test_a_function_that_is_set_up_wrongly_does_not_start(function: Fresh, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        function("livekit", **{name: value})


@pytest.mark.parametrize("url", ["wss://p.livekit.cloud", "ws://127.0.0.1:7880", "ws://localhost", "wss://a:1/b"])
def test_clients_connect_where_the_deployment_says(function: Fresh, url: str) -> None:
    assert minted(ask(function("livekit", LIVEKIT_URL=url))).fields["server_url"] == url


@pytest.mark.parametrize(
    "secret",
    [
        {"api_key": KEY},
        {"api_secret": API_SECRET},
        {"api_key": KEY, "api_secret": "x" * 31},
        {"api_key": KEY, "api_secret": " " + "x" * 31},
        {"api_key": KEY, "api_secret": "x" * 20 + " " + "x" * 20},
        {"api_key": KEY, "api_secret": "é" * 40},
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_secret_that_cannot_sign_is_not_configured(function: Fresh, secret: dict[str, str]) -> None:
    assert said(ask(function("livekit", secret))) == NOT_CONFIGURED


def test_white_space_around_a_secret_is_dropped(function: Fresh) -> None:
    padded = {"api_key": f" {KEY}\n", "api_secret": f"\t{API_SECRET}\r\n"}
    assert claims(minted(ask(function("livekit", padded))))["iss"] == KEY


def test_a_rotated_secret_signs_once_the_old_one_is_five_minutes_old(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    livekit = function("livekit")
    assert claims(minted(ask(livekit)))
    livekit.put_key({"api_key": KEY, "api_secret": OTHER_SECRET})
    assert claims(minted(ask(livekit)))
    later = monotonic() + keyring.MAX_AGE
    monkeypatch.setattr(keyring, "monotonic", lambda: later)
    assert claims(minted(ask(livekit)), OTHER_SECRET)


# Trust


def test_the_first_mint_asks_for_its_secret_and_its_limits_and_nobody_else(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(monkeypatch)
    livekit = function("livekit")
    monkeypatch.setattr("requests.Session.request", None)  # a call of it fails
    assert minted(ask(livekit))
    assert wire.sent == [SECRET, CHANGE, CHANGE]


def test_a_caller_gets_as_many_as_the_limit_allows(function: Fresh) -> None:
    livekit = function("livekit", CALLER_PER_HOUR="2", VENDOR_PER_DAY="3")
    statuses = [ask(livekit, sub).status for sub in ("alice", "alice", "alice", "bob", "bob")]
    assert statuses == [201, 201, 429, 201, 429]


@pytest.mark.parametrize("fields", [{"room_name": "other"}, {"participant_identity": "bob"}])
def test_what_is_refused_is_not_counted(function: Fresh, bundle: "Bundle", table: str, fields: dict[str, str]) -> None:
    livekit = function("livekit")
    ask(livekit)
    assert said(ask(livekit, **fields)) == NOT_ALLOWED
    assert used(bundle, table) == taken(1)
