"""A sealed text is opened by its secret alone, and shows nothing without it."""

import base64
import hashlib
import hmac
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minting.sealing import TAG_BYTES, seal, unseal
from minting.store import ID, ID_BYTES

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


@given(ids, texts)
def test_what_hides_a_text_and_what_proves_it_are_keys_apart(relay_id: str, plain: bytes) -> None:
    hidden, tag = seal(relay_id, plain)[:-TAG_BYTES], seal(relay_id, plain)[-TAG_BYTES:]
    proving, hiding = (hmac.digest(relay_id.encode(), purpose, "sha256") for purpose in (b"tag", b"stream"))
    assert tag == hmac.digest(proving, hidden, "sha256")
    assert hidden == bytes(a ^ b for a, b in zip(plain, hashlib.shake_256(hiding).digest(len(plain)), strict=True))


# Fixed vectors: an upgrade must open what an earlier version sealed. Computed with the formulas of FIPS 202 and FIPS 198-1 alone.
VECTORS = [
    ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", b"", "f63fdb5ec25f4d6daa300d7c72f9997ac9b5c8f2da9fe5aa7e64cfd1000ab120"),
    ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", b"a", "36f02d1606b453403dc5caeaca665895e4e611c0fe5f30375e6aa6465f0242ae23"),
    (
        "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ",
        b'{"webrtc_url":"https://stream.odyssey.ml/whep/1"}',
        (
            "b2971e18b750bf6c81d797252c02c57aa78994843485e2866873d39590765d8b145a086d847fbc2428bbe09cd1b68a38"
            "825ee3754b39851a04295ef6d46a8b111e6181961f64a7746e8478d20860d9447b"
        ),
    ),
]


@pytest.mark.parametrize(("secret", "text", "sealed"), VECTORS)
def test_a_text_is_sealed_as_the_fixed_vectors_say(secret: str, text: bytes, sealed: str) -> None:
    assert seal(secret, text).hex() == sealed
    assert unseal(secret, bytes.fromhex(sealed)) == text
