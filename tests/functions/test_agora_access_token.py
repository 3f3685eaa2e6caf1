"""Agora's AccessToken2: the vendor's own code makes the same token."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.agora.access_token import AgoraKey, access_token, rtc
from tests.functions.agora_tokens import (
    APP_ID,
    CERTIFICATE,
    LOGIN,
    PUBLISHER,
    SUBSCRIBER,
    ask,
    read,
    rebuilt,
    token_of,
    unpacked,
)
from tests.functions.contract import Fresh, minted

VECTOR = (
    "200030313233343536373839616263646566303132333435363738396162636465660"
    "0f15365580200004e61bc000100010004000100580200000200580200000300580200000400580200000600726f6f6d2d31040031323334"
)

SIGNATURE = "b3d30dcbb0c8c2f1a3ed7b623fe4c1f417fa29bb5630d13f17300b3bf6dbdfe9"


def test_the_vendors_test_vector_is_reproduced() -> None:
    service = rtc("publisher", "room-1", "1234")
    token = access_token(AgoraKey(APP_ID, CERTIFICATE), [service], 1_700_000_000, 600, 12_345_678)
    assert unpacked(token).hex() == "2000" + SIGNATURE + VECTOR


@pytest.mark.parametrize(
    ("fields", "services"),
    [
        ({"role": "publisher"}, {1: PUBLISHER}),
        ({"role": "subscriber"}, {1: SUBSCRIBER}),
        ({"role": "publisher", "rtm": True}, {1: PUBLISHER, 2: LOGIN}),
        ({"role": "subscriber", "rtm": True, "account": "{caller}"}, {1: SUBSCRIBER, 2: LOGIN}),
    ],
)
@pytest.mark.parametrize("seconds", [60, 3600, 86_400])
def test_a_token_grants_what_was_requested_for_as_long(
    tableless: Fresh, fields: dict[str, Any], services: dict[int, tuple[int, ...]], seconds: int
) -> None:
    mint = minted(ask(tableless("agora"), ttl_seconds=seconds, **fields))
    held = token_of(mint)
    assert held.seconds == seconds
    granted = {kind: privileges for kind, (privileges, _) in held.services.items()}
    assert granted == {kind: dict.fromkeys(privileges, seconds) for kind, privileges in services.items()}
    assert all(names[-1] == str(mint.fields["uid"]) for _, names in held.services.values())


def test_every_token_has_a_salt_of_its_own(tableless: Fresh) -> None:
    salts = {token_of(minted(ask(tableless("agora")))).salt for _ in range(20)}
    assert len(salts) > 15
    assert all(1 <= salt <= 99_999_999 for salt in salts)


def test_a_token_is_signed_with_the_certificate(tableless: Fresh) -> None:
    token = minted(ask(tableless("agora"))).fields["token"]
    assert rebuilt(read(token), CERTIFICATE.replace("f", "e")) != unpacked(token)


CHANNELS = st.text(
    "abcXYZ019 !#$%&()+-:;<=.>?@[]^_|~,",  # all but braces, which stand for the caller
    min_size=1,
    max_size=63,
)


def test_the_vendors_code_makes_the_same_token_for_any_channel_and_lifetime(tableless: Fresh) -> None:
    agora = tableless("agora", AGORA_CHANNELS="*")

    @given(CHANNELS, st.integers(60, 86_400), st.booleans())
    @settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
    def hold(channel: str, seconds: int, rtm: bool) -> None:
        answer = ask(agora, channel=channel, ttl_seconds=seconds, rtm=rtm)
        assert token_of(minted(answer)).seconds == seconds

    hold()
