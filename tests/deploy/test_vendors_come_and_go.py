"""A vendor is switched off and on again in a stack that is there."""

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.deploy.aws import Emulator
    from tests.deploy.stack import Stack


def test_a_vendor_that_is_switched_off_is_gone_but_for_its_records(stack: "Stack", emulator: "Emulator") -> None:
    answer = stack.mint("trulience", "gus")
    secret, api, group = stack.secrets()["trulience"], stack.api, stack.log_group()
    stack.ensure(DeployTrulience="false")
    assert stack.api == api  # callers go on at the same URL
    assert stack.mint("trulience", "gus").status == 404
    assert "trulience" not in stack.offered()
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        emulator.client("secretsmanager").describe_secret(SecretId=secret)
    (kept,) = [each for each in stack.records("trulience", group) if each["mint_id"] == answer.body["mint"]["id"]]
    assert kept["caller"]["sub"] == "gus"


def test_a_vendor_that_is_switched_on_takes_a_key_and_mints(any_stack: "Stack") -> None:
    any_stack.ensure(DeployTrulience="false")
    any_stack.ensure()
    assert "trulience" in any_stack.offered()
    assert any_stack.mint("trulience", "gus").status == 201
