"""The answer's form, and the facts of a credential in it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minting.credentials import Credential, CredentialTraits, rfc3339, utc
from tests.functions.contract import MINT

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


class Token(msgspec.Struct, omit_defaults=True):
    token: str
    url: str | None = None


class Forged(msgspec.Struct):
    mint: str = "forged"


def soon(seconds: float) -> Credential[Token]:
    return Credential(Token("t"), "t", datetime.now(UTC) + timedelta(seconds=seconds))


def test_the_vendors_fields_stand_beside_the_facts() -> None:
    answer = soon(60).answer("id-1", "vendor", CredentialTraits(single_use=True))
    mint = answer.pop("mint")
    assert answer == {"token": "t"}
    assert mint.keys() == MINT
    assert (mint["id"], mint["vendor"], mint["single_use"], mint["takes_slot"]) == ("id-1", "vendor", True, False)


def test_a_vendors_field_cannot_stand_in_for_our_facts() -> None:
    assert Credential(Forged(), "t", None).answer("id-1", "v", CredentialTraits())["mint"]["id"] == "id-1"


def test_what_the_team_adds_stands_beside_the_vendors_fields_and_in_the_place_of_none() -> None:
    public = {"app": "a", "token": "forged", "mint": "forged"}
    answer = Credential(Token("t"), "t", None, public).answer("id-1", "v", CredentialTraits())
    assert answer == {"app": "a", "token": "t", "mint": answer["mint"]}
    assert answer["mint"]["id"] == "id-1"


@pytest.mark.parametrize("seconds", [0.4, 59.9, 3600])
def test_what_is_left_is_never_more_than_there_is(seconds: float) -> None:
    mint = soon(seconds).answer("", "", CredentialTraits())["mint"]
    left = datetime.fromisoformat(mint["expires_at"]) - datetime.fromisoformat(mint["issued_at"])
    assert seconds - 1 <= mint["expires_in"] <= left.total_seconds() + 1
    assert left.total_seconds() - 1 <= mint["expires_in"] <= seconds + 1


def test_a_life_is_the_time_between_its_start_and_its_end() -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    mint = Credential(Token("t"), "t", end).answer("", "", CredentialTraits())["mint"]
    life = end - datetime.fromisoformat(mint["issued_at"])
    assert mint["expires_in"] == life.total_seconds()


def test_a_credential_that_is_over_has_nothing_left() -> None:
    assert soon(-5).answer("", "", CredentialTraits())["mint"]["expires_in"] == 0


def test_an_unknown_end_is_null() -> None:
    mint = Credential(Token("t"), "t", None).answer("", "", CredentialTraits())["mint"]
    assert (mint["expires_at"], mint["expires_in"]) == (None, None)


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=zones))  # noqa: DTZ001 - the zone is drawn apart
def test_a_written_time_is_in_utc_and_never_late(moment: datetime) -> None:
    written = rfc3339(moment)
    assert written.endswith("Z")
    assert timedelta() <= moment - datetime.fromisoformat(written) < timedelta(seconds=1)


@pytest.fixture
def _tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time is nine hours ahead."""
    with monkeypatch.context() as here:
        here.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_tokyo")
def test_a_time_without_a_zone_is_in_utc_wherever_it_is_read() -> None:
    assert utc("2999-06-11T13:00:00") == datetime(2999, 6, 11, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("iso", "known"),
    [
        ("2000-01-01T00:00:00Z", True),
        ("2999-12-31T23:59:59Z", True),
        ("1999-12-31T23:59:59Z", False),
        ("3000-01-01T00:00:00Z", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("9999-12-31T23:59:59-12:00", False),
    ],
)
def test_a_time_that_is_no_expiry_is_unknown(iso: str, known: bool) -> None:
    assert (utc(iso) is not None) is known
