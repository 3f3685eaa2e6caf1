"""The most that a stage can cost: the mints that its limits allow, their price at AWS, and the price of a flood.

The command line wins over the stage's file, which wins over the defaults of template.yaml. docs/cost.md explains the tables.
Usage: make worst-bill STAGE=prod ARGS="Name=Value ..."
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from local.template import Template, read
from minting.budgets import Rates
from tools import stages

# List prices of us-east-1 in US dollars, without free tiers. Each page has the prices of other regions and the current ones.
API_REQUEST = 1.00 / 1e6  # HTTP API: https://aws.amazon.com/api-gateway/pricing/
FUNCTION_REQUEST = 0.20 / 1e6  # https://aws.amazon.com/lambda/pricing/
GB_SECOND = {"arm64": 0.0000133334, "x86_64": 0.0000166667}  # the same page
WRITE_UNIT = (
    0.625 / 1e6
)  # on-demand; one a kB, two in a transaction: https://aws.amazon.com/dynamodb/pricing/on-demand/
SECRET, SECRET_READ = 0.40, 0.05 / 1e4  # a month; one call: https://aws.amazon.com/secrets-manager/pricing/
LOG_GB, LOG_GB_MONTH, METRIC, ALARM = (
    0.50,
    0.03,
    0.30,
    0.10,
)  # taken in; kept; custom; a month: https://aws.amazon.com/cloudwatch/pricing/

DAYS = 31
"""The days of the longest month."""
MINT_UNITS, SLOT_UNITS = 3, 10
"""The most write units of a mint: for the caller, the vendor's day, and a token's owner.

A slot adds two transactions: of a claim and two sets, and of a session and its owner.
"""
REFUSED_UNITS = 1
"""The write units of a refusal: the caller's item is asked, and does not change."""
MORE_BUDGETS = {"READS_PER_DAY", "BROADCASTS_PER_DAY"}
"""The settings of budgets other than the mints."""
REPEATS = 20
"""The most repeats of a mint that takes a slot. Each writes at most as much as the mint."""
MARK_BYTES = 30
"""The size of one slot in the set of all live slots. DynamoDB charges for the whole set at each write."""
READS = 2
"""The most reads of the secret by a mint: by a new environment, and again when the vendor refuses the key."""
METRICS = 37
"""The most metrics of a vendor: each outcome of the catalogue, four durations, and what alarms watch."""
ALARMS = 7
"""The alarms on a query over all vendors. Each one costs ALARM for each vendor that it finds."""
LOG_BYTES = 2700
"""The most bytes that a request logs: record, metrics, START, END and REPORT, and API Gateway's line."""
REFUSED_SECONDS = 0.1
"""The duration of a refusal: one round trip to DynamoDB in a warm function."""

type Costs = dict[str, float]
"""Dollars in a month, by service."""


class Vendor(NamedTuple):
    """A deployed function.

    more_per_day: the days of its other budgets, such as reads. slots: 0 if a mint takes none.
    memory: GB. timeout: seconds. A function without a vendor has limits of 0: it mints nothing, and
    writes nothing into the table.
    """

    name: str
    caller_per_hour: int
    caller_per_day: int
    per_day: int
    more_per_day: int
    slots: int
    routes: int
    memory: float
    timeout: float
    architecture: str


def deployed(document: dict[str, Any], given: Mapping[str, str]) -> tuple[Template, list[Vendor]]:
    """The template with these parameters, and its functions. Raises ValueError for a parameter that it does not accept."""
    if unknown := given.keys() - document["Parameters"].keys():
        raise ValueError(f"the template has no parameter {', '.join(sorted(unknown))}")
    for name, value in given.items():
        _check(name, value, document["Parameters"][name])
    template = Template(document, given)
    return template, [_vendor(template, name) for name in template.resources("AWS::Serverless::Function")]


def _check(name: str, value: str, rules: Mapping[str, Any]) -> None:
    """Raises ValueError for a value that CloudFormation would refuse, because a typing error must not give a wrong bill."""
    allowed = [str(one) for one in rules.get("AllowedValues", [value])]
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    if rules["Type"] == "Number":
        _check_number(name, value, rules.get("MinValue", 0))


def _check_number(name: str, value: str, least: float) -> None:
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def _vendor(template: Template, function: str) -> Vendor:
    own, shared = template.properties(function), template.globals("Function")
    variables: dict[str, str] = template.resolve(own.get("Environment", {}).get("Variables", {}))
    day = int(variables.get("VENDOR_PER_DAY", 0)) if "API_KEY_SECRET" in variables else 0
    return Vendor(
        name=own["Handler"].partition(".")[0],
        caller_per_hour=int(variables["CALLER_PER_HOUR"]) if day else 0,
        caller_per_day=_caller_per_day(int(variables["CALLER_PER_DAY"]), day) if day else 0,
        per_day=day,
        more_per_day=sum(int(value) for name, value in variables.items() if name in MORE_BUDGETS),
        slots=sum(int(value) for name, value in variables.items() if name.endswith("_SLOTS")),
        routes=sum(event["Type"] == "HttpApi" for event in own["Events"].values()),
        memory=int(template.resolve(shared["MemorySize"])) / 1024,
        timeout=float(shared["Timeout"]),
        architecture=template.resolve(shared["Architectures"])[0],
    )


def _caller_per_day(setting: int, day: int) -> int:
    """A caller's mints in a day. The setting 0 stands for the layer's default share."""
    return Rates(0, setting, day).caller_share


def of_mints(vendor: Vendor, retention_days: float) -> Costs:
    """The cost of all mints that the limits allow, each as slow as possible, and of the function itself."""
    calls = DAYS * (vendor.per_day * (1 + REPEATS if vendor.slots else 1) + vendor.more_per_day)
    costs = _of_requests(vendor, calls, vendor.timeout, READS, retention_days, _units(vendor))
    secret = SECRET if vendor.per_day else 0
    return costs | {
        "Secrets": costs["Secrets"] + secret,
        "CloudWatch": costs["CloudWatch"] + METRICS * METRIC + ALARMS * ALARM,
    }


def of_flood(vendor: Vendor, rate: float, retention_days: float) -> Costs:
    """The cost of signed-in callers who use up the throttle of every route all month. Every request is refused."""
    units = REFUSED_UNITS if vendor.per_day else 0
    return _of_requests(vendor, rate * vendor.routes * DAYS * 86_400, REFUSED_SECONDS, 0, retention_days, units)


def _of_requests(  # noqa: PLR0913, PLR0917 - what a price depends on
    vendor: Vendor, requests: float, seconds: float, reads: int, retention_days: float, units: int
) -> Costs:
    gb_seconds = requests * seconds * vendor.memory
    return {
        "API Gateway": requests * API_REQUEST,
        "Lambda": requests * FUNCTION_REQUEST + gb_seconds * GB_SECOND[vendor.architecture],
        "DynamoDB": requests * units * WRITE_UNIT,
        "Secrets": requests * reads * SECRET_READ,
        "CloudWatch": requests * LOG_BYTES / 1e9 * (LOG_GB + LOG_GB_MONTH * retention_days / 30),
    }


def _units(vendor: Vendor) -> int:
    """The write units of a mint. DynamoDB charges for the whole set of live slots."""
    slot = SLOT_UNITS + 2 * (vendor.slots * MARK_BYTES // 1024) if vendor.slots else 0
    return MINT_UNITS + slot if vendor.per_day else 0


def report(template: Template, vendors: list[Vendor]) -> str:
    """The three tables, as text."""
    rate, kept = (float(template.resolve({"Ref": name})) for name in ("ThrottleRate", "LogRetentionDays"))
    mints = _costs({vendor.name: of_mints(vendor, kept) for vendor in vendors})
    flood = _costs({vendor.name: of_flood(vendor, rate, kept) for vendor in vendors})
    return (
        f"The most mints in a month of {DAYS} days:\n{_limits(vendors)}\n\n"
        f"AWS for these mints, in $ a month. Each mint takes {vendors[0].timeout:g} s:\n{mints}\n\n"
        f"AWS for a flood of {rate:g} refused requests a second on every route, in $ a month:\n{flood}"
    )


def _limits(vendors: list[Vendor]) -> str:
    head = ["", "caller's hour", "caller's day", "day", "month", "live slots"]
    counts = [
        (vendor.caller_per_hour, vendor.caller_per_day, vendor.per_day, vendor.per_day * DAYS, vendor.slots)
        for vendor in vendors
    ]
    named = zip(vendors, counts, strict=True)
    return _table([head, *([vendor.name, *(f"{count:,}" if count else "-" for count in row)] for vendor, row in named)])


def _costs(costs: dict[str, Costs]) -> str:
    services = list(next(iter(costs.values())))
    total = {service: sum(row[service] for row in costs.values()) for service in services}
    rows = [[name, *(f"{cost:,.2f}" for cost in (*row.values(), sum(row.values())))] for name, row in costs.items()]
    last = ["all", *(f"{cost:,.2f}" for cost in (*total.values(), sum(total.values())))]
    return _table([["", *services, "all"], *rows, last])


def _table(rows: list[list[str]]) -> str:
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [[row[0].ljust(first), *map(str.rjust, row[1:], others)] for row in rows]
    return "\n".join("  ".join(line) for line in lines)


def headline(stage: stages.Stage, vendors: list[Vendor]) -> str:
    """What is priced. Raises ValueError if the stage deploys no vendor."""
    priced = ", ".join(vendor.name for vendor in vendors if vendor.per_day)
    if not priced:
        raise ValueError(
            f"the stage {stage.name!r} deploys no vendor, so there is nothing to price. Choose its vendors with "
            f'`make configure STAGE={stage.name}`, or ask what one would cost: ARGS="DeployConvai=true"'
        )
    return f"The stage {stage.name!r} deploys {priced} as the stack {stage.stack}. Prices are those of us-east-1."


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools.worst_bill", description=__doc__)
    parser.add_argument("--stage", default=stages.DEFAULT, help="a stage of samconfig.toml")
    parser.add_argument("given", nargs="*", metavar="Name=Value", help="a parameter of the template")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str], root: Path = stages.ROOT) -> None:
    told = parsed(arguments)
    try:
        stage = stages.read(told.stage, root)
        given = {**stage.parameters, **dict(stages.words(told.given))}
        template, vendors = deployed(read(root / "template.yaml"), given)
        print(f"{headline(stage, vendors)}\n\n{report(template, vendors)}")
    except (stages.StageError, ValueError) as error:
        sys.exit(f"worst-bill: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
