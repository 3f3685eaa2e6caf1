"""How much time a request has."""

import pytest

from minting.deadline import SETTLING_SECONDS, Deadline
from minting.problems import Problem


@pytest.mark.parametrize("seconds", [10, 0.5, -1])
def test_settling_ends_a_little_later_than_the_request(seconds: float) -> None:
    assert Deadline(seconds).settling().seconds_left() == pytest.approx(seconds + SETTLING_SECONDS, abs=0.1)


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_deadline_that_has_passed_leaves_no_time_for_anything(seconds: float) -> None:
    for ask in (Deadline(seconds).seconds_or_raise, lambda: Deadline(seconds).part(0.5)):
        with pytest.raises(Problem) as problem:
            ask()
        assert problem.value.code == "vendor_timeout"


def test_what_a_part_spends_the_whole_has_spent() -> None:
    whole = Deadline(10)
    part = whole.part(0.5)
    assert part.seconds_left() == pytest.approx(5, abs=0.1)
    part.add_vendor_time(2.0)
    assert (part.vendor_seconds, whole.vendor_seconds) == (2.0, 2.0)
