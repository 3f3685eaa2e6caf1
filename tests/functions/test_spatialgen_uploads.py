"""SpatialGen: uploads through the broker, from the rules of a start to the video; only their caller goes on with them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.spatialgen import upload_rules
from local.twins.spatialgen_uploads import EXTENSIONS, LANGUAGES, LAYOUTS, PERSPECTIVES, start_faults
from local.twins.twin import Fault
from minting.bodies import decode_request
from minting.deadline import Deadline
from minting.problems import Problem
from tests.conftest import Answer
from tests.functions.contract import (
    BUSY,
    ERROR,
    INVALID,
    KEY_REJECTED,
    MALFORMED,
    NOT_ALLOWED,
    NOT_CONFIGURED,
    NOT_FOUND,
    OPERATORS_ERROR,
    PASSING_ERROR,
    TIMED_OUT,
    TOO_LARGE,
    UNAVAILABLE,
    Fresh,
    Said,
    faults,
    minted,
    moment,
    said,
)

if TYPE_CHECKING:
    from local.bundle import Bundle
    from tests.conftest import Function

UPLOADS = "/api/videos/uploads"
FILE_FIELDS = {
    *("uploadId", "fileRole", "fileName", "totalBytes", "partSizeBytes", "totalParts", "uploadStrategy", "status"),
}


def video(name: str = "a.mov", size: int = 10, role: str = "video", **fields: Any) -> dict[str, Any]:
    return {"fileName": name, "fileRole": role, "sizeBytes": size, **fields}


def upload(*files: dict[str, Any], layout: str = "SBS", **fields: Any) -> dict[str, Any]:
    body = {"videoName": "Reef", "layout": layout, "files": list(files) or [video()], "folderName": "Home"}
    return body | fields


class Upload(NamedTuple):
    """An upload that has been started."""

    function: "Function"
    session: str
    files: list[dict[str, Any]]

    def step(self, event: str, body: Any, place: int = 0, sub: str = "alice", **path: str) -> Answer:
        names = {"sessionId": self.session, "uploadId": self.files[place]["uploadId"]} | path
        return self.function.ask(f"spatialgen-{event}", body, sub=sub, pathParameters=names)

    def sign(self, *numbers: int, place: int = 0, sub: str = "alice") -> Answer:
        return self.step("part-urls", {"partNumbers": list(numbers) or [1]}, place, sub)

    def complete(self, *parts: dict[str, Any], place: int = 0, sub: str = "alice") -> Answer:
        return self.step("complete", {"parts": list(parts)} if parts else {}, place, sub)

    def cancel(self, sub: str = "alice", event: str = "spatialgen-cancel") -> Answer:
        return self.function.ask(event, sub=sub, pathParameters={"sessionId": self.session})


def started(function: "Function", *files: dict[str, Any], sub: str = "alice", **fields: Any) -> Upload:
    answer = function.ask("spatialgen-start", upload(*files, **fields), sub=sub)
    assert answer.status == 201, answer.body
    return Upload(function, answer.body["uploadSessionId"], answer.body["files"])


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def put(http: requests.Session, parts: list[dict[str, Any]], content: bytes) -> list[dict[str, Any]]:
    """What a client does: each part's bytes to its URL, without any key. Returns what it completes with."""
    done = []
    for part in parts:
        reply = http.put(part["url"], data=content[part["byteStart"] : part["byteEnd"] + 1])
        assert reply.status_code == 200
        done.append({"partNumber": part["partNumber"], "etag": reply.headers["ETag"]})
    return done


def twin_of(function: "Function") -> Any:
    return function.twin


# An upload, whole


def test_an_upload_of_two_files_becomes_one_video(function: Fresh, http: requests.Session) -> None:
    spatialgen = function("spatialgen")
    twin_of(spatialgen).part_bytes = 4
    begun = started(spatialgen, video(size=10), video("a.srt", 3, "subtitle", languageTag="EN"))
    assert [(file["uploadStrategy"], file["totalParts"]) for file in begun.files] == [
        ("multipart", 3),
        ("single_put", 1),
    ]
    film, text = begun.sign(1, 2, 3).body["parts"], begun.sign(1, place=1).body["parts"]
    first = begun.complete(*put(http, film, b"0123456789"))
    assert (first.status, first.body["status"], first.body["libraryId"]) == (200, "completed", None)
    put(http, text, b"abc")
    last = begun.complete(place=1)
    assert (last.status, last.body["libraryId"]) == (200, 4824)
    assert twin_of(spatialgen).videos[4824]["library"]["videoName"] == "Reef"


def test_a_range_of_parts_is_signed_as_well(function: Fresh, http: requests.Session) -> None:
    spatialgen = function("spatialgen")
    twin_of(spatialgen).part_bytes = 4
    begun = started(spatialgen, video(size=9))
    parts = begun.step("part-urls", {"startPartNumber": 2, "count": 2}).body["parts"]
    assert [part["partNumber"] for part in parts] == [2, 3]
    assert [(part["byteStart"], part["byteEnd"], part["sizeBytes"]) for part in parts] == [(4, 7, 4), (8, 8, 1)]
    assert put(http, parts, b"012345678")


def test_an_upload_over_http(bundle: "Bundle", http: requests.Session) -> None:
    http.headers["Authorization"] = f"Bearer {bundle.token('alice')}"
    url = f"{bundle.url}/v1/spatialgen/uploads"
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


# The rules of a start

FITTING = {
    "any layout with one video": [upload(layout=layout) for layout in ("2D", "MVHEVC", "SBS", "TB")],
    "every ending of a video": [upload(video(name)) for name in ("a.aivu", "a.mp4", "a.mov", "a.b.MOV", "é ü.Mp4")],
    "two halves": [
        upload(video(f"l{one}", role="video_left"), video(f"r{two}", role="video_right"), layout="Separate")
        for one in (".mp4", ".mov")
        for two in (".mp4", ".mov")
    ],
    "a bundle": [upload(video("a.aivu"), layout="AIV", perspective="180")],
    "a video with its metadata": [
        upload(video(), video("a.aime", role="aime"), video("a.zip", role="fcpxmld"), layout="AIV", perspective="180")
    ],
    "metadata elsewhere": [upload(video(), video("a.aime", role="aime"))],
    "any perspective": [upload(perspective=perspective) for perspective in PERSPECTIVES],
    "sound": [upload(video(), video(name, role="audio", languageTag="zxx")) for name in ("a.mp4", "a.m4a")],
    "languages": [
        upload(video(), *(video("a.srt", role="subtitle", languageTag=tag) for tag in sorted(LANGUAGES))),
        upload(video(), *(video("a.m4a", role="audio", languageTag=tag.upper()) for tag in sorted(LANGUAGES))),
    ],
    "words": [upload(description="", folderName="Home"), upload(description="x" * 4096)],
    "nulls": [upload(video(languageTag=None), description=None, perspective=None)],
    "a large file": [upload(video(size=200 * 10**9))],
    "long names": [upload(video("x" * 251 + ".mov"), videoName="x" * 255)],
    "many files": [upload(video(), *[video("a.srt", 1, "subtitle", languageTag="en")] * 149)],
}


@pytest.mark.parametrize("bodies", FITTING.values(), ids=FITTING)
def test_what_keeps_the_rules_starts(warm: Fresh, bodies: list[dict[str, Any]]) -> None:
    for body in bodies:
        answer = warm("spatialgen").ask("spatialgen-start", body)
        assert answer.status == 201, (body, answer.body)


def wrong(name: str = "a.mov", size: Any = 10, role: Any = "video", **fields: Any) -> dict[str, Any]:
    """An upload whose second file is this one."""
    return upload(video(), video(name, size, role, **fields))


LEFT, RIGHT = video("l.mp4", role="video_left"), video("r.mp4", role="video_right")
AIME, FCPXMLD = video("a.aime", role="aime"), video("a.zip", role="fcpxmld")

BROKEN: dict[str, tuple[Any, list[str]]] = {
    "nothing": ({}, ["files", "layout", "videoName"]),
    "an unknown field": (upload(isPublished=True), ["isPublished"]),
    "no name": (upload(videoName=""), ["videoName"]),
    "a name that is none": (upload(videoName=5), ["videoName"]),
    "a long name": (upload(videoName="x" * 256), ["videoName"]),
    "an unknown layout": (upload(layout="3D"), ["layout"]),
    "a layout in other letters": (upload(layout="sbs"), ["layout"]),
    "no layout": ({"videoName": "a", "files": [video()]}, ["layout"]),
    "a layout that is a list": (upload() | {"layout": ["SBS"]}, ["layout"]),
    "an unknown perspective": (upload(perspective="90"), ["perspective"]),
    "a perspective that is a number": (upload(perspective=180), ["perspective"]),
    "AIV without a perspective": (upload(video("a.aivu"), layout="AIV"), ["perspective"]),
    "AIV with 360": (upload(video("a.aivu"), layout="AIV", perspective="360"), ["perspective"]),
    "AIV of a plain video": (upload(layout="AIV", perspective="180"), ["files"]),
    "AIV with half its metadata": (upload(video(), AIME, layout="AIV", perspective="180"), ["files"]),
    "AIV with the other half": (upload(video(), FCPXMLD, layout="AIV", perspective="180"), ["files"]),
    "AIV without a video": (upload(AIME, FCPXMLD, layout="AIV", perspective="180"), ["files"]),
    "a description that is none": (upload(description=["a"]), ["description"]),
    "a long description": (upload(description="x" * 4097), ["description"]),
    "a folder that is none": (upload(folderName=5), ["folderName"]),
    "a folder without a name": (upload(folderName=""), ["folderName"]),
    "no files": (upload() | {"files": []}, ["files"]),
    "files that are none": (upload() | {"files": video()}, ["files"]),
    "files that are null": (upload() | {"files": None}, ["files"]),
    "a file that is none": (upload(video(), "a.mov"), ["files[1]"]),  # type: ignore[arg-type]
    "too many files": (upload(video(), *[video("a.srt", 1, "subtitle", languageTag="en")] * 150), ["files"]),
    "a file without anything": (upload(video(), {}), ["files[1].fileName", "files[1].fileRole", "files[1].sizeBytes"]),
    "an unknown field of a file": (wrong("a.aime", role="aime", url="https://a.example"), ["files[1].url"]),
    "an unknown role": (wrong(role="film"), ["files[1].fileRole"]),
    "a role that is a list": (wrong(role=["video"]), ["files[1].fileRole"]),
    "a name that is a path": (upload(video("../a.mov")), ["files[0].fileName"]),
    "a long name of a file": (upload(video("x" * 252 + ".mov")), ["files[0].fileName"]),
    "a name with a line break": (upload(video("a\n.mov")), ["files[0].fileName"]),
    "no size": (upload(video(size=0)), ["files[0].sizeBytes"]),
    "a size below nothing": (upload(video(size=-1)), ["files[0].sizeBytes"]),
    "a size that is no integer": (upload(video(size=1.5)), ["files[0].sizeBytes"]),  # type: ignore[arg-type]
    "a size that is a text": (upload(video(size="10")), ["files[0].sizeBytes"]),  # type: ignore[arg-type]
    "a size that no JSON reader keeps": (upload(video(size=2**53)), ["files", "files[0].sizeBytes"]),
    "two videos": (wrong(), ["files[1].fileRole"]),
    "three videos": (upload(video(), video(), video()), ["files[1].fileRole", "files[2].fileRole"]),
    "no video": (upload(AIME), ["files"]),
    "halves of a whole": (upload(video(), LEFT, RIGHT), ["files[1].fileRole", "files[2].fileRole"]),
    "halves alone": (upload(LEFT, RIGHT), ["files", "files[0].fileRole", "files[1].fileRole"]),
    "a whole of halves": (upload(video(), layout="Separate"), ["files", "files", "files[0].fileRole"]),
    "one half": (upload(LEFT, layout="Separate"), ["files"]),
    "the same half twice": (upload(LEFT, LEFT, layout="Separate"), ["files", "files[1].fileRole"]),
    "halves and a whole": (upload(LEFT, RIGHT, video(), layout="Separate"), ["files[2].fileRole"]),
    "two aimes": (upload(video(), AIME, AIME), ["files[2].fileRole"]),
    "two fcpxmlds": (upload(video(), FCPXMLD, FCPXMLD), ["files[2].fileRole"]),
    "an audio without a language": (wrong("a.m4a", role="audio"), ["files[1].languageTag"]),
    "a subtitle without a language": (wrong("a.srt", role="subtitle", languageTag=None), ["files[1].languageTag"]),
    "a subtitle in no language": (wrong("a.srt", role="subtitle", languageTag="zxx"), ["files[1].languageTag"]),
    "a language with a region": (wrong("a.srt", role="subtitle", languageTag="en-US"), ["files[1].languageTag"]),
    "an unknown language": (wrong("a.m4a", role="audio", languageTag="xx"), ["files[1].languageTag"]),
    "an empty language": (wrong("a.m4a", role="audio", languageTag=""), ["files[1].languageTag"]),
    "a video with a language": (upload(video(languageTag="en")), ["files[0].languageTag"]),
    "an aime with a language": (wrong("a.aime", role="aime", languageTag="en"), ["files[1].languageTag"]),
}
ENDINGS = [".aivu", ".mp4", ".mov", ".m4a", ".srt", ".aime", ".zip", ".avi", "", ".mp4.txt", "mp4"]
MISFITS = {
    f"{role} {ending or 'without an ending'}": (role, f"a{ending}")
    for role, fitting in EXTENSIONS.items()
    for ending in ENDINGS
    if ending not in fitting
}


def assert_refused(function: "Function", body: Any, fields: list[str]) -> None:
    answer = function.ask("spatialgen-start", body)
    assert said(answer) == INVALID
    assert faults(answer) == fields
    assert function.twin.calls == []


@pytest.mark.parametrize(("body", "fields"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_a_rule_is_refused_by_field_and_the_vendor_not_asked(
    warm: Fresh, body: Any, fields: list[str]
) -> None:
    assert_refused(warm("spatialgen"), body, fields)


def test_every_role_has_its_endings(warm: Fresh) -> None:
    spatialgen = warm("spatialgen")
    for role, name in MISFITS.values():
        tag: dict[str, Any] = {"languageTag": "en"} if role in {"audio", "subtitle"} else {}
        others = {"video": [], "video_left": [RIGHT], "video_right": [LEFT]}.get(role, [video()])
        layout = "Separate" if role in {"video_left", "video_right"} else "SBS"
        assert_refused(
            spatialgen,
            upload(*others, video(name, role=role, **tag), layout=layout),
            [f"files[{len(others)}].fileName"],
        )


def test_roles_layouts_endings_and_languages_are_the_twins_and_no_others(warm: Fresh) -> None:
    app = upload_rules
    assert {role: set(endings) for role, endings in app.EXTENSIONS.items()} == EXTENSIONS
    assert {"audio": LANGUAGES | {"zxx"}, "subtitle": LANGUAGES} == app.LANGUAGE_TAGS
    assert set(app.LAYOUT_ROLES) == set(LAYOUTS)


def test_all_faults_of_every_kind_are_told_at_once(warm: Fresh) -> None:
    files: list[Any] = [
        video("a.avi", 0),
        video("b.mov"),
        video("c.m4a", role="audio"),
        video("d.srt", "1", "subtitle", languageTag="xx"),  # type: ignore[arg-type]
        video("e.aime", role="aime", languageTag="en"),
        5,
        video("f.txt", role="text"),
    ]
    body = upload(*files, layout="AIV", videoName="", description=5, more=1, perspective="360")
    assert_refused(
        warm("spatialgen"),
        body,
        sorted(
            [
                *("description", "more", "perspective", "videoName", "files"),
                *("files[0].fileName", "files[0].sizeBytes", "files[1].fileRole", "files[2].languageTag"),
                *(
                    "files[3].languageTag",
                    "files[3].sizeBytes",
                    "files[4].languageTag",
                    "files[5]",
                    "files[6].fileRole",
                ),
            ]
        ),
    )


def test_each_fault_says_what_would_be_right(warm: Fresh) -> None:
    body = upload(video("a.avi"), video("a.srt", role="subtitle"), layout="Separate")
    told = {
        error["field"]: error["message"] for error in warm("spatialgen").ask("spatialgen-start", body).body["errors"]
    }
    assert told["files[0].fileName"] == "The role video allows .aivu, .mp4, .mov"
    assert told["files[0].fileRole"] == "The layout Separate does not allow the role video"
    assert told["files[1].languageTag"] == "Required for the role subtitle"


ROLES = [*EXTENSIONS, "film"]
names = st.builds(lambda ending: f"a{ending}", st.sampled_from([*ENDINGS, ".MOV", ".Aivu"]))
tags = st.sampled_from(["en", "EN", "zxx", "xx", "de", "", None])
drawn_files = st.fixed_dictionaries(
    {"fileName": names, "fileRole": st.sampled_from(ROLES), "sizeBytes": st.sampled_from([1, 5, 0])},
    optional={"languageTag": tags},
)
drawn = st.fixed_dictionaries(
    {
        "videoName": st.sampled_from(["Reef", ""]),
        "layout": st.sampled_from([*LAYOUTS, *LAYOUTS, "3D"]),
        "files": st.lists(drawn_files | st.just(LEFT) | st.just(RIGHT) | st.just(video("a.aivu")), max_size=4),
    },
    optional={"perspective": st.sampled_from([*PERSPECTIVES, "180", None, "90"])},
)


def test_an_upload_starts_just_where_the_vendor_would_start_it(warm: Fresh) -> None:
    """The twin has the rules from the same sheet, in code of its own."""
    shape = warm("spatialgen").module.uploads.StartRequest
    post = {"requestContext": {"http": {"method": "POST"}}, "headers": {"content-type": "application/json"}}

    @given(drawn)
    @settings(max_examples=400, deadline=None)
    def agree(body: dict[str, Any]) -> None:
        told: list[Any] = []
        try:
            decode_request(post | {"body": json.dumps(body)}, shape)
        except Problem as problem:
            told = list(problem.errors)
        assert bool(told) == bool(start_faults(body)), (body, told)

    agree()


def test_any_json_at_all_is_told_its_faults(warm: Fresh) -> None:
    shape = warm("spatialgen").module.uploads.StartRequest
    inner = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5)
    fields = st.sampled_from(["videoName", "layout", "files", "perspective", "fileName", "fileRole", "languageTag"])
    values = st.recursive(inner, lambda deeper: st.lists(deeper) | st.dictionaries(fields, deeper), max_leaves=9)

    @given(values)
    @settings(deadline=None)
    def tell(sent: Any) -> None:
        assert all(fault.field and fault.message for fault in shape.errors(sent))

    tell()


# What the vendor is asked


def test_the_vendor_gets_the_fields_that_were_sent_and_its_upload_key(warm: Fresh) -> None:
    spatialgen = warm("spatialgen")
    body = upload(video(), video("a.srt", 3, "subtitle", languageTag="ZH"), folderName="Home", description="d")
    assert spatialgen.ask("spatialgen-start", body | {"perspective": None}).status == 201
    [call] = spatialgen.twin.calls
    assert (call.method, call.path, call.query) == ("POST", UPLOADS, "")
    assert call.headers["x-spatialgen-appkey"] == "spatialgen-local-upload"
    body["files"][1]["languageTag"] = "zh"
    assert json.loads(call.body) == body


def test_steps_go_to_the_uploads_own_paths(function: Fresh) -> None:
    begun = started(function("spatialgen"))
    file = f"{UPLOADS}/{begun.session}/files/{begun.files[0]['uploadId']}"
    begun.step("part-urls", {"startPartNumber": 1, "count": 1})
    begun.complete({"partNumber": 1, "etag": '"e"'})
    begun.complete()
    begun.cancel()
    calls = [(call.method, call.path, json.loads(call.body or "null")) for call in begun.function.twin.calls[1:]]
    assert calls == [
        ("POST", f"{file}/part-urls", {"startPartNumber": 1, "count": 1}),
        ("POST", f"{file}/complete", {"parts": [{"partNumber": 1, "etag": '"e"'}]}),
        ("POST", f"{file}/complete", {}),
        ("DELETE", f"{UPLOADS}/{begun.session}", None),
    ]


# What is answered

LOUD = {"apiKey": "{key}", "debug": {"key": "{key}"}, "internalUrl": "https://inside.example/{key}"}
STARTED = {"uploadSessionId": "s-1", "files": [{"uploadId": "f-1"}]}
PART: dict[str, Any] = {
    "partNumber": 1,
    "sizeBytes": 4,
    "byteStart": 8,
    "url": "https://storage.example/p?s=1",
    "expiresAt": "2999-01-01T00:00:00Z",
}
SIGNED: dict[str, Any] = {"uploadId": "f-1", "parts": [PART]}
COMPLETED = {"uploadId": "f-1", "status": "completed", "libraryId": 7}


@pytest.fixture
def begun(function: Fresh) -> Upload:
    """An upload of one file, `s-1` and `f-1` by name."""
    spatialgen = function("spatialgen")
    spatialgen.twin.fault(Fault(path=UPLOADS, times=1, body=STARTED))
    return started(spatialgen)


def answered(begun: Upload, step: str, body: Any, **fault: Any) -> Answer:
    """What a step says when the vendor answers so."""
    begun.function.twin.fault(Fault(path=f"{UPLOADS}/", body=body, **fault))
    return begun.sign() if step == "part-urls" else begun.complete()


def test_a_start_answers_what_is_known_and_nothing_more(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    files = [{"uploadId": "f-1", "fileRole": "video", "totalParts": 2, **LOUD}]
    spatialgen.twin.fault(Fault(path=UPLOADS, body={"uploadSessionId": "s-1", "files": files, **LOUD}))
    answer = spatialgen.ask("spatialgen-start", upload())
    nothing = dict.fromkeys(FILE_FIELDS)
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}
    assert answer.body == {
        "uploadSessionId": "s-1",
        "files": [nothing | {"uploadId": "f-1", "fileRole": "video", "totalParts": 2}],
    }


def test_part_urls_answer_what_is_known_and_a_mint(begun: Upload) -> None:
    answer = answered(begun, "part-urls", SIGNED | LOUD | {"parts": [PART | LOUD | {"byteEnd": 12}]})
    assert answer.status == 200
    fields = minted(answer._replace(status=201))
    assert fields.fields == dict.fromkeys(FILE_FIELDS) | {"uploadId": "f-1", "parts": [PART | {"byteEnd": 11}]}
    assert (fields.vendor, fields.facts, fields.expires_at) == ("spatialgen", set(), "2999-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("2999-01-01T02:00:00+02:00", "2999-01-01T00:00:00Z"),
        ("2999-01-01T00:00:00.999", "2999-01-01T00:00:00Z"),
        (None, None),
        ("soon", None),
        (32503680000, None),
        ({}, None),
        ("9999-12-31T23:59:59-14:00", None),
    ],
)
def test_a_urls_end_is_told_in_utc_or_not_at_all(begun: Upload, theirs: Any, ours: str | None) -> None:
    body = answered(begun, "part-urls", SIGNED | {"parts": [PART | {"expiresAt": theirs}]}).body
    assert (body["parts"][0]["expiresAt"], body["mint"]["expires_at"]) == (ours, ours)


def test_several_urls_end_with_the_first_that_does(begun: Upload) -> None:
    ends = ["2998-01-01T00:00:00Z", "2997-01-01T00:00:00Z", None]
    parts = [PART | {"partNumber": number, "expiresAt": end} for number, end in enumerate(ends, 1)]
    assert answered(begun, "part-urls", SIGNED | {"parts": parts}).body["mint"]["expires_at"] == ends[1]


def test_the_record_of_part_urls_names_the_file_and_the_first_url(
    begun: Upload, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    answered(begun, "part-urls", SIGNED)
    record = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (record["outcome"], record["subject"]) == ("signed", "upload#s-1#f-1")
    assert (record["caller"]["sub"], len(record["token_sha256"])) == ("alice", 64)
    assert PART["url"] not in json.dumps(record)


def test_the_records_of_an_upload_say_what_was_done_by_whom_and_with_which_file(
    function: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = started(function("spatialgen"))
    begun.function.twin.fault(Fault(path=f"{UPLOADS}/", body=SIGNED | COMPLETED))
    assert [answer.status for answer in (begun.sign(), begun.complete(), begun.cancel())] == [200, 200, 204]
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "mint_id" in line]
    whole = f"upload#{begun.session}"
    file = f"{whole}#{begun.files[0]['uploadId']}"
    done = [("started", None), ("signed", file), ("completed", file), ("cancelled", whole)]
    assert [(record["outcome"], record.get("subject")) for record in records] == done
    assert {record["caller"]["sub"] for record in records} == {"alice"}


def test_a_completion_answers_what_is_known(begun: Upload) -> None:
    body = answered(begun, "complete", COMPLETED | LOUD).body
    assert body == dict.fromkeys(FILE_FIELDS) | COMPLETED


MAD: dict[str, list[Any]] = {
    "part-urls": [
        *(
            {},
            [],
            "null",
            {"uploadId": "f-1"},
            SIGNED | {"parts": []},
            SIGNED | {"parts": {}},
            SIGNED | {"uploadId": 5},
        ),
        *(SIGNED | {"parts": [PART | {"url": url}]} for url in ("", "javascript:alert(1)", "https://a b", None, 5)),
        *(SIGNED | {"parts": [PART | {name: "1"}]} for name in ("partNumber", "sizeBytes", "byteStart")),
    ],
    "complete": [{}, [], "", COMPLETED | {"libraryId": "7"}, COMPLETED | {"status": {}}],
}


@pytest.mark.parametrize("step", MAD)
def test_an_answer_that_is_none_is_malformed(begun: Upload, step: str) -> None:
    for body in MAD[step]:
        begun.function.twin.reset()
        assert said(answered(begun, step, body)) == MALFORMED.of(200), body


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], "", {"uploadSessionId": "s-1"}, STARTED | {"files": []}, STARTED | {"files": {}}),
        *(STARTED | {"uploadSessionId": name} for name in ("", 5, None, "a/b", "..", "a#b", "x" * 129)),
        *(STARTED | {"files": [{"uploadId": name}]} for name in ("", 5, None, "a/b", "..", "a#b")),
        STARTED | {"files": [{}]},
    ],
)
def test_a_start_without_names_to_go_on_with_is_malformed(warm: Fresh, body: Any) -> None:
    spatialgen = warm("spatialgen")
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
def test_a_start_takes_either_name_for_the_upload(function: Fresh, names: dict[str, Any], session: str) -> None:
    spatialgen = function("spatialgen")
    spatialgen.twin.fault(Fault(path=UPLOADS, body={"files": STARTED["files"]} | names))
    assert started(spatialgen).session == session


def test_an_upload_that_the_vendor_names_session_id_goes_on_to_its_video(
    function: Fresh, http: requests.Session
) -> None:
    spatialgen = function("spatialgen")
    twin_of(spatialgen).session_name = "sessionId"
    begun = started(spatialgen)
    put(http, begun.sign().body["parts"], b"0123456789")
    assert begun.complete().body["libraryId"] == 4824


def test_the_upload_key_is_in_no_answer(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    answers = []
    for status in (200, 400, 401, 403, 404, 409, 500):
        spatialgen.twin.reset()
        spatialgen.module.vendor._keyring._rejections.clear()
        begun = started(spatialgen)
        spatialgen.twin.fault(Fault(status=status, body=LOUD | {"message": "{key}", "uploadId": "f"}))
        answers += [begun.sign(), begun.complete(), begun.cancel(), spatialgen.ask("spatialgen-start", upload())]
    assert answers
    assert not any("spatialgen-local" in json.dumps(answer.raw) for answer in answers)


# Whose an upload is


def everything(begun: Upload, sub: str) -> list[Answer]:
    return [begun.sign(sub=sub), begun.complete(sub=sub), begun.cancel(sub)]


def words(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.body.items() if name != "instance"}


def test_another_caller_is_told_what_is_told_of_an_upload_that_never_was(function: Fresh) -> None:
    begun = started(function("spatialgen"))
    never = begun._replace(session="5e8f9f2e-0000-4000-8000-000000000000")
    foreign, absent = everything(begun, "mallory"), everything(never, "alice")
    assert {said(answer) for answer in foreign + absent} == {NOT_FOUND}
    assert [words(answer) for answer in foreign] == [words(answer) for answer in absent]
    assert [call.path for call in begun.function.twin.calls] == [UPLOADS]


def test_a_caller_of_another_issuer_is_another(function: Fresh, bundle: "Bundle") -> None:
    begun = started(function("spatialgen"))
    event = bundle.event("spatialgen-cancel") | {"pathParameters": {"sessionId": begun.session}}
    event["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] = "https://other.example.com"
    assert said(begun.function.send(event)) == NOT_FOUND


def test_a_file_of_anothers_upload_is_not_found_under_ones_own(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    mine, theirs = started(spatialgen), started(spatialgen, sub="bob")
    mixed = mine._replace(files=theirs.files)
    assert [said(answer) for answer in (mixed.sign(), mixed.complete())] == [NOT_FOUND, NOT_FOUND]
    assert len(spatialgen.twin.calls) == 2


def test_an_upload_goes_on_in_another_environment_of_the_function(function: Fresh) -> None:
    begun = started(function("spatialgen"))
    elsewhere = begun._replace(function=function("spatialgen"))
    assert [answer.status for answer in everything(elsewhere, "alice")] == [200, 400, 204]


def test_owners_are_kept_for_the_five_days_and_a_little_more(function: Fresh, bundle: "Bundle", table: str) -> None:
    begun = started(function("spatialgen"), video(), AIME)
    aws: dict[str, Any] = bundle.aws
    items = boto3.client("dynamodb", **aws).scan(TableName=table)["Items"]
    owners = {item["id"]["S"]: int(item["expires"]["N"]) for item in items if "owner" in item}
    upload_id = f"spatialgen#upload#{begun.session}"
    assert owners.keys() == {upload_id, *(f"{upload_id}#{file['uploadId']}" for file in begun.files)}
    for expires in owners.values():
        kept = datetime.fromtimestamp(expires, UTC) - datetime.now(UTC)
        assert timedelta(days=5) < kept < timedelta(days=8)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "a#b", "é", "a" * 129, "a?b=c"])
def test_a_name_that_is_none_is_refused(warm: Fresh, name: str) -> None:
    begun = Upload(warm("spatialgen"), name, [{"uploadId": name}])
    answers = [begun.sign(), begun.complete(), begun.cancel()]
    assert [said(answer) for answer in answers] == [INVALID] * 3
    assert [faults(answer) for answer in answers] == [["sessionId", "uploadId"]] * 2 + [["sessionId"]]
    assert begun.function.twin.calls == []


def test_a_body_does_not_rename_what_the_path_names(function: Fresh) -> None:
    begun, other = started(function("spatialgen")), started(function("spatialgen"), sub="bob")
    body = {"partNumbers": [1], "sessionId": other.session, "uploadId": other.files[0]["uploadId"]}
    assert begun.step("part-urls", body).body["uploadId"] == begun.files[0]["uploadId"]


# Parts

NUMBERS: dict[str, tuple[Any, list[str]]] = {
    "nothing": ({}, ["partNumbers"]),
    "null": ({"partNumbers": None}, ["partNumbers"]),
    "none": ({"partNumbers": []}, ["partNumbers"]),
    "both ways": ({"partNumbers": [1], "startPartNumber": 1, "count": 1}, ["partNumbers"]),
    "a way and a half": ({"partNumbers": [1], "count": 1}, ["partNumbers"]),
    "a start": ({"startPartNumber": 1}, ["partNumbers"]),
    "a count": ({"count": 1}, ["partNumbers"]),
    "part 0": ({"partNumbers": [0]}, ["partNumbers[0]"]),
    "part 10001": ({"partNumbers": [1, 10_001]}, ["partNumbers[1]"]),
    "a text": ({"partNumbers": ["1"]}, ["partNumbers[0]"]),
    "too many": ({"partNumbers": list(range(1, 1002))}, ["partNumbers"]),
    "too large a count": ({"startPartNumber": 1, "count": 1001}, ["count"]),
    "no count": ({"startPartNumber": 1, "count": 0}, ["count"]),
    "a start at 0": ({"startPartNumber": 0, "count": 1}, ["startPartNumber"]),
    "an unknown field": ({"partNumbers": [1], "url": "a"}, ["url"]),
}
ETAG = '"9e107d9d372bb6826bd81d3542a419d6"'
PARTS: dict[str, tuple[Any, list[str]]] = {
    "none": ({"parts": []}, ["parts"]),
    "an object": ({"parts": {}}, ["parts"]),
    "a number": ({"parts": 5}, ["parts"]),
    "a list of numbers": ({"parts": [1]}, ["parts", "parts[0]"]),
    "a gap": ({"parts": [{"partNumber": 1, "etag": ETAG}, {"partNumber": 3, "etag": ETAG}]}, ["parts"]),
    "not the first": ({"parts": [{"partNumber": 2, "etag": ETAG}]}, ["parts"]),
    "one twice": ({"parts": [{"partNumber": 1, "etag": ETAG}, {"partNumber": 1, "etag": ETAG}]}, ["parts"]),
    "no ETag": ({"parts": [{"partNumber": 1}]}, ["parts[0].etag"]),
    "an ETag with a line break": ({"parts": [{"partNumber": 1, "etag": "a\nb"}]}, ["parts[0].etag"]),
    "an unknown field": ({"parts": [{"partNumber": 1, "etag": ETAG, "size": 5}]}, ["parts[0].size"]),
}


@pytest.mark.parametrize(
    ("step", "body", "fields"),
    [("part-urls", *case) for case in NUMBERS.values()] + [("complete", *case) for case in PARTS.values()],
    ids=[f"part-urls {name}" for name in NUMBERS] + [f"complete {name}" for name in PARTS],
)
def test_parts_that_cannot_be_are_refused(warm: Fresh, step: str, body: Any, fields: list[str]) -> None:
    begun = Upload(warm("spatialgen"), "s-1", [{"uploadId": "f-1"}])
    answer = begun.step(step, body)
    assert said(answer) == INVALID
    assert faults(answer) == fields
    assert begun.function.twin.calls == []


def test_ten_thousand_parts_can_be_completed_and_a_thousand_signed(begun: Upload) -> None:
    parts = [{"partNumber": number, "etag": ETAG} for number in range(1, 10_001)]
    answer = answered(begun, "complete", COMPLETED)
    assert begun.complete(*parts).status == answer.status == 200
    begun.function.twin.reset()
    url = "https://storage.example/" + "x" * 3500
    many = [PART | {"partNumber": number, "url": url} for number in range(1, 1001)]
    begun.function.twin.fault(Fault(path=UPLOADS, body=SIGNED | {"parts": many}))
    signed = begun.step("part-urls", {"startPartNumber": 1, "count": 1000})
    assert (signed.status, len(signed.body["parts"])) == (200, 1000)
    assert len(signed.raw["body"]) < 6_000_000


def test_a_larger_body_is_too_large_and_a_large_wrong_one_has_a_small_answer(begun: Upload) -> None:
    assert said(begun.step("complete", " " * (1024 * 1024 + 1))) == TOO_LARGE
    for bomb in ('{"parts":[' + "0," * 500_000 + "0]}", json.dumps({str(name): 0 for name in range(60_000)})):
        answer = begun.step("complete", bomb)
        assert said(answer) == INVALID
        assert len(answer.raw["body"]) < 256 * 1024


# Folders


WITHOUT_A_FOLDER = {name: value for name, value in upload().items() if name != "folderName"}


@pytest.mark.parametrize("body", [upload(), WITHOUT_A_FOLDER, upload(folderName=None)], ids=["Home", "none", "null"])
@pytest.mark.parametrize("listed", ["", "home", "a,Home", "*"])
def test_an_upload_names_a_folder_that_is_listed_unless_any_is(
    function: Fresh, listed: str, body: dict[str, Any]
) -> None:
    spatialgen = function("spatialgen", SPATIALGEN_UPLOAD_FOLDERS=listed, SPATIALGEN_FOLDERS="*")
    answer = spatialgen.ask("spatialgen-start", body)
    allowed = listed == "*" or (listed == "a,Home" and bool(body.get("folderName")))
    assert len(spatialgen.twin.calls) == allowed
    assert answer.status == 201 if allowed else (said(answer), faults(answer)) == (NOT_ALLOWED, ["folderName"])


# Sizes


@pytest.mark.parametrize(("sizes", "status"), [([10, 20], 201), ([30], 201), ([10, 21], 400), ([31], 400)])
def test_an_upload_has_no_more_bytes_than_the_deployment_takes(function: Fresh, sizes: list[int], status: int) -> None:
    spatialgen = function("spatialgen", SPATIALGEN_UPLOAD_MAX_BYTES="30")
    files = [video(size=sizes[0]), *(video("a.aime", size, "aime") for size in sizes[1:])]
    answer = spatialgen.ask("spatialgen-start", upload(*files))
    assert answer.status == status
    if status == 400:
        assert said(answer) == INVALID
        message = "This deployment accepts at most 30 bytes in total (SPATIALGEN_UPLOAD_MAX_BYTES)"
        assert answer.body["errors"] == [{"field": "files", "message": message}]
        assert spatialgen.twin.calls == []


@pytest.mark.parametrize(("texts", "status"), [(1, 201), (2, 400), (149, 400)])
def test_an_upload_has_no_more_files_than_the_deployment_takes(function: Fresh, texts: int, status: int) -> None:
    spatialgen = function("spatialgen", SPATIALGEN_UPLOAD_MAX_FILES="2")
    files = [video(), *[video("a.srt", 1, "subtitle", languageTag="en")] * texts]
    answer = spatialgen.ask("spatialgen-start", upload(*files))
    assert answer.status == status
    if status == 400:
        assert said(answer) == INVALID
        message = "This deployment accepts at most 2 files (SPATIALGEN_UPLOAD_MAX_FILES)"
        assert answer.body["errors"] == [{"field": "files", "message": message}]
        assert spatialgen.twin.calls == []


@pytest.mark.parametrize("sizes", [[200 * 10**9 + 1], [10**11, 10**11, 1], [2**53 - 1] * 150, [10**40]])
def test_two_hundred_gigabytes_are_the_most_unless_the_team_says_otherwise(warm: Fresh, sizes: list[int]) -> None:
    spatialgen = warm("spatialgen")
    files = [video(size=sizes[0]), *(video("a.srt", size, "subtitle", languageTag="en") for size in sizes[1:])]
    answer = spatialgen.ask("spatialgen-start", upload(*files))
    assert said(answer) == INVALID
    assert any("200000000000 bytes" in error["message"] for error in answer.body["errors"])
    assert spatialgen.twin.calls == []


# The life of an upload


def test_completing_again_says_the_same(function: Fresh, http: requests.Session) -> None:
    begun = started(function("spatialgen"))
    put(http, begun.sign().body["parts"], b"0123456789")
    assert [begun.complete().body["libraryId"] for _ in range(3)] == [4824] * 3
    assert said(begun.sign()) == NOT_FOUND.of(409)


def test_completing_what_storage_does_not_have_is_invalid(function: Fresh) -> None:
    begun = started(function("spatialgen"))
    assert said(begun.complete()) == INVALID.of(400)
    assert said(begun.complete({"partNumber": 1, "etag": ETAG})) == INVALID.of(400)


def test_signing_a_part_that_there_is_not_is_invalid(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    twin_of(spatialgen).part_bytes = 4
    assert said(started(spatialgen, video(size=9)).sign(4)) == INVALID.of(400)


def test_cancelling_ends_the_upload_for_good(function: Fresh) -> None:
    begun = started(function("spatialgen"), video(), AIME)
    cancelled = begun.cancel()
    assert (cancelled.status, cancelled.headers, cancelled.raw["body"]) == (204, {"cache-control": "no-store"}, "")
    ends = [begun.sign(), begun.sign(place=1), begun.complete(), begun.complete(place=1)]
    assert [said(answer) for answer in ends] == [NOT_FOUND.of(409)] * 4
    assert begun.cancel().status == 204


def test_both_ways_to_cancel_end_the_upload_at_the_vendor(function: Fresh) -> None:
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
def test_a_cancel_that_the_vendor_has_not_done_is_never_told_as_done(function: Fresh, event: str, status: int) -> None:
    begun = started(function("spatialgen"))
    begun.function.twin.fault(Fault(status=status))
    assert said(begun.cancel(event=event)) == NOT_FOUND.of(status)


def test_a_cancel_that_is_lost_on_its_way_is_sent_again(function: Fresh) -> None:
    begun = started(function("spatialgen"))
    begun.function.twin.fault(Fault(mode="drop", times=1))
    assert begun.cancel().status == 204


def test_an_upload_is_over_after_five_days(function: Fresh) -> None:
    begun = started(function("spatialgen"))
    begun.function.twin.skew = 5 * 24 * 3600.0
    assert said(begun.sign()) == NOT_FOUND.of(409)


def test_a_url_can_be_had_anew_when_it_has_ended(function: Fresh, http: requests.Session) -> None:
    begun = started(function("spatialgen"))
    first = begun.sign().body["parts"][0]
    assert moment(first["expiresAt"]) > datetime.now(UTC)
    begun.function.twin.skew = 3601.0
    assert http.put(first["url"], data=b"0123456789").status_code == 403
    assert put(http, begun.sign().body["parts"], b"0123456789")


# Limits


def test_starting_counts_and_going_on_does_not(function: Fresh, http: requests.Session) -> None:
    begun = started(function("spatialgen", CALLER_PER_HOUR="1"))
    for _ in range(3):
        put(http, begun.sign().body["parts"], b"0123456789")
    assert begun.complete().status == 200
    answer = begun.function.ask("spatialgen-start", upload())
    assert (answer.status, answer.body["code"], answer.body["limit"]) == (429, "quota_exceeded", "caller_per_hour")


def test_a_start_that_fails_is_given_back(function: Fresh) -> None:
    spatialgen = function("spatialgen", CALLER_PER_HOUR="1")
    for status in (400, 401, 500):
        spatialgen.twin.fault(Fault(path=UPLOADS, status=status, times=1))
        assert spatialgen.ask("spatialgen-start", upload()).status >= 400
        spatialgen.module.vendor._keyring._rejections.clear()
    assert started(spatialgen)


# The vendor in trouble

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
def test_every_error_goes_by_its_status_whatever_its_shape(
    function: Fresh, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.retry.Retry._sleep_backoff", lambda _: None)
    spatialgen = function("spatialgen", CALLER_PER_HOUR="100")
    begun = started(spatialgen)
    bodies: dict[str, Any] = {"json": {"message": "{key}"}, "text": "{key}", "empty": ""}
    for status, (of_a_start, of_a_step) in STATUSES.items():
        spatialgen.module.vendor._keyring._rejections.clear()
        spatialgen.twin.reset()
        spatialgen.twin.fault(Fault(path=UPLOADS, status=status, body=bodies[shape]))
        assert said(spatialgen.ask("spatialgen-start", upload())) == of_a_start.of(status)
        spatialgen.module.vendor._keyring._rejections.clear()
        for ask in (begun.sign, begun.complete, begun.cancel):
            assert said(ask()) == of_a_step.of(status), status


DIGITS = "5000 digits"
ODD: list[Any] = [10**30, -1, 1.5, "", "é", "\ud800", "9999-12-31T23:59:59-14:00", DIGITS, True, None, [], {}]
CASES: list[Any] = [
    *(SIGNED | {"parts": [PART | {name: value}]} for name in PART for value in ODD),
    *(COMPLETED | {name: value} for name in ("libraryId", "totalBytes", "status") for value in ODD),
    *([{"stream": {"jobId": value}, "library": {"folderName": "Home"}}] for value in ODD),
    *({"streams": [], "library": {"folderName": "Home", "id": value}} for value in ODD),
]
KEYS = ["uploadId", "files", "parts", "partNumber", "sizeBytes", "byteStart", "url", "library", "streams"]
mad = st.recursive(
    st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


def test_whatever_the_vendor_says_is_no_fault_of_ours(begun: Upload) -> None:
    spatialgen = begun.function

    @given(st.sampled_from(CASES) | mad)
    @settings(max_examples=100, deadline=None)
    def ask(body: Any) -> None:
        spatialgen.twin.reset()
        spatialgen.twin.fault(Fault(body=json.dumps(body).replace(f'"{DIGITS}"', "9" * 5000)))
        reads = [spatialgen.ask(event) for event in ("spatialgen-videos", "spatialgen-streams")]
        for answer in [begun.sign(), begun.complete(), begun.cancel(), *reads]:
            assert answer.status < 300 or answer.body["code"] in {"vendor_malformed", "not_found"}

    ask()


def test_an_upload_is_not_lost_over_what_is_not_needed_to_go_on(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    file = {"uploadId": "f-1", "fileName": "film.mp4", "totalBytes": "1000", "totalParts": 1e99, "status": 5}
    spatialgen.twin.fault(Fault(path=UPLOADS, times=1, body=STARTED | {"files": [file]}))
    answer = spatialgen.ask("spatialgen-start", upload())
    unknown = dict.fromkeys(("fileRole", "totalBytes", "partSizeBytes", "uploadStrategy", "status"))
    assert answer.status == 201
    assert answer.body["files"] == [{"uploadId": "f-1", "fileName": "film.mp4", "totalParts": 1e99, **unknown}]


def test_a_start_is_not_asked_twice_and_the_rest_is(function: Fresh) -> None:
    spatialgen = function("spatialgen")
    begun = started(spatialgen)
    for fault in (Fault(status=503, times=1), Fault(mode="drop", times=1)):
        spatialgen.twin.fault(fault)
        assert said(spatialgen.ask("spatialgen-start", upload())).code == "vendor_unavailable"
    assert [call.path for call in spatialgen.twin.calls] == [UPLOADS] * 3
    for ask, status in ((begun.sign, 200), (begun.complete, 400), (begun.cancel, 204)):
        for fault in (Fault(status=503, times=1), Fault(mode="drop", times=1)):
            spatialgen.twin.fault(fault)
            assert ask().status == status


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
def test_a_start_whose_answer_is_lost_is_not_to_be_retried(warm: Fresh, fault: Fault, problem: Said) -> None:
    spatialgen = warm("spatialgen")
    spatialgen.twin.fault(fault)
    answer = spatialgen.ask("spatialgen-start", upload(), timeout=1.3)
    assert said(answer) == problem._replace(retryable=False)
    assert "Another start may leave another one behind" in answer.body["detail"]
    assert len(spatialgen.twin.calls) <= 1


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_start_that_the_vendor_has_not_begun_may_be_retried(warm: Fresh, status: int) -> None:
    spatialgen = warm("spatialgen")
    spatialgen.twin.fault(Fault(status=status))
    assert said(spatialgen.ask("spatialgen-start", upload())).retryable


def test_a_start_that_never_left_may_be_retried(function: Fresh, nobody: str) -> None:
    spatialgen = function("spatialgen", SPATIALGEN_API_URL=nobody)
    assert said(spatialgen.ask("spatialgen-start", upload())) == UNAVAILABLE.of(None, retry_after=2)


def test_an_upload_whose_owner_cannot_be_written_down_is_not_to_be_retried(
    function: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    spatialgen = function("spatialgen")

    def fail(*_: Any) -> None:
        raise Problem("limits_unavailable", "The limits cannot be checked right now.", retry_after=5)

    monkeypatch.setattr(spatialgen.module.vendor.owners, "remember", fail)
    answer = spatialgen.ask("spatialgen-start", upload())
    assert (answer.body["code"], answer.body["retryable"]) == ("limits_unavailable", False)
    assert len(twin_of(spatialgen).groups) == 1


def test_a_403_about_one_upload_stops_nobody_else_and_is_not_about_the_key(
    function: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    spatialgen = function("spatialgen")
    begun = started(spatialgen)
    spatialgen.twin.fault(Fault(path=f"{UPLOADS}/", status=403, times=3))
    refused = [said(answer) for answer in (begun.sign(), begun.complete(), begun.cancel())]
    assert refused == [OPERATORS_ERROR.of(403)] * 3
    assert "vendor_key_rejected" not in capsys.readouterr().out
    assert started(spatialgen, sub="bob").sign(sub="bob").status == 200


# Keys

READONLY = {"key": "spatialgen-local-readonly", "expires_at": "2999-01-01T00:00:00Z"}


def test_a_rotated_upload_key_costs_no_upload(function: Fresh, http: requests.Session) -> None:
    spatialgen = function("spatialgen")
    begun = started(spatialgen)
    for ask in (lambda: started(spatialgen), begun.sign, begun.cancel):
        old = spatialgen.module.vendor._keyring.current(Deadline(5)).upload.key
        spatialgen.put_key({"upload": {"key": twin_of(spatialgen).rotate(old)}})
        answer = ask()
        assert isinstance(answer, Upload) or answer.status in {200, 204}


@pytest.mark.parametrize("secret", [{}, {"readonly": READONLY}, {"upload": None, "readonly": READONLY}])
def test_without_an_upload_key_nothing_is_uploaded(function: Fresh, secret: dict[str, Any]) -> None:
    spatialgen = function("spatialgen", secret)
    assert said(spatialgen.ask("spatialgen-start", upload())) == NOT_CONFIGURED
    assert spatialgen.twin.calls == []


def test_an_upload_key_set_while_the_function_is_warm_is_used_at_once(function: Fresh) -> None:
    spatialgen = function("spatialgen", {"readonly": READONLY})
    spatialgen.put_key({"readonly": READONLY, "upload": {"key": " spatialgen-local-upload\n"}})
    assert started(spatialgen)


OTHERS = ["spatialgen-lease", "spatialgen-videos", "spatialgen-streams", "spatialgen-widevine"]


@pytest.mark.parametrize("upload_key", [None, {"key": "a-revoked-key"}])
def test_an_upload_key_that_is_no_good_stops_nothing_but_uploads(
    function: Fresh, upload_key: dict[str, str] | None
) -> None:
    spatialgen = function("spatialgen", {"readonly": READONLY, "upload": upload_key})
    codes = {spatialgen.ask("spatialgen-start", upload()).body["code"] for _ in range(3)}
    assert codes == {"vendor_key_rejected" if upload_key else "not_configured"}
    assert len(spatialgen.twin.calls) == (1 if upload_key else 0)
    assert {spatialgen.ask(event).status for event in OTHERS} == {200, 201}


@pytest.mark.parametrize(
    "readonly", [None, READONLY | {"key": "a-revoked-key"}, READONLY | {"expires_at": "2020-01-01T00:00:00Z"}]
)
def test_a_readonly_key_that_is_no_good_stops_no_upload(function: Fresh, readonly: dict[str, str] | None) -> None:
    spatialgen = function("spatialgen", {"readonly": readonly, "upload": {"key": "spatialgen-local-upload"}})
    assert {spatialgen.ask(event).status for event in OTHERS[1:]} <= {502, 503}
    assert started(spatialgen).sign().status == 200
