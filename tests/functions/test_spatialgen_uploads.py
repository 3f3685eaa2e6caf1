"""SpatialGen's uploads: their start, their owner, and their end as a video or by a cancel."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from local.twins.twin import Fault
from minting.problems import Problem
from tests.conftest import Answer
from tests.functions.contract import (
    BUSY,
    ERROR,
    INVALID,
    KEY_REJECTED,
    MALFORMED,
    NOT_ALLOWED,
    NOT_FOUND,
    OPERATORS_ERROR,
    PASSING_ERROR,
    TIMED_OUT,
    UNAVAILABLE,
    Fresh,
    Said,
    faults,
    said,
)
from tests.functions.spatialgen_uploads import (
    AIME,
    COMPLETED,
    FILE_FIELDS,
    LOUD,
    SIGNED,
    STARTED,
    UPLOADS,
    Upload,
    put,
    started,
    twin_of,
    upload,
    video,
)
from tests.trust.table import items

if TYPE_CHECKING:
    from local.bundle import Bundle


def test_an_upload_of_two_files_becomes_one_video(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    twin_of(spatialgen).part_bytes = 4
    begun = started(spatialgen, video(size=10), video("a.srt", 3, "subtitle", languageTag="EN"))
    assert [(file["uploadStrategy"], file["totalParts"]) for file in begun.files] == [
        ("multipart", 3),
        ("single_put", 1),
    ]
    film, text = begun.sign(1, 2, 3).body["parts"], begun.sign(1, place=1).body["parts"]
    first = begun.complete(*put(film, b"0123456789"))
    assert (first.status, first.body["status"], first.body["libraryId"]) == (200, "completed", None)
    put(text, b"abc")
    last = begun.complete(place=1)
    assert (last.status, last.body["libraryId"]) == (200, 4824)
    assert twin_of(spatialgen).videos[4824]["library"]["videoName"] == "Reef"


def test_an_upload_works_over_http(bundle: "Bundle") -> None:
    url = f"{bundle.url}/v1/spatialgen/uploads"
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {bundle.token('alice')}"
        begun = http.post(url, json=upload()).json()
        file = f"{url}/{begun['uploadSessionId']}/files/{begun['files'][0]['uploadId']}"
        [part] = http.post(f"{file}/part-urls", json={"partNumbers": [1]}).json()["parts"]
        assert requests.put(part["url"], data=b"0123456789", timeout=5).status_code == 200
        assert http.post(f"{file}/complete").json()["status"] == "completed"
        assert http.delete(f"{url}/{begun['uploadSessionId']}").status_code == 404  # it is complete
        other = http.post(url, json=upload()).json()["uploadSessionId"]
        cancelled = http.delete(f"{url}/{other}")
        assert (cancelled.status_code, cancelled.content) == (204, b"")
        assert http.post(f"{url}/{other}/cancel").status_code == 204


def test_each_step_calls_the_uploads_own_path(begun: Upload) -> None:
    file = f"{UPLOADS}/{begun.session}/files/{begun.files[0]['uploadId']}"
    begun.step("part-urls", {"startPartNumber": 1, "count": 1})
    begun.complete({"partNumber": 1, "etag": '"e"'})
    begun.complete()
    begun.cancel()
    calls = [(call.method, call.path, json.loads(call.body or "null")) for call in begun.function.twin.calls]
    assert calls == [
        ("POST", f"{file}/part-urls", {"startPartNumber": 1, "count": 1}),
        ("POST", f"{file}/complete", {"parts": [{"partNumber": 1, "etag": '"e"'}]}),
        ("POST", f"{file}/complete", {}),
        ("DELETE", f"{UPLOADS}/{begun.session}", None),
    ]


def test_the_records_of_an_upload_have_the_outcome_the_caller_and_the_file(
    begun: Upload, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = started(begun.function)
    begun.function.twin.fault(Fault(path=f"{UPLOADS}/", body=SIGNED | COMPLETED))
    assert [answer.status for answer in (begun.sign(), begun.complete(), begun.cancel())] == [200, 200, 204]
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "mint_id" in line]
    whole = f"upload#{begun.session}"
    file = f"{whole}#{begun.files[0]['uploadId']}"
    done = [("started", None), ("signed", file), ("completed", file), ("cancelled", whole)]
    assert [(record["outcome"], record.get("subject")) for record in records] == done
    assert {record["caller"]["sub"] for record in records} == {"alice"}


# The start


def test_a_start_sends_the_callers_fields_and_the_upload_key(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    body = upload(video(), video("a.srt", 3, "subtitle", languageTag="ZH"), folderName="Home", description="d")
    assert spatialgen.ask("spatialgen-start", body | {"perspective": None}).status == 201
    [call] = spatialgen.twin.calls
    assert (call.method, call.path, call.query) == ("POST", UPLOADS, "")
    assert call.headers["x-spatialgen-appkey"] == "spatialgen-local-upload"
    body["files"][1]["languageTag"] = "zh"
    assert json.loads(call.body) == body


def test_a_start_has_the_documented_fields_only(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    files = [{"uploadId": "f-1", "fileRole": "video", "totalParts": 2, **LOUD}]
    spatialgen.twin.fault(Fault(path=UPLOADS, body={"uploadSessionId": "s-1", "files": files, **LOUD}))
    answer = spatialgen.ask("spatialgen-start", upload())
    nothing = dict.fromkeys(FILE_FIELDS)
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}
    assert answer.body == {
        "uploadSessionId": "s-1",
        "files": [nothing | {"uploadId": "f-1", "fileRole": "video", "totalParts": 2}],
    }


def test_a_malformed_optional_field_does_not_lose_the_upload(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    file = {"uploadId": "f-1", "fileName": "film.mp4", "totalBytes": "1000", "totalParts": 1e99, "status": 5}
    spatialgen.twin.fault(Fault(path=UPLOADS, times=1, body=STARTED | {"files": [file]}))
    answer = spatialgen.ask("spatialgen-start", upload())
    unknown = dict.fromkeys(("fileRole", "totalBytes", "partSizeBytes", "uploadStrategy", "status"))
    assert answer.status == 201
    assert answer.body["files"] == [{"uploadId": "f-1", "fileName": "film.mp4", "totalParts": 1e99, **unknown}]


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], "", {"uploadSessionId": "s-1"}, STARTED | {"files": []}, STARTED | {"files": {}}),
        *(STARTED | {"uploadSessionId": name} for name in ("", 5, None, "a/b", "..", "a#b", "x" * 129)),
        *(STARTED | {"files": [{"uploadId": name}]} for name in ("", 5, None, "a/b", "..", "a#b")),
        STARTED | {"files": [{}]},
    ],
)
def test_a_start_reply_without_usable_ids_is_malformed(tableless: Fresh, body: Any) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(path=UPLOADS, body=body))
    assert said(spatialgen.ask("spatialgen-start", upload())) == MALFORMED.of(200)._replace(retryable=False)


@pytest.mark.parametrize(
    ("names", "session"),
    [
        ({"sessionId": "s-2"}, "s-2"),
        ({"sessionId": "s-2", "uploadSessionId": None}, "s-2"),
        ({"sessionId": None, "uploadSessionId": "s-1"}, "s-1"),
        ({"sessionId": "s-2", "uploadSessionId": "s-1"}, "s-1"),
    ],
)
def test_a_start_reply_may_use_either_name_for_the_uploads_id(
    tableless: Fresh, names: dict[str, Any], session: str
) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(path=UPLOADS, body={"files": STARTED["files"]} | names))
    assert started(spatialgen).session == session


def test_an_upload_with_the_other_name_becomes_a_video(begun: Upload) -> None:
    twin_of(begun.function).session_name = "sessionId"
    begun = started(begun.function)
    put(begun.sign().body["parts"], b"0123456789")
    assert begun.complete().body["libraryId"] == 4824


WITHOUT_A_FOLDER = {name: value for name, value in upload().items() if name != "folderName"}


@pytest.mark.parametrize("body", [upload(), WITHOUT_A_FOLDER, upload(folderName=None)], ids=["Home", "none", "null"])
@pytest.mark.parametrize("listed", ["", "home", "a,Home", "*"])
def test_an_upload_needs_a_listed_folder_unless_all_are_allowed(
    tableless: Fresh, listed: str, body: dict[str, Any]
) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_UPLOAD_FOLDERS=listed, SPATIALGEN_FOLDERS="*")
    answer = spatialgen.ask("spatialgen-start", body)
    allowed = listed == "*" or (listed == "a,Home" and bool(body.get("folderName")))
    assert len(spatialgen.twin.calls) == allowed
    assert answer.status == 201 if allowed else (said(answer), faults(answer)) == (NOT_ALLOWED, ["folderName"])


def test_only_the_start_counts_in_the_limits(function: Fresh) -> None:
    begun = started(function("spatialgen", CALLER_PER_HOUR="1"))
    for _ in range(3):
        put(begun.sign().body["parts"], b"0123456789")
    assert begun.complete().status == 200
    answer = begun.function.ask("spatialgen-start", upload())
    assert (answer.status, answer.body["code"], answer.body["limit"]) == (429, "quota_exceeded", "caller_per_hour")


def test_a_failed_start_is_not_counted(function: Fresh) -> None:
    spatialgen = function("spatialgen", CALLER_PER_HOUR="1")
    for status in (400, 401, 500):
        spatialgen.twin.fault(Fault(path=UPLOADS, status=status, times=1))
        assert spatialgen.ask("spatialgen-start", upload()).status >= 400
        spatialgen.module.vendor._keyring._rejections.clear()
    assert started(spatialgen)


# A start that may have begun

LOST = {
    "dropped": (Fault(mode="drop"), UNAVAILABLE),
    "cut": (Fault(mode="cut"), MALFORMED),
    "no JSON": (Fault(body="<html>"), MALFORMED.of(200)),
    "nothing": (Fault(status=204), MALFORMED.of(204)),
    "a fault": (Fault(status=500), ERROR.of(500)),
    "an unknown fault": (Fault(status=520), ERROR.of(520)),
    "a bad gateway": (Fault(status=502), UNAVAILABLE.of(502)),
    "a gateway's time-out": (Fault(status=504), UNAVAILABLE.of(504)),
    "late": (Fault(delay=0.7), TIMED_OUT._replace(retry_after=None)),
}


@pytest.mark.parametrize(("fault", "problem"), LOST.values(), ids=LOST)
def test_a_start_whose_reply_is_lost_is_not_retryable(tableless: Fresh, fault: Fault, problem: Said) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(fault)
    answer = spatialgen.ask("spatialgen-start", upload(), timeout=1.3)
    assert said(answer) == problem._replace(retryable=False)
    assert "Another start may leave another one behind" in answer.body["detail"]
    assert len(spatialgen.twin.calls) <= 1


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_start_that_has_not_begun_is_retryable(tableless: Fresh, status: int) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(status=status))
    assert said(spatialgen.ask("spatialgen-start", upload())).retryable


def test_a_start_that_was_never_sent_is_retryable(tableless: Fresh, nobody: str) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_API_URL=nobody)
    assert said(spatialgen.ask("spatialgen-start", upload())) == UNAVAILABLE.of(None, retry_after=2)


def test_a_start_whose_owner_cannot_be_stored_is_not_retryable(
    tableless: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    spatialgen = tableless("spatialgen")

    def fail(*_: Any) -> None:
        raise Problem("limits_unavailable", "The limits cannot be checked right now.", retry_after=5)

    monkeypatch.setattr(spatialgen.module.vendor.owners, "remember", fail)
    answer = spatialgen.ask("spatialgen-start", upload())
    assert (answer.body["code"], answer.body["retryable"]) == ("limits_unavailable", False)
    assert len(twin_of(spatialgen).groups) == 1


def test_every_step_but_the_start_is_sent_again(begun: Upload) -> None:
    spatialgen = begun.function
    begun = started(spatialgen)
    for fault in (Fault(status=503, times=1), Fault(mode="drop", times=1)):
        spatialgen.twin.fault(fault)
        assert said(spatialgen.ask("spatialgen-start", upload())).code == "vendor_unavailable"
    assert [call.path for call in spatialgen.twin.calls] == [UPLOADS] * 3
    for ask, status in ((begun.sign, 200), (begun.complete, 400), (begun.cancel, 204)):
        for fault in (Fault(status=503, times=1), Fault(mode="drop", times=1)):
            spatialgen.twin.fault(fault)
            assert ask().status == status


# The owner


def everything(begun: Upload, sub: str) -> list[Answer]:
    return [begun.sign(sub=sub), begun.complete(sub=sub), begun.cancel(sub)]


def words(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.body.items() if name != "instance"}


def test_another_callers_upload_looks_like_one_that_does_not_exist(function: Fresh) -> None:
    begun = started(function("spatialgen"))
    never = begun._replace(session="5e8f9f2e-0000-4000-8000-000000000000")
    foreign, absent = everything(begun, "mallory"), everything(never, "alice")
    assert {said(answer) for answer in foreign + absent} == {NOT_FOUND}
    assert [words(answer) for answer in foreign] == [words(answer) for answer in absent]
    assert [call.path for call in begun.function.twin.calls] == [UPLOADS]


def test_the_same_sub_of_another_issuer_is_another_caller(function: Fresh, bundle: "Bundle") -> None:
    begun = started(function("spatialgen"))
    event = bundle.event("spatialgen-cancel") | {"pathParameters": {"sessionId": begun.session}}
    event["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] = "https://other.example.com"
    assert said(begun.function.send(event)) == NOT_FOUND


def test_another_callers_file_is_not_found_in_ones_own_upload(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    mine, theirs = started(spatialgen), started(spatialgen, sub="bob")
    mixed = mine._replace(files=theirs.files)
    assert [said(answer) for answer in (mixed.sign(), mixed.complete())] == [NOT_FOUND, NOT_FOUND]
    assert len(spatialgen.twin.calls) == 2


def test_another_environment_of_the_function_continues_an_upload(function: Fresh) -> None:
    begun = started(function("spatialgen"))
    elsewhere = begun._replace(function=function("spatialgen"))
    assert [answer.status for answer in everything(elsewhere, "alice")] == [200, 400, 204]


def test_owners_are_stored_longer_than_an_upload_lives(function: Fresh, bundle: "Bundle", table: str) -> None:
    begun = started(function("spatialgen"), video(), AIME)
    stored = items(bundle, table).items()
    owners = {key: int(item["expires"]["N"]) for key, item in stored if "owner" in item}
    upload_id = f"spatialgen#upload#{begun.session}"
    assert owners.keys() == {upload_id, *(f"{upload_id}#{file['uploadId']}" for file in begun.files)}
    for expires in owners.values():
        kept = datetime.fromtimestamp(expires, UTC) - datetime.now(UTC)
        assert timedelta(days=5) < kept < timedelta(days=8)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "a#b", "é", "a" * 129, "a?b=c"])
def test_an_invalid_id_is_refused(tableless: Fresh, name: str) -> None:
    begun = Upload(tableless("spatialgen"), name, [{"uploadId": name}])
    answers = [begun.sign(), begun.complete(), begun.cancel()]
    assert [said(answer) for answer in answers] == [INVALID] * 3
    assert [faults(answer) for answer in answers] == [["sessionId", "uploadId"]] * 2 + [["sessionId"]]
    assert begun.function.twin.calls == []


# The end


def test_a_cancelled_upload_cannot_continue(begun: Upload) -> None:
    begun = started(begun.function, video(), AIME)
    cancelled = begun.cancel()
    assert (cancelled.status, cancelled.headers, cancelled.raw["body"]) == (204, {"cache-control": "no-store"}, "")
    ends = [begun.sign(), begun.sign(place=1), begun.complete(), begun.complete(place=1)]
    assert [said(answer) for answer in ends] == [NOT_FOUND.of(409)] * 4
    assert begun.cancel().status == 204


def test_both_cancel_routes_cancel_at_the_vendor(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    for event in ("spatialgen-cancel", "spatialgen-cancel-post"):
        begun = started(spatialgen)
        assert said(begun.cancel("mallory", event)) == NOT_FOUND
        assert begun.cancel(event=event).status == 204
        assert twin_of(spatialgen).groups[begun.session].cancelled_at
        last = spatialgen.twin.calls[-1]
        assert (last.method, last.path) == ("DELETE", f"{UPLOADS}/{begun.session}")


@pytest.mark.parametrize("status", [404, 409, 410])
@pytest.mark.parametrize("event", ["spatialgen-cancel", "spatialgen-cancel-post"])
def test_a_cancel_that_the_vendor_refuses_is_not_reported_as_done(begun: Upload, event: str, status: int) -> None:
    begun.function.twin.fault(Fault(status=status))
    assert said(begun.cancel(event=event)) == NOT_FOUND.of(status)


def test_a_lost_cancel_is_sent_again(begun: Upload) -> None:
    begun = started(begun.function)
    begun.function.twin.fault(Fault(mode="drop", times=1))
    assert begun.cancel().status == 204


def test_an_upload_ends_after_five_days(begun: Upload) -> None:
    begun = started(begun.function)
    begun.function.twin.skew = 5 * 24 * 3600.0
    assert said(begun.sign()) == NOT_FOUND.of(409)


# The vendor's errors

STATUSES = {
    400: (INVALID, INVALID),
    401: (KEY_REJECTED, KEY_REJECTED),
    403: (KEY_REJECTED, OPERATORS_ERROR),
    404: (ERROR, NOT_FOUND),
    409: (ERROR, NOT_FOUND),
    410: (ERROR, NOT_FOUND),
    418: (ERROR, ERROR),
    422: (INVALID, INVALID),
    429: (BUSY, BUSY),
    500: (ERROR, PASSING_ERROR),
    503: (UNAVAILABLE, UNAVAILABLE),
}


@pytest.mark.parametrize("shape", ["json", "text", "empty"])
def test_an_errors_status_decides_and_not_its_body(begun: Upload, shape: str) -> None:
    spatialgen = begun.function
    bodies: dict[str, Any] = {"json": {"message": "{key}"}, "text": "{key}", "empty": ""}
    for status, (of_a_start, of_a_step) in STATUSES.items():
        spatialgen.module.vendor._keyring._rejections.clear()
        spatialgen.twin.reset()
        spatialgen.twin.fault(Fault(path=UPLOADS, status=status, body=bodies[shape]))
        assert said(spatialgen.ask("spatialgen-start", upload())) == of_a_start.of(status)
        spatialgen.module.vendor._keyring._rejections.clear()
        for ask in (begun.sign, begun.complete, begun.cancel):
            assert said(ask()) == of_a_step.of(status), status


def test_a_403_about_one_upload_affects_no_other_caller_and_is_not_about_the_key(
    function: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    spatialgen = function("spatialgen")
    begun = started(spatialgen)
    spatialgen.twin.fault(Fault(path=f"{UPLOADS}/", status=403, times=3))
    refused = [said(answer) for answer in (begun.sign(), begun.complete(), begun.cancel())]
    assert refused == [OPERATORS_ERROR.of(403)] * 3
    assert "vendor_key_rejected" not in capsys.readouterr().out
    assert started(spatialgen, sub="bob").sign(sub="bob").status == 200
