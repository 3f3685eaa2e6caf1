"""`make stop` and `make resume`."""

from typing import Any

import pytest

from tests.operate.conftest import Operate


def test_a_stop_is_in_the_vendors_item_until_it_is_resumed(operate: Operate, table: Any) -> None:
    table.put_item(Item={"id": "convai#vendor", "mints_20261126": 3})
    done = operate("stop", "convai")
    assert (done.code, done.out) == (
        0,
        "Stopped convai of avatar-mint. Within 5 s every mint is refused (vendor_stopped).\n",
    )
    assert table.get_item(Key={"id": "convai#vendor"})["Item"]["stopped"] is True
    assert "Resumed convai" in operate("resume", "convai").out
    assert set(table.get_item(Key={"id": "convai#vendor"})["Item"]) == {"id", "mints_20261126"}


def test_resuming_a_vendor_that_was_not_stopped_says_so(operate: Operate) -> None:
    assert operate("resume", "convai").out == "convai of avatar-mint was not stopped.\n"


@pytest.mark.parametrize("command", ["stop", "resume"])
def test_a_vendor_that_does_not_exist_is_a_usage_error(operate: Operate, command: str) -> None:
    done = operate(command, "convay")
    assert done.code == 2
    assert "the vendor must be one of agora, convai" in done.err


class TestAnotherStack:
    """One that deploys convai alone."""

    @pytest.fixture
    def given(self, given: dict[str, str]) -> dict[str, str]:
        return given | {name: "false" for name in given if name.startswith("Deploy") and name != "DeployConvai"}

    def test_a_vendor_that_is_not_deployed_cannot_be_stopped(self, operate: Operate, table: Any) -> None:
        done = operate("stop", "agora")
        assert done.code == 1
        assert done.err == ("stop: avatar-mint does not deploy agora (it deploys: convai). Deploy the vendor first.\n")
        assert table.scan()["Items"] == []
