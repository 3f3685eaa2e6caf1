"""Two stacks in one account, and a stack that is deleted and made anew."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.deploy.aws import Emulator
    from tests.deploy.stack import Stack


@pytest.fixture(scope="module")
def dev(any_stack: "Stack") -> Iterator["Stack"]:
    """A second stage next to the first."""
    any_stack.ensure()
    dev = any_stack.stage("avatar-mint-dev")
    dev.ensure()
    yield dev
    if dev.exists():
        dev.delete()


def test_two_stages_share_no_resource(stack: "Stack", dev: "Stack") -> None:
    first, second = (set(stage.resources().items()) for stage in (stack, dev))
    assert first & second == {("ApiApiGatewayDefaultStage", "$default")}


def test_a_bad_key_rings_the_alarm_of_its_own_stage_alone(stack: "Stack", dev: "Stack") -> None:
    assert stack.mint("convai", "ida").status == 201
    dev.set_key("convai", {"api_key": "revoked"})
    refused = dev.mint("convai", "ida")
    assert (refused.status, refused.body["code"]) == (502, "vendor_key_rejected")
    assert dev.alarms()["KeyRejectedAlarm"].ringing(dev.data()) == {"convai"}
    assert all(not alarm.ringing(dev.data()) for alarm in stack.alarms().values())


def test_the_deletion_of_a_stage_leaves_the_other_alone(stack: "Stack", dev: "Stack") -> None:
    kept = stack.resources()
    dev.delete()
    assert stack.resources() == kept
    assert stack.mint("convai", "ida").status == 201


def test_a_deleted_stack_leaves_no_secret_and_can_be_made_anew(stack: "Stack", emulator: "Emulator") -> None:
    api, group, own = stack.api, stack.log_group(), f"{stack.name}/"
    records = stack.records("convai")
    assert records
    stack.delete()
    assert stack.records("convai", group) == records
    secrets = emulator.client("secretsmanager").list_secrets(IncludePlannedDeletion=True)["SecretList"]
    assert [secret["Name"] for secret in secrets if secret["Name"].startswith(own)] == []
    stack.ensure()
    assert stack.api != api
    assert stack.mint("convai", "jo").status == 201
