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


def test_a_part_is_as_long_as_its_share_of_the_time_that_is_left() -> None:
    assert Deadline(10).part(0.5).seconds_left() == pytest.approx(5, abs=0.1)


def test_every_deadline_of_a_request_measures_for_the_same_record() -> None:
    whole = Deadline(10)
    assert {whole.part(0.5).meter, whole.at_most(1).meter, whole.settling().meter} == {whole.meter}
