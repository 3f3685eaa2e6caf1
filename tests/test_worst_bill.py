"""The worst bill reads the right parameters, multiplies them correctly, and its constants are those of the functions."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.template import read
from minting import claims
from minting.problems import CATALOGUE
from tests.trust.table import items
from tests.vendors import FUNCTIONS, VENDORS
from tools import worst_bill
from tools.worst_bill import Vendor, deployed, of_flood, of_mints

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function

ROOT = Path(__file__).parents[1]
SWITCHES = [name for name in read(ROOT / "template.yaml")["Parameters"] if name.startswith("Deploy")]
PROD = """
[prod.global.parameters]
stack_name = "avatar-mint-prod"
[prod.deploy.parameters]
parameter_overrides = "file://stages/prod.yaml"
[empty.global.parameters]
stack_name = "avatar-mint-empty"
"""


@pytest.fixture
def document() -> dict[str, Any]:
    return read(ROOT / "template.yaml")


def vendor(**changes: Any) -> Vendor:
    plain = Vendor("v", 60, 100, 1000, more_per_day=0, slots=0, routes=2, memory=0.5, timeout=28, architecture="arm64")
    return plain._replace(**changes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose stage prod deploys Convai, with 7 mints in a day."""
    (tmp_path / "samconfig.toml").write_text(PROD)
    (tmp_path / "template.yaml").symlink_to(ROOT / "template.yaml")
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/prod.yaml").write_text('DeployConvai: "true"\nConvaiPerDay: 7\n')
    return tmp_path


def priced(printed: str) -> dict[str, str]:
    """The mints of a day by vendor, from the first table."""
    rows = [line.split() for line in printed.partition("AWS for")[0].splitlines()]
    return {row[0]: row[3] for row in rows if row and row[0] in VENDORS and row[3] != "-"}


# Parameters


@pytest.mark.parametrize(
    ("arguments", "days"),
    [
        ([], {"convai": "7"}),
        (["ConvaiPerDay=9"], {"convai": "9"}),
        (["DeployTrulience=true", "TruliencePerDay=8"], {"convai": "7", "trulience": "8"}),
        (["DeployConvai=false", "DeployTrulience=true", "TruliencePerDay=8"], {"trulience": "8"}),
    ],
)
def test_a_stage_is_priced_by_its_file_and_the_command_line_wins(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], days: dict[str, str]
) -> None:
    worst_bill.main(["--stage", "prod", *arguments], root)
    printed = capsys.readouterr().out
    assert printed.startswith(f"The stage 'prod' deploys {', '.join(days)} as the stack avatar-mint-prod. ")
    assert priced(printed) == days


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        ("empty", "the stage 'empty' deploys no vendor, so there is nothing to price.*`make configure STAGE=empty`"),
        ("test", "no stage 'test', only: prod, empty"),
    ],
)
def test_it_says_when_it_does_not_know_what_a_stage_deploys(root: Path, stage: str, reason: str) -> None:
    with pytest.raises(SystemExit, match=f"^worst-bill: .*{reason}"):
        worst_bill.main(["--stage", stage], root)


def test_it_says_when_a_stages_file_is_missing(root: Path) -> None:
    (root / "stages/prod.yaml").unlink()
    with pytest.raises(SystemExit, match=r"^worst-bill: .*prod\.yaml cannot be read"):
        worst_bill.main(["--stage", "prod"], root)


def test_it_refuses_what_the_template_would_refuse_in_a_stages_file(root: Path) -> None:
    (root / "stages/prod.yaml").write_text("DeployConvai: maybe\n")
    with pytest.raises(SystemExit, match=r"^worst-bill: DeployConvai must be one of true, false, not 'maybe'"):
        worst_bill.main(["--stage", "prod"], root)


def test_the_limits_are_the_templates_defaults_unless_given(document: dict[str, Any]) -> None:
    _, vendors = deployed(document, {"DeployConvai": "true", "DeployOdyssey": "true", "ConvaiPerDay": "7"})
    defaults = {name: int(told["Default"]) for name, told in document["Parameters"].items() if told["Type"] == "Number"}
    odyssey, convai = (vendor for vendor in vendors if vendor.per_day)
    assert (convai.name, convai.caller_per_hour, convai.per_day) == ("convai", defaults["ConvaiCallerPerHour"], 7)
    assert (odyssey.per_day, odyssey.slots) == (defaults["OdysseyPerDay"], defaults["OdysseySlots"])
    assert (convai.memory, convai.timeout, convai.slots) == (defaults["MemorySize"] / 1024, 28, 0)


def test_every_vendor_has_a_bill(document: dict[str, Any]) -> None:
    _, vendors = deployed(document, dict.fromkeys(SWITCHES, "true"))
    assert {vendor.name for vendor in vendors if min(of_mints(vendor, 90).values()) > 0} == set(VENDORS)
    assert sorted(vendor.name for vendor in vendors) == FUNCTIONS


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("DeployCnvai=true", "the template has no parameter DeployCnvai"),
        ("Deploy", "not Name=Value: Deploy"),
        ("ConvaiPerDay=many", "ConvaiPerDay must be a number"),
        ("ConvaiPerDay=-5", "ConvaiPerDay must be at least 1"),
        ("DeployConvai=maybe", "DeployConvai must be one of true, false"),
    ],
)
def test_a_wrong_parameter_ends_the_command(argument: str, reason: str) -> None:
    with pytest.raises(SystemExit, match=f"^worst-bill: {reason}"):
        worst_bill.main(["DeployConvai=true", argument])


# Costs


def test_a_mint_is_counted_at_list_prices() -> None:
    costs = of_mints(vendor(), retention_days=30)
    mints = 31_000
    assert costs == pytest.approx(
        {
            "API Gateway": mints / 1e6,
            "Lambda": mints * (0.20 / 1e6 + 28 * 0.5 * 0.0000133334),
            "DynamoDB": mints * 3 * 0.625 / 1e6,
            "Secrets": 0.40 + mints * 2 * 0.05 / 10_000,
            "CloudWatch": 37 * 0.30 + 7 * 0.10 + mints * 2.7e-6 * (0.50 + 0.03),
        }
    )


def test_a_flood_grows_with_the_throttle_and_the_routes_and_with_no_limit() -> None:
    flood = of_flood(vendor(), 20, 90)
    assert flood["API Gateway"] == pytest.approx(20 * 2 * 31 * 86_400 / 1e6)
    assert flood == of_flood(vendor(per_day=1, caller_per_hour=1), 20, 90)
    assert of_flood(vendor(routes=1), 40, 90) == pytest.approx(flood)


@pytest.mark.parametrize(("live", "written"), [(0, 3), (5, 13), (1000, 71)])
def test_slots_add_writes_and_repeats_to_a_mint(live: int, written: int) -> None:
    calls = 31_000 * (1 + worst_bill.REPEATS if live else 1)
    assert of_mints(vendor(slots=live), 90)["DynamoDB"] == pytest.approx(calls * written * 0.625 / 1e6)


def test_it_prints_a_row_in_each_table_for_each_vendor_that_is_deployed(capsys: pytest.CaptureFixture[str]) -> None:
    worst_bill.main(["DeployConvai=true", "DeployAgora=true"])
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert {name: rows.count(name) for name in VENDORS if name in rows} == {"agora": 3, "convai": 3}


def test_a_function_without_a_vendor_costs_metrics_and_its_share_of_a_flood() -> None:
    nothing = vendor(caller_per_hour=0, per_day=0)
    assert {service for service, cost in of_mints(nothing, 90).items() if cost} == {"CloudWatch"}
    assert of_flood(nothing, 20, 90) == of_flood(vendor(), 20, 90) | {"DynamoDB": 0}


# Constants


def test_a_mint_writes_as_much_as_the_bill_assumes(
    function: Callable[..., "Function"], bundle: "Bundle", table: str
) -> None:
    function("convai").ask("convai-mint")
    assert len(items(bundle, table)) == worst_bill.MINT_UNITS
    function("odyssey").ask("odyssey-mint")
    written = [key for key in items(bundle, table) if key.startswith("odyssey#")]
    in_transactions = len(written) - 2 + 1  # all but the caller's and the vendor's; the session is written twice
    assert in_transactions * 2 == worst_bill.SLOT_UNITS
    assert worst_bill.REPEATS == claims.MAX_REPEATS


def test_a_vendor_has_no_more_metrics_than_the_bill_assumes() -> None:
    successes = {"minted", "extended", "revoked", "done"}
    durations = {"duration", "vendor_duration", "aws_duration", "own_duration"}
    others = {"vendor_fault", "operator_fault", "breaker_opened", "budget_used", "caller_used", "slots_used"}
    assert len(CATALOGUE) + len(successes) + len(durations) + len(others) <= worst_bill.METRICS


def test_a_request_logs_no_more_than_the_bill_assumes(
    function: Callable[..., "Function"], capsys: pytest.CaptureFixture[str]
) -> None:
    function("odyssey").ask("odyssey-mint", sub="s" * 255)
    lines = capsys.readouterr().out.splitlines()
    platform, gateway, overhead = 450, 500, 26 * (len(lines) + 4)
    assert sum(map(len, lines)) + platform + gateway + overhead <= worst_bill.LOG_BYTES
