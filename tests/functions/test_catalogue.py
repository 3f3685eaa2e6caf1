"""The catalogue: what clients are told is what the vendors' functions do."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from local.functions import ROOT, Context, load_module
from local.template import Template, read
from minting.settings import ClientFields
from tests.conftest import Answer
from tests.functions.contract import INVALID, UNAUTHENTICATED, Fresh, faults, minted, said
from tests.vendors import MINTS, VENDORS
from tools.catalogue import DECLARED, declared

if TYPE_CHECKING:
    from local.bundle import Bundle

FACTS = ("single_use", "extendable", "revocable", "takes_slot")
MEMBERS = {*FACTS, "vendor", "mint", "client_fields", "ends_session", "ttl", "choices", "public"}


def send(bundle: "Bundle", event: dict[str, Any], **changes: str) -> "Answer":
    module = load_module("catalogue", bundle.environment("catalogue") | changes)
    raw = module.handler(event, Context())
    return Answer(raw["statusCode"], raw["headers"], json.loads(raw["body"]), raw)


def listed(bundle: "Bundle", **changes: str) -> dict[str, dict[str, Any]]:
    """What clients are told, by vendor."""
    answer = send(bundle, bundle.event("catalogue-list"), **changes)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    return {offer["vendor"]: offer for offer in answer.body["vendors"]}


def test_what_is_declared_is_what_the_functions_say(bundle: "Bundle") -> None:
    assert DECLARED.read_text() == declared(bundle), "run `make generate`"


def test_every_deployed_vendor_is_listed_with_every_fact(bundle: "Bundle") -> None:
    offers = listed(bundle)
    assert sorted(offers) == VENDORS
    assert all(offer.keys() == MEMBERS for offer in offers.values())


@pytest.mark.parametrize(
    ("vendor", "holds", "lives"),
    [
        ("agora", {"ends_session"}, (60, 3600, 86_400)),
        ("convai", {"extendable", "revocable"}, (3600, 3600, 3600)),
        ("livekit", set(), (600, 600, 600)),
        ("odyssey", {"takes_slot"}, (600, 600, 600)),
        ("spatialgen", set(), None),
        ("spatius", {"single_use"}, (60, 3600, 86_340)),
        ("trulience", {"single_use"}, (60, 120, 3600)),
    ],
)
def test_what_is_told_is_what_the_vendor_documents(
    bundle: "Bundle", vendor: str, holds: set[str], lives: tuple[int, int, int] | None
) -> None:
    """A life in seconds: the least, what one gets who asks for none, and the most."""
    offer = listed(bundle)[vendor]
    ttl = offer["ttl"]
    assert {fact for fact in (*FACTS, "ends_session") if offer[fact]} == holds
    assert (ttl and (ttl["minimum"], ttl["default"], ttl["maximum"])) == lives


@pytest.mark.parametrize("deployed", [["convai"], ["agora", "convai"], []])
def test_a_vendor_that_is_not_deployed_is_not_listed(bundle: "Bundle", deployed: list[str]) -> None:
    switches = {f"DEPLOY_{vendor.upper()}": str(vendor in deployed).lower() for vendor in VENDORS}
    assert sorted(listed(bundle, **switches)) == deployed


def test_a_vendor_without_a_switch_is_not_listed(bundle: "Bundle") -> None:
    assert "convai" not in listed(bundle, DEPLOY_CONVAI="")


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_mint_says_the_same_facts_and_fields_as_the_catalogue(function: Fresh, bundle: "Bundle", vendor: str) -> None:
    offer = listed(bundle)[vendor]
    answer = function(vendor).ask(MINTS[vendor])
    assert minted(answer)
    mint = answer.body.pop("mint")
    assert {fact: mint[fact] for fact in FACTS} == {fact: offer[fact] for fact in FACTS}
    public = ClientFields(bundle.environment(vendor).get(f"{vendor.upper()}_CLIENT_FIELDS", "")).members
    assert answer.body.keys() - public.keys() <= set(offer["client_fields"])
    assert bundle.event(MINTS[vendor])["routeKey"] in offer["mint"]


@pytest.mark.parametrize(
    ("vendor", "field"), [("spatius", "ttl_seconds"), ("trulience", "expire_at"), ("agora", "ttl_seconds")]
)
def test_the_bounds_of_a_chosen_life_are_those_that_the_route_takes(
    function: Fresh, bundle: "Bundle", vendor: str, field: str
) -> None:
    ttl = listed(bundle)[vendor]["ttl"]
    minting, event = function(vendor), json.loads(bundle.event(MINTS[vendor])["body"])
    assert ttl["field"] == field
    lives = {seconds: minting.ask(MINTS[vendor], event | {field: seconds}) for seconds in range_of(ttl)}
    assert [answer.status for answer in lives.values()] == [400, 201, 201, 400]
    event.pop(field, None)
    assert minting.ask(MINTS[vendor], event).body["mint"]["expires_in"] in {ttl["default"], ttl["default"] - 1}


def range_of(ttl: dict[str, int]) -> tuple[int, ...]:
    return ttl["minimum"] - 1, ttl["minimum"], ttl["maximum"], ttl["maximum"] + 1


@pytest.mark.parametrize("vendor", ["odyssey", "convai", "livekit"])
def test_a_fixed_life_is_the_one_that_a_mint_has(function: Fresh, bundle: "Bundle", vendor: str) -> None:
    changes = {"LIVEKIT_TTL_SECONDS": "1234"} if vendor == "livekit" else {}
    ttl = listed(bundle, **changes)[vendor]["ttl"]
    left = function(vendor, **changes).ask(MINTS[vendor]).body["mint"]["expires_in"]
    assert ttl["minimum"] == ttl["maximum"] == ttl["default"]
    assert ttl["default"] - 2 <= left <= ttl["default"]


def test_what_callers_may_choose_is_this_deployments(bundle: "Bundle") -> None:
    settings = {"SPATIUS_AVATAR_IDS": "b, a", "TRULIENCE_AVATAR_IDS": "*", "AGORA_CHANNELS": ""}
    offers = listed(bundle, **settings)
    assert offers["spatius"]["choices"]["avatarId"] == ["a", "b"]
    assert offers["trulience"]["choices"] == {"avatar_id": ["*"]}
    assert offers["agora"]["choices"] == {"channel": [], "role": ["publisher", "subscriber"]}
    assert offers["livekit"]["choices"] == {"room_name": ["lobby", "{caller}"]}


@pytest.mark.parametrize(("further", "expected"), [("ap-northeast", ["ap-northeast", "us-west"]), ("", ["us-west"])])
def test_the_home_region_is_always_among_the_regions(bundle: "Bundle", further: str, expected: list[str]) -> None:
    template = Template(read(ROOT / "template.yaml"), {"SpatiusFurtherRegions": further})
    told = template.properties("CatalogueFunction")["Environment"]["Variables"]["SPATIUS_REGIONS"]
    assert listed(bundle, SPATIUS_REGIONS=template.resolve(told))["spatius"]["choices"]["region"] == expected


def test_clients_are_told_the_public_ids_that_they_need_before_they_mint(bundle: "Bundle") -> None:
    told = {vendor: offer["public"] for vendor, offer in listed(bundle).items() if offer["public"]}
    assert told == {
        "spatius": {"appId": "local-app", "region": "us-west"},
        "livekit": {"server_url": "wss://livekit.local"},
    }


def test_a_public_id_that_is_not_set_is_absent(bundle: "Bundle") -> None:
    assert listed(bundle, SPATIUS_APP_ID="")["spatius"]["public"] == {"region": "us-west"}


@pytest.mark.parametrize("vendor", ["spatius", "livekit"])
def test_a_mint_says_the_same_public_ids_as_the_catalogue(function: Fresh, bundle: "Bundle", vendor: str) -> None:
    public = listed(bundle)[vendor]["public"]
    assert function(vendor).ask(MINTS[vendor]).body.items() >= public.items()


def test_the_catalogue_is_given_every_setting_as_the_vendors_function_is(bundle: "Bundle") -> None:
    told = bundle.environment("catalogue")
    for vendor, facts in json.loads(DECLARED.read_text()).items():
        settings = [*facts["choices"].values(), *facts["public"].values(), *filter(None, [facts["ttl_setting"]])]
        for setting in settings:
            assert told[setting] == bundle.environment(vendor)[setting], setting


def test_without_verified_claims_nothing_is_told(bundle: "Bundle") -> None:
    event = bundle.event("catalogue-list")
    del event["requestContext"]["authorizer"]
    assert said(send(bundle, event)) == UNAUTHENTICATED


def test_an_unknown_parameter_is_refused_by_name(bundle: "Bundle") -> None:
    answer = send(bundle, bundle.event("catalogue-list") | {"rawQueryString": "vendor=convai"})
    assert said(answer) == INVALID
    assert faults(answer) == ["vendor"]


def test_the_record_says_who_was_told(bundle: "Bundle", capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(bundle)
    [record] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "mint_id" in line]
    assert (record["outcome"], record["vendor"], record["caller"]["sub"]) == ("listed", "catalogue", "alice")
