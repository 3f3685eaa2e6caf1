"""`make smoke`: mints from each vendor through the API of the running bundle."""

import re
from typing import TYPE_CHECKING

import boto3

from local.bundle import Bundle
from local.twins.twin import Fault
from tests.operate.conftest import Operate
from tests.vendors import VENDORS

if TYPE_CHECKING:
    from tests.operate.conftest import Done


def lines(done: "Done") -> dict[str, str]:
    """The line of each vendor. The functions of this process write their records between them."""
    return {line.split()[0]: line for line in done.out.splitlines() if not line.startswith("{")}


def slots(bundle: Bundle) -> set[str]:
    """Those that are taken now. Other tests of the same bundle may hold some."""
    table = bundle.environment("odyssey")["LIMITS_TABLE"]
    item = boto3.client("dynamodb").get_item(TableName=table, Key={"id": {"S": "odyssey#live"}}).get("Item", {})
    return set(item.get("live", {}).get("SS", []))


def test_each_vendor_mints_and_its_slot_is_free_again(operate: Operate, bundle: Bundle) -> None:
    token, before = bundle.token("smoke"), slots(bundle)
    done = operate("smoke", stdin=f"{token}\n")
    assert (done.code, done.err) == (0, "")
    found = lines(done)
    assert sorted(found) == VENDORS
    assert re.fullmatch(r"convai      ok         minted, valid for 3[56]\d\d s", found["convai"])
    assert "its list can be read" in found["spatialgen"]
    assert token not in done.out
    assert slots(bundle) == before


def test_a_vendor_that_fails_is_named_with_whose_turn_it_is_and_what_to_do(operate: Operate, bundle: Bundle) -> None:
    bundle.twins["trulience"].fault(Fault(status=500))
    done = operate("smoke", stdin=bundle.token("smoke"))
    assert done.code == 1
    failed = lines(done)["trulience"]
    assert "FAILED     vendor_error (the vendor must act)" in failed
    assert "docs/errors.md#vendor_error" in failed
    assert lines(done)["convai"].split()[1] == "ok"


def test_a_jwt_that_the_api_refuses_is_said_in_one_line(operate: Operate) -> None:
    done = operate("smoke", stdin="eyJ.not.valid")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("smoke: The API refuses this JWT with status 401. It has expired, or its issuer")
    assert done.err.count("\n") == 1
    assert "eyJ" not in done.err


def test_an_empty_jwt_is_said(operate: Operate) -> None:
    assert operate("smoke").err == (
        "smoke: The JWT of a caller is empty. Paste it at the prompt, or send it on standard input.\n"
    )
