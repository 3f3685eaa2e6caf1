"""What callers share by an id: who gets it, and how often."""

from time import time

import pytest

from minting.callers import Caller
from minting.deadline import Deadline
from minting.problems import Problem
from minting.store import SealedStore
from tests.functions.contract import Fresh


def test_a_viewer_who_joined_a_moment_ago_is_let_in_although_it_is_full_by_now(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = SealedStore(function("odyssey").module.vendor.table, "kind", dict)
    host, first, second = (Caller("https://issuer.example", name) for name in ("host", "first", "second"))
    stored_id = stored.put({"a": 1}, host, int(time()) + 60, 1, Deadline(5))
    before = stored._table.get(stored.resource(stored_id), Deadline(5))
    stored.get(stored_id, first, Deadline(5))
    monkeypatch.setattr(stored._table, "get", lambda *_: before)
    assert stored.get(stored_id, first, Deadline(5)) == {"a": 1}
    with pytest.raises(Problem) as problem:
        stored.get(stored_id, second, Deadline(5))
    assert (problem.value.code, problem.value.limit) == ("quota_exceeded", "viewers")
