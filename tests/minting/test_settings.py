"""A function's environment."""

from typing import Annotated, Literal

import msgspec
import pytest

from minting.settings import AllowList, ClientFields, Settings, load


class Sample(Settings, frozen=True, kw_only=True):
    """A setting of every kind that a vendor may declare."""

    sample_url: str = "https://vendor.example"
    sample_region: Literal["here", "there"] = "here"
    sample_seconds: Annotated[float, msgspec.Meta(ge=0, le=15)] = 5.0
    sample_ids: AllowList = AllowList()


NEEDED = {"API_KEY_SECRET": "the-secret", "LIMITS_TABLE": "t", "CALLER_PER_HOUR": "1", "VENDOR_PER_DAY": "1"}


def test_what_is_not_set_or_empty_is_the_default() -> None:
    empty = {"SAMPLE_URL": "", "SAMPLE_REGION": "", "SAMPLE_SECONDS": "", "SAMPLE_IDS": "", "DEADLINE_SECONDS": ""}
    for given in ({}, empty):
        settings = load(Sample, NEEDED | given)
        assert (settings.sample_url, settings.sample_region, settings.sample_seconds) == (
            *("https://vendor.example", "here", 5.0),
        )
        assert settings.deadline_seconds == 20
        assert "any" not in settings.sample_ids


def test_what_is_set_is_read_as_its_type() -> None:
    settings = load(Sample, NEEDED | {"SAMPLE_SECONDS": "0", "SAMPLE_IDS": "a, b", "SAMPLE_REGION": "there"})
    assert (settings.sample_seconds, settings.sample_region) == (0, "there")
    assert "b" in settings.sample_ids


def test_the_rest_of_the_environment_does_not_matter() -> None:
    assert load(Sample, NEEDED | {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x"}).api_key_secret == "the-secret"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"API_KEY_SECRET": ""}, "API_KEY_SECRET"),
        ({"SAMPLE_REGION": "nowhere"}, "SAMPLE_REGION"),
        ({"SAMPLE_SECONDS": "16"}, "SAMPLE_SECONDS"),
        ({"SAMPLE_SECONDS": "nan"}, "SAMPLE_SECONDS"),
        ({"SAMPLE_SECONDS": "soon"}, "SAMPLE_SECONDS"),
        ({"DEADLINE_SECONDS": "0"}, "DEADLINE_SECONDS"),
        ({"DEADLINE_SECONDS": "25"}, "DEADLINE_SECONDS"),
        ({"DEADLINE_SECONDS": "nan"}, "DEADLINE_SECONDS"),
        ({"DEADLINE_SECONDS": "-1"}, "DEADLINE_SECONDS"),
        ({"CALLER_PER_HOUR": "0"}, "CALLER_PER_HOUR"),
        ({"CALLER_PER_HOUR": "1.5"}, "CALLER_PER_HOUR"),
        ({"VENDOR_PER_DAY": "0"}, "VENDOR_PER_DAY"),
        ({"VENDOR_PER_DAY": "-1"}, "VENDOR_PER_DAY"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_starts(given: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        load(Sample, NEEDED | given)


@pytest.mark.parametrize(
    ("listed", "inside", "outside"),
    [
        ("", [], ["", "a", "*"]),
        (" , ,", [], ["", " ", "a"]),
        ("a,b", ["a", "b"], ["", "A", "a,b", "ab", "a "]),
        (" a ,\tb\n", ["a", "b"], [" a "]),
        ("*", ["a", "", "anything"], []),
        ("a,*", ["b"], []),
        ("a*", ["a*"], ["ab", "a"]),
    ],
)
def test_an_allow_list_allows_what_it_lists(listed: str, inside: list[str], outside: list[str]) -> None:
    allowed = AllowList(listed)
    assert [name for name in inside if name not in allowed] == []
    assert [name for name in outside if name in allowed] == []


@pytest.mark.parametrize(
    ("listed", "members"),
    [
        ("", {}),
        (" , ,", {}),
        ("a=1", {"a": "1"}),
        (" a = 1 ,\tbC=x-y\n", {"a": "1", "bC": "x-y"}),
        ("a=b=c,d", {"a": "b=c", "d": ""}),
    ],
)
def test_client_fields_are_names_and_values(listed: str, members: dict[str, str]) -> None:
    assert ClientFields(listed).members == members


def test_an_allow_list_tells_upper_case_from_lower_case() -> None:
    allowed = AllowList("Ab,{caller}-X")
    assert [name for name in ("Ab", "ab", "AB", "aB") if name in allowed] == ["Ab"]
    assert [name for name in ("Me-X", "me-x", "me-X", "ME-X") if name in allowed.of("me")] == ["me-X"]
