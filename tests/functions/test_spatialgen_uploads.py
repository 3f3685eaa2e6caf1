"""SpatialGen: uploads through the broker, from the rules of a start to the video; only their caller goes on with them."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from local.twins.spatialgen_uploads import EXTENSIONS, LANGUAGES, LAYOUTS, PERSPECTIVES, start_faults
from local.twins.twin import Fault
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
    PASSING_ERROR,
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
    return {"videoName": "Reef", "layout": layout, "files": list(files) or [video()], **fields}


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

    def cancel(self, sub: str = "alice") -> Answer:
        return self.function.ask("spatialgen-cancel", sub=sub, pathParameters={"sessionId": self.session})


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
    assert http.post(f"{url}/{begun['uploadSessionId']}/cancel").status_code == 404  # it is complete
    other = http.post(url, json=upload()).json()["uploadSessionId"]
    cancelled = http.post(f"{url}/{other}/cancel")
    assert (cancelled.status_code, cancelled.content) == (204, b"")


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
    "nulls": [upload(video(languageTag=None), description=None, folderName=None, perspective=None)],
    "a large file": [upload(video(size=2**53 - 1))],
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
    "a name with a line break": (upload(video("a\n.mov")), ["files[0].fileName"]),
    "no size": (upload(video(size=0)), ["files[0].sizeBytes"]),
    "a size below nothing": (upload(video(size=-1)), ["files[0].sizeBytes"]),
    "a size that is no integer": (upload(video(size=1.5)), ["files[0].sizeBytes"]),  # type: ignore[arg-type]
    "a size that is a text": (upload(video(size="10")), ["files[0].sizeBytes"]),  # type: ignore[arg-type]
    "a size that no JSON reader keeps": (upload(video(size=2**53)), ["files[0].sizeBytes"]),
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
        tag = {"languageTag": "en"} if role in {"audio", "subtitle"} else {}
        others = {"video": [], "video_left": [RIGHT], "video_right": [LEFT]}.get(role, [video()])
        layout = "Separate" if role in {"video_left", "video_right"} else "SBS"
        assert_refused(
            spatialgen,
            upload(*others, video(name, role=role, **tag), layout=layout),
            [f"files[{len(others)}].fileName"],
        )


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
    assert told["files[0].fileName"] == "The role video takes .aivu, .mp4, .mov"
    assert told["files[0].fileRole"] == "The layout Separate takes no video"
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


def test_the_rules_are_those_of_the_vendor(function: Fresh) -> None:
    """The twin has them from the same sheet, in code of its own."""
    shape = function("spatialgen").module.StartRequest
    decode = function("spatialgen").module.vendor._operations["POST /v1/spatialgen/uploads"].body
    assert shape is decode or shape.__name__ == decode.__name__


def test_an_upload_starts_where_the_vendor_would_start_it(warm: Fresh) -> None:
    from minting.bodies import decode_request
    from minting.problems import Problem

    shape = warm("spatialgen").module.StartRequest

    @given(drawn)
    @settings(max_examples=400, deadline=None)
    def agree(body: dict[str, Any]) -> None:
        event = {
            "requestContext": {"http": {"method": "POST"}},
            "headers": {"content-type": "application/json"},
            "body": json.dumps(body),
        }
        try:
            decode_request(event, shape)
        except Problem as problem:
            assert start_faults(body), (body, problem.errors)
        else:
            assert start_faults(body) == []

    agree()
