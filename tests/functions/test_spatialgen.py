"""SpatialGen: what holds for all its operations. Each uses one of two keys, and no reply of the vendor's breaks it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.twins.twin import Fault
from minting.deadline import Deadline
from tests.conftest import Answer
from tests.functions.contract import NOT_CONFIGURED, Fresh, said
from tests.functions.spatialgen_uploads import COMPLETED, LOUD, PART, READONLY, SIGNED, Upload, started, twin_of, upload

OTHERS = ["spatialgen-lease", "spatialgen-videos", "spatialgen-streams", "spatialgen-widevine"]
"""The events that use the readonly key."""


@pytest.mark.parametrize(
    ("event", "outcome"), list(zip(OTHERS, ["minted", "read", "read", "licensed"], strict=True)), ids=OTHERS
)
def test_the_record_has_the_outcome_and_the_caller(
    tableless: Fresh, capsys: pytest.CaptureFixture[str], event: str, outcome: str
) -> None:
    assert tableless("spatialgen").ask(event, sub="bob").status < 300
    [record] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "mint_id" in line]
    assert (record["outcome"], record["caller"]["sub"]) == (outcome, "bob")


# Keys


def test_no_response_contains_the_upload_key(begun: Upload) -> None:
    spatialgen = begun.function
    answers = []
    for status in (200, 400, 401, 403, 404, 409, 500):
        spatialgen.twin.reset()
        spatialgen.module.vendor._keyring._rejections.clear()
        begun = started(spatialgen)
        spatialgen.twin.fault(Fault(status=status, body=LOUD | {"message": "{key}", "uploadId": "f"}))
        answers += [begun.sign(), begun.complete(), begun.cancel(), spatialgen.ask("spatialgen-start", upload())]
    assert answers
    assert not any("spatialgen-local" in json.dumps(answer.raw) for answer in answers)


def test_no_upload_fails_while_the_key_is_rotated(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    begun = started(spatialgen)
    for ask in (lambda: started(spatialgen), begun.sign, begun.cancel):
        old = spatialgen.module.vendor._keyring.current(Deadline(5)).upload.key
        spatialgen.put_key({"upload": {"key": twin_of(spatialgen).rotate(old)}})
        answer = ask()
        assert isinstance(answer, Upload) or answer.status in {200, 204}


@pytest.mark.parametrize("secret", [{}, {"readonly": READONLY}, {"upload": None, "readonly": READONLY}])
def test_a_start_without_an_upload_key_is_not_configured(tableless: Fresh, secret: dict[str, Any]) -> None:
    spatialgen = tableless("spatialgen", secret)
    assert said(spatialgen.ask("spatialgen-start", upload())) == NOT_CONFIGURED
    assert spatialgen.twin.calls == []


def test_a_new_upload_key_is_used_at_once(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen", {"readonly": READONLY})
    spatialgen.put_key({"readonly": READONLY, "upload": {"key": " spatialgen-local-upload\n"}})
    assert started(spatialgen)


@pytest.mark.parametrize("upload_key", [None, {"key": "a-revoked-key"}])
def test_a_bad_upload_key_stops_uploads_only(function: Fresh, upload_key: dict[str, str] | None) -> None:
    spatialgen = function("spatialgen", {"readonly": READONLY, "upload": upload_key})
    codes = {spatialgen.ask("spatialgen-start", upload()).body["code"] for _ in range(3)}
    assert codes == {"vendor_key_rejected" if upload_key else "not_configured"}
    assert len(spatialgen.twin.calls) == (1 if upload_key else 0)
    assert {spatialgen.ask(event).status for event in OTHERS} == {200, 201}


@pytest.mark.parametrize(
    "readonly", [None, READONLY | {"key": "a-revoked-key"}, READONLY | {"expires_at": "2020-01-01T00:00:00Z"}]
)
def test_a_bad_readonly_key_stops_no_upload(function: Fresh, readonly: dict[str, str] | None) -> None:
    spatialgen = function("spatialgen", {"readonly": readonly, "upload": {"key": "spatialgen-local-upload"}})
    assert {spatialgen.ask(event).status for event in OTHERS[1:]} <= {502, 503}
    assert started(spatialgen).sign().status == 200


# Odd replies

DIGITS = "5000 digits"
ODD: list[Any] = [10**30, -1, 1.5, "", "é", "\ud800", "9999-12-31T23:59:59-14:00", DIGITS, True, None, [], {}]
REPLIES: dict[str, list[Any]] = {
    "sign": [SIGNED | {"parts": [PART | {name: value}]} for name in PART for value in ODD],
    "complete": [COMPLETED | {name: value} for name in ("libraryId", "totalBytes", "status") for value in ODD],
    "videos": [[{"stream": {"jobId": value}, "library": {"folderName": "Home"}}] for value in ODD],
    "streams": [{"streams": [], "library": {"folderName": "Home", "id": value}} for value in ODD],
}
"""Replies to each operation, each with one odd value."""

KEYS = ["uploadId", "files", "parts", "partNumber", "sizeBytes", "byteStart", "url", "library", "streams"]
any_reply = st.recursive(
    st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


def ask(begun: Upload, operation: str) -> Answer:
    match operation:
        case "sign":
            return begun.sign()
        case "complete":
            return begun.complete()
        case "cancel":
            return begun.cancel()
    return begun.function.ask(f"spatialgen-{operation}")


def assert_no_fault_of_ours(begun: Upload, body: Any, *operations: str) -> None:
    """Asks for operations to which the vendor replies with `body`."""
    begun.function.twin.reset()
    begun.function.twin.fault(Fault(body=json.dumps(body).replace(f'"{DIGITS}"', "9" * 5000)))
    for operation in operations:
        answer = ask(begun, operation)
        assert answer.status < 300 or answer.body["code"] in {"vendor_malformed", "not_found"}


@pytest.mark.parametrize("operation", REPLIES)
def test_an_odd_value_in_a_reply_causes_no_internal_error(begun: Upload, operation: str) -> None:
    for body in REPLIES[operation]:
        assert_no_fault_of_ours(begun, body, operation)


def test_no_reply_causes_an_internal_error(begun: Upload) -> None:
    @given(st.sampled_from([body for bodies in REPLIES.values() for body in bodies]) | any_reply)
    @settings(max_examples=50, deadline=None)
    def hold(body: Any) -> None:
        assert_no_fault_of_ours(begun, body, *REPLIES, "cancel")

    hold()
