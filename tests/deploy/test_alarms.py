"""Each alarm fires on what the deployed functions write when something breaks, and clears when it is mended.

A story breaks a function by its settings or its vendor, as an operator could.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local.twins.twin import Fault

if TYPE_CHECKING:
    from tests.deploy.stack import Stack

type Break = Callable[["Stack"], Any]


@contextmanager
def settings(stack: "Stack", vendor: str, **changed: str) -> Iterator[None]:
    """Restarts the vendor's function with other settings, and afterwards with its own."""
    functions, name = stack.emulator.client("lambda"), stack.function(vendor)["FunctionName"]
    own = stack.function(vendor)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": own | changed})
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": own | {"AWS_RESTARTED": "1"}})
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": own})


@contextmanager
def broken(vendor: Any, fault: Fault) -> Iterator[None]:
    vendor.fault(fault)
    yield
    vendor.reset()


@contextmanager
def key(stack: "Stack", vendor: str, value: Any) -> Iterator[None]:
    """Gives the vendor's function another key from its start on, and afterwards its own."""
    secrets = stack.emulator.client("secretsmanager")
    own = json.loads(secrets.get_secret_value(SecretId=stack.secrets()[vendor])["SecretString"])
    stack.set_key(vendor, value(own))
    with settings(stack, vendor, RESTARTED="1"):
        yield
        stack.set_key(vendor, own)


def soon(own: dict[str, Any]) -> dict[str, Any]:
    ends = datetime.now(UTC) + timedelta(hours=2)
    return own | {"readonly": own["readonly"] | {"expires_at": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}}


STORIES: dict[str, tuple[str, Break]] = {
    "KeyRejectedAlarm": ("convai", lambda stack: key(stack, "convai", lambda _: {"api_key": "revoked"})),
    "OperatorFaultAlarm": ("convai", lambda stack: settings(stack, "convai", API_KEY_SECRET=f"{stack.name}/none")),
    "LimitsUnavailableAlarm": ("convai", lambda stack: settings(stack, "convai", LIMITS_TABLE="none")),
    "VendorDownAlarm": ("convai", lambda stack: broken(stack.stand_ins.twins["convai"], Fault(status=503, times=99))),
    "BudgetNearAlarm": ("trulience", lambda stack: settings(stack, "trulience", VENDOR_PER_DAY="1")),
    "BudgetFullAlarm": ("trulience", lambda stack: settings(stack, "trulience", VENDOR_PER_DAY="1")),
    "CallerDayAlarm": ("trulience", lambda stack: settings(stack, "trulience", CALLER_PER_DAY="1")),
    "SpatialGenKeyExpiresAlarm": ("spatialgen", lambda stack: key(stack, "spatialgen", soon)),
}


@pytest.mark.parametrize("name", STORIES)
def test_an_alarm_fires_for_the_vendor_that_breaks_and_clears_when_it_is_mended(stack: "Stack", name: str) -> None:
    vendor, breaking = STORIES[name]
    before = len(stack.data())
    with breaking(stack):
        stack.mint(vendor, f"of-{name}")
        assert stack.alarms()[name].ringing(stack.data()[before:]) == {vendor}
    mended = len(stack.data())
    assert stack.mint(vendor, "somebody-else").status == 201
    assert stack.alarms()[name].ringing(stack.data()[mended:]) == set()


def test_every_alarm_but_those_on_what_aws_itself_writes_has_a_story(stack: "Stack") -> None:
    """The emulator writes neither API Gateway's latency nor Lambda's lines about a function that died."""
    alarms = stack.alarms()
    assert alarms.keys() - STORIES.keys() == {"SlowAlarm", "FunctionDiedAlarm"}
    assert alarms["SlowAlarm"].namespace == "AWS/ApiGateway"


def test_the_dashboard_shows_metrics_that_the_functions_write(stack: "Stack") -> None:
    for vendor in ("convai", "odyssey", "spatialgen"):
        assert stack.mint(vendor, "viewer").status == 201
    written = {datum.name for datum in stack.data()}
    shown = json.dumps(stack.dashboard())
    assert f"AvatarMint/{stack.name}" in shown
    always = {"minted", "duration", "own_duration", "aws_duration", "vendor_duration", "budget_used", "caller_used"}
    assert always <= written
    assert all(name in shown for name in always | {"slots_used", "vendor_fault"})
