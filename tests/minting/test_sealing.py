"""What a relay keeps is opened by its id alone, and shows nothing to whoever has not got it."""

import base64
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minting.store import ID, ID_BYTES, TAG_BYTES, seal, unseal

ids = st.binary(min_size=ID_BYTES, max_size=ID_BYTES).map(lambda drawn: base64.urlsafe_b64encode(drawn).decode())
texts = st.binary(max_size=600)
RUN = 8
"""Bytes: so many in common at any two places are no chance (one in 2 to the 64th)."""


def runs(text: bytes) -> set[bytes]:
    return {text[place : place + RUN] for place in range(len(text) - RUN + 1)}


@given(ids)
def test_an_id_has_192_bits_and_needs_no_escaping(relay_id: str) -> None:
    assert ID_BYTES * 8 == 192
    assert re.search(ID, relay_id)


@given(ids, texts)
def test_what_is_sealed_is_opened_with_its_id(relay_id: str, plain: bytes) -> None:
    assert unseal(relay_id, seal(relay_id, plain)) == plain


@given(ids, ids, texts)
def test_another_id_opens_nothing(relay_id: str, other: str, plain: bytes) -> None:
    assume(relay_id != other)
    with pytest.raises(ValueError, match="another secret"):
        unseal(other, seal(relay_id, plain))


@given(ids, texts, st.data())
def test_any_changed_bit_is_refused(relay_id: str, plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(relay_id, plain))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="changed"):
        unseal(relay_id, bytes(sealed))


@given(ids, texts, st.data())
def test_a_text_that_is_cut_or_longer_is_refused(relay_id: str, plain: bytes, data: st.DataObject) -> None:
    sealed = seal(relay_id, plain)
    for other in (sealed[: data.draw(st.integers(0, len(sealed) - 1))], sealed + b"\0", b"\0" + sealed):
        with pytest.raises(ValueError, match="changed"):
            unseal(relay_id, other)


@given(ids, texts)
def test_what_is_sealed_shows_its_length_and_nothing_else(relay_id: str, plain: bytes) -> None:
    sealed = seal(relay_id, plain)
    assert len(sealed) == len(plain) + TAG_BYTES
    assert runs(sealed) & runs(plain) == set()
    assert runs(sealed) & runs(relay_id.encode()) == set()


@given(ids, ids, texts)
def test_one_text_under_two_ids_has_nothing_in_common(relay_id: str, other: str, plain: bytes) -> None:
    assume(relay_id != other)
    assert runs(seal(relay_id, plain)) & runs(seal(other, plain)) == set()


@given(ids, st.integers(0, 255))
def test_a_text_of_one_byte_repeated_shows_no_pattern(relay_id: str, byte: int) -> None:
    sealed = seal(relay_id, bytes([byte]) * 600)
    assert len(runs(sealed)) == len(sealed) - RUN + 1
