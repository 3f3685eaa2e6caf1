"""SpatialGen: Widevine licences for players, which hold no key."""

import base64
import json
from typing import Any

import pytest

from local.twins.twin import Fault
from tests.functions.contract import (
    BY_STATUS,
    INVALID,
    MALFORMED,
    NOT_ALLOWED,
    NOT_CONFIGURED,
    NOT_FOUND,
    OPERATORS_ERROR,
    TOO_LARGE,
    Fresh,
    Said,
    faults,
    said,
)
from tests.functions.spatialgen_uploads import READONLY

EVENT = "spatialgen-widevine"
KEY_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def wanted(size: int = 3000, **changes: Any) -> dict[str, Any]:
    """A request whose challenge has so many bytes."""
    return {"key_id": KEY_ID, "license_challenge": base64.b64encode(bytes(size)).decode()} | changes


def test_a_licence_is_the_vendors_and_has_no_other_field(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(body={"license": "TElDRU5DRQ==", "apiKey": "{key}", "policy": {}}))
    answer = spatialgen.ask(EVENT, wanted())
    assert (answer.status, answer.body) == (200, {"license": "TElDRU5DRQ=="})
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}


def test_the_vendors_drm_gets_the_readonly_key(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    assert spatialgen.ask(EVENT, wanted(key_id=KEY_ID.upper())).body["license"]
    [call] = spatialgen.twin.calls
    assert (call.method, call.path, json.loads(call.body)) == ("POST", "/widevine/license", wanted())
    assert call.headers["x-spatialgen-appkey"] == "spatialgen-local-readonly"


@pytest.mark.parametrize("size", [1, 2, 3, 16 * 1024 - 1])
def test_a_challenge_may_have_sixteen_kilobytes(tableless: Fresh, size: int) -> None:
    assert tableless("spatialgen").ask(EVENT, wanted(size)).status == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["key_id", "license_challenge"]),
        (wanted(size=0), ["license_challenge"]),
        (wanted(16 * 1024), ["license_challenge"]),
        *((wanted(key_id=name), ["key_id"]) for name in ("", "1", KEY_ID + "0", f"{{{KEY_ID}}}", 5, None, [KEY_ID])),
        *(
            (wanted(license_challenge=text), ["license_challenge"])
            for text in ("%", "CAES\n", "_-8=", "CAE", "é", 5, None)
        ),
        (wanted(url="https://a.example", provider="x"), ["provider", "url"]),
        ({"key_id": "1", "license_challenge": "%", "x": 1}, ["key_id", "license_challenge", "x"]),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_an_invalid_challenge_is_refused_without_a_call(tableless: Fresh, body: Any, fields: list[str]) -> None:
    spatialgen = tableless("spatialgen")
    answer = spatialgen.ask(EVENT, body)
    assert (said(answer), faults(answer)) == (INVALID, fields)
    assert spatialgen.twin.calls == []


def test_a_larger_body_is_too_large(tableless: Fresh) -> None:
    assert said(tableless("spatialgen").ask(EVENT, wanted(32 * 1024))) == TOO_LARGE


@pytest.mark.parametrize(
    "body",
    [{}, [], "", "licence", {"license": ""}, {"license": None}, {"license": 5}, {"license": {}}, {"license": "\ud800"}],
)
def test_a_reply_without_a_licence_is_malformed(tableless: Fresh, body: Any) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(body=body))
    assert said(spatialgen.ask(EVENT)) == MALFORMED.of(200)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((400, INVALID.of(400)), (403, OPERATORS_ERROR.of(403)), (404, NOT_FOUND.of(404))),
        *(row for row in BY_STATUS if row[0] != 403),
    ],
)
def test_an_errors_status_decides(tableless: Fresh, status: int, expected: Said) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(path="/widevine", status=status, body={"message": "{key}"}))
    answer = spatialgen.ask(EVENT)
    assert said(answer) == expected
    assert "spatialgen-local" not in json.dumps(answer.raw)


def test_a_403_about_one_licence_affects_no_other_caller_and_is_not_about_the_key(
    function: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    spatialgen = function("spatialgen")
    spatialgen.twin.fault(Fault(path="/widevine", status=403, times=1))
    assert said(spatialgen.ask(EVENT)) == OPERATORS_ERROR.of(403)
    assert [spatialgen.ask(event, sub="bob").status for event in (EVENT, "spatialgen-videos")] == [200, 200]
    assert "vendor_key_rejected" not in capsys.readouterr().out


def test_a_licence_is_retried_after_a_brief_failure(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(status=503, times=1))
    assert spatialgen.ask(EVENT).status == 200


def test_no_licence_fails_while_the_key_is_rotated(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen", {"readonly": READONLY})
    twin: Any = spatialgen.twin
    new = twin.rotate("spatialgen-local-readonly")
    spatialgen.put_key({"readonly": READONLY | {"key": new}})
    assert spatialgen.ask(EVENT).status == 200


@pytest.mark.parametrize("secret", [{}, {"upload": {"key": "spatialgen-local-upload"}}])
def test_a_licence_without_a_readonly_key_is_not_configured(tableless: Fresh, secret: dict[str, Any]) -> None:
    spatialgen = tableless("spatialgen", secret)
    assert said(spatialgen.ask(EVENT)) == NOT_CONFIGURED
    assert spatialgen.twin.calls == []


@pytest.mark.parametrize(("listed", "status"), [("", 403), ("Home", 200), ("*", 200)])
def test_a_deployment_without_a_folder_gives_no_licence(tableless: Fresh, listed: str, status: int) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_FOLDERS=listed)
    answer = spatialgen.ask(EVENT)
    assert answer.status == status
    assert status == 200 or said(answer) == NOT_ALLOWED


def test_licences_count_in_the_limits_unless_they_fail(function: Fresh) -> None:
    spatialgen = function("spatialgen", READS_CALLER_PER_HOUR="2")
    spatialgen.twin.fault(Fault(status=500, times=2))
    assert [spatialgen.ask(EVENT).status for _ in range(5)] == [502, 502, 200, 200, 429]
    assert spatialgen.ask(EVENT, sub="bob").status == 200
