"""What a relay keeps is opened by its id alone, and shows nothing to whoever has not got it."""

import base64
import hashlib
import hmac
import re
from time import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minting.callers import Caller
from minting.deadline import Deadline
from minting.problems import Problem
from minting.relay import ID, ID_BYTES, TAG_BYTES, Relay, seal, unseal
from tests.functions.contract import Fresh

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


def test_who_joined_a_moment_ago_is_let_in_though_it_is_full_by_now(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay(function("odyssey").module.vendor.ledger, "kind", dict)
    host, first, second = (Caller("https://issuer.example", name) for name in ("host", "first", "second"))
    relay_id = relay.leave({"a": 1}, host, int(time()) + 60, 1, Deadline(5))
    before = relay._ledger.read(relay.name(relay_id), Deadline(5))
    relay.read(relay_id, first, Deadline(5))
    monkeypatch.setattr(relay._ledger, "read", lambda *_: before)
    assert relay.read(relay_id, first, Deadline(5)) == {"a": 1}
    with pytest.raises(Problem) as problem:
        relay.read(relay_id, second, Deadline(5))
    assert (problem.value.code, problem.value.limit) == ("quota_exceeded", "viewers")
