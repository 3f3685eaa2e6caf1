"""SpatialGen's rules for an upload: layouts, roles, extensions, languages, and the deployment's limits."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.spatialgen import upload_rules
from local.twins.spatialgen_uploads import EXTENSIONS, LANGUAGES, LAYOUTS, PERSPECTIVES, start_faults
from minting.bodies import decode_request
from minting.problems import Problem
from tests.functions.contract import INVALID, Fresh, faults, said
from tests.functions.spatialgen_uploads import AIME, FCPXMLD, LEFT, RIGHT, upload, video

if TYPE_CHECKING:
    from tests.conftest import Function

FITTING = {
    "any layout with one video": [upload(layout=layout) for layout in ("2D", "MVHEVC", "SBS", "TB")],
    "every extension of a video": [upload(video(name)) for name in ("a.aivu", "a.mp4", "a.mov", "a.b.MOV", "é ü.Mp4")],
    "a left and a right video": [
        upload(video(f"l{one}", role="video_left"), video(f"r{two}", role="video_right"), layout="Separate")
        for one in (".mp4", ".mov")
        for two in (".mp4", ".mov")
    ],
    "an AIV of one .aivu": [upload(video("a.aivu"), layout="AIV", perspective="180")],
    "an AIV of a video and its metadata": [
        upload(video(), video("a.aime", role="aime"), video("a.zip", role="fcpxmld"), layout="AIV", perspective="180")
    ],
    "metadata with another layout": [upload(video(), video("a.aime", role="aime"))],
    "any perspective": [upload(perspective=perspective) for perspective in PERSPECTIVES],
    "audio in no language": [
        upload(video(), video(name, role="audio", languageTag="zxx")) for name in ("a.mp4", "a.m4a")
    ],
    "every language": [
        upload(video(), *(video("a.srt", role="subtitle", languageTag=tag) for tag in sorted(LANGUAGES))),
        upload(video(), *(video("a.m4a", role="audio", languageTag=tag.upper()) for tag in sorted(LANGUAGES))),
    ],
    "descriptions": [upload(description="", folderName="Home"), upload(description="x" * 4096)],
    "nulls": [upload(video(languageTag=None), description=None, perspective=None)],
    "a large file": [upload(video(size=200 * 10**9))],
    "long names": [upload(video("x" * 251 + ".mov"), videoName="x" * 255)],
    "many files": [upload(video(), *[video("a.srt", 1, "subtitle", languageTag="en")] * 149)],
}


@pytest.mark.parametrize("bodies", FITTING.values(), ids=FITTING)
def test_an_upload_that_keeps_every_rule_starts(tableless: Fresh, bodies: list[dict[str, Any]]) -> None:
    spatialgen = tableless("spatialgen")
    for body in bodies:
        answer = spatialgen.ask("spatialgen-start", body)
        assert answer.status == 201, (body, answer.body)


def wrong(name: str = "a.mov", size: Any = 10, role: Any = "video", **fields: Any) -> dict[str, Any]:
    """An upload whose second file is this one."""
    return upload(video(), video(name, size, role, **fields))


BROKEN: dict[str, tuple[Any, list[str]]] = {
    "nothing": ({}, ["files", "layout", "videoName"]),
    "an unknown field": (upload(isPublished=True), ["isPublished"]),
    "no name": (upload(videoName=""), ["videoName"]),
    "a name that is a number": (upload(videoName=5), ["videoName"]),
    "a long name": (upload(videoName="x" * 256), ["videoName"]),
    "an unknown layout": (upload(layout="3D"), ["layout"]),
    "a layout in lower case": (upload(layout="sbs"), ["layout"]),
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
    "a description that is a list": (upload(description=["a"]), ["description"]),
    "a long description": (upload(description="x" * 4097), ["description"]),
    "a folder that is a number": (upload(folderName=5), ["folderName"]),
    "a folder without a name": (upload(folderName=""), ["folderName"]),
    "no files": (upload() | {"files": []}, ["files"]),
    "files that are an object": (upload() | {"files": video()}, ["files"]),
    "files that are null": (upload() | {"files": None}, ["files"]),
    "a file that is a string": (upload(video(), "a.mov"), ["files[1]"]),  # type: ignore[arg-type]
    "too many files": (upload(video(), *[video("a.srt", 1, "subtitle", languageTag="en")] * 150), ["files"]),
    "a file without fields": (upload(video(), {}), ["files[1].fileName", "files[1].fileRole", "files[1].sizeBytes"]),
    "an unknown field of a file": (wrong("a.aime", role="aime", url="https://a.example"), ["files[1].url"]),
    "an unknown role": (wrong(role="film"), ["files[1].fileRole"]),
    "a role that is a list": (wrong(role=["video"]), ["files[1].fileRole"]),
    "a name that is a path": (upload(video("../a.mov")), ["files[0].fileName"]),
    "a long name of a file": (upload(video("x" * 252 + ".mov")), ["files[0].fileName"]),
    "a name with a line break": (upload(video("a\n.mov")), ["files[0].fileName"]),
    "a size of 0": (upload(video(size=0)), ["files[0].sizeBytes"]),
    "a negative size": (upload(video(size=-1)), ["files[0].sizeBytes"]),
    "a size that is a fraction": (upload(video(size=1.5)), ["files[0].sizeBytes"]),  # type: ignore[arg-type]
    "a size that is a string": (upload(video(size="10")), ["files[0].sizeBytes"]),  # type: ignore[arg-type]
    "a size that JavaScript rounds": (upload(video(size=2**53)), ["files", "files[0].sizeBytes"]),
    "two videos": (wrong(), ["files[1].fileRole"]),
    "three videos": (upload(video(), video(), video()), ["files[1].fileRole", "files[2].fileRole"]),
    "no video": (upload(AIME), ["files"]),
    "a video, a left and a right one": (upload(video(), LEFT, RIGHT), ["files[1].fileRole", "files[2].fileRole"]),
    "a left and a right video without Separate": (
        upload(LEFT, RIGHT),
        ["files", "files[0].fileRole", "files[1].fileRole"],
    ),
    "Separate with one video": (upload(video(), layout="Separate"), ["files", "files", "files[0].fileRole"]),
    "Separate without a right video": (upload(LEFT, layout="Separate"), ["files"]),
    "Separate with two left videos": (upload(LEFT, LEFT, layout="Separate"), ["files", "files[1].fileRole"]),
    "Separate with a third video": (upload(LEFT, RIGHT, video(), layout="Separate"), ["files[2].fileRole"]),
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

TRIED = [".aivu", ".mp4", ".mov", ".m4a", ".srt", ".aime", ".zip", ".avi", "", ".mp4.txt", "mp4"]
MISFITS = [(role, f"a{ending}") for role, fitting in EXTENSIONS.items() for ending in TRIED if ending not in fitting]
"""A role, and a file name that it does not allow."""


def assert_refused(function: "Function", body: Any, fields: list[str]) -> None:
    answer = function.ask("spatialgen-start", body)
    assert said(answer) == INVALID
    assert faults(answer) == fields
    assert function.twin.calls == []


@pytest.mark.parametrize(("body", "fields"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_names_the_field_and_calls_no_vendor(tableless: Fresh, body: Any, fields: list[str]) -> None:
    assert_refused(tableless("spatialgen"), body, fields)


def test_every_role_accepts_its_own_extensions_only(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    for role, name in MISFITS:
        tag: dict[str, Any] = {"languageTag": "en"} if role in {"audio", "subtitle"} else {}
        others = {"video": [], "video_left": [RIGHT], "video_right": [LEFT]}.get(role, [video()])
        layout = "Separate" if role in {"video_left", "video_right"} else "SBS"
        body = upload(*others, video(name, role=role, **tag), layout=layout)
        assert_refused(spatialgen, body, [f"files[{len(others)}].fileName"])


def test_a_refusal_names_all_errors_at_once(tableless: Fresh) -> None:
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
    fields = [
        *("description", "files", "files[0].fileName", "files[0].sizeBytes", "files[1].fileRole"),
        *("files[2].languageTag", "files[3].languageTag", "files[3].sizeBytes", "files[4].languageTag"),
        *("files[5]", "files[6].fileRole", "more", "perspective", "videoName"),
    ]
    assert_refused(tableless("spatialgen"), body, fields)


def test_each_error_says_what_is_allowed(tableless: Fresh) -> None:
    body = upload(video("a.avi"), video("a.srt", role="subtitle"), layout="Separate")
    answer = tableless("spatialgen").ask("spatialgen-start", body)
    messages = {error["field"]: error["message"] for error in answer.body["errors"]}
    assert messages["files[0].fileName"] == "The role video allows .aivu, .mp4, .mov"
    assert messages["files[0].fileRole"] == "The layout Separate does not allow the role video"
    assert messages["files[1].languageTag"] == "Required for the role subtitle"


# The twin has the same rules, in code of its own


def test_roles_layouts_extensions_and_languages_are_those_of_the_twin() -> None:
    assert {role: set(endings) for role, endings in upload_rules.EXTENSIONS.items()} == EXTENSIONS
    assert {"audio": LANGUAGES | {"zxx"}, "subtitle": LANGUAGES} == upload_rules.LANGUAGE_TAGS
    assert set(upload_rules.LAYOUT_ROLES) == set(LAYOUTS)


ROLES = [*EXTENSIONS, "film"]
names = st.builds(lambda ending: f"a{ending}", st.sampled_from([*TRIED, ".MOV", ".Aivu"]))
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


def test_the_rules_accept_what_the_twin_accepts_and_nothing_else(tableless: Fresh) -> None:
    shape = tableless("spatialgen").module.uploads.StartRequest
    post = {"requestContext": {"http": {"method": "POST"}}, "headers": {"content-type": "application/json"}}

    @given(drawn)
    @settings(max_examples=400, deadline=None)
    def agree(body: dict[str, Any]) -> None:
        errors: list[Any] = []
        try:
            decode_request(post | {"body": json.dumps(body)}, shape)
        except Problem as problem:
            errors = list(problem.errors)
        assert bool(errors) == bool(start_faults(body)), (body, errors)

    agree()


def test_the_rules_read_any_json() -> None:
    inner = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5)
    fields = st.sampled_from(["videoName", "layout", "files", "perspective", "fileName", "fileRole", "languageTag"])
    values = st.recursive(inner, lambda deeper: st.lists(deeper) | st.dictionaries(fields, deeper), max_leaves=9)

    @given(values)
    @settings(deadline=None)
    def read(sent: Any) -> None:
        assert all(error.field and error.message for error in upload_rules.start_errors(sent, 2, 100))

    read()


# Limits of the deployment


@pytest.mark.parametrize(("sizes", "status"), [([10, 20], 201), ([30], 201), ([10, 21], 400), ([31], 400)])
def test_an_upload_has_at_most_the_bytes_that_the_deployment_accepts(
    tableless: Fresh, sizes: list[int], status: int
) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_UPLOAD_MAX_BYTES="30")
    files = [video(size=sizes[0]), *(video("a.aime", size, "aime") for size in sizes[1:])]
    answer = spatialgen.ask("spatialgen-start", upload(*files))
    assert answer.status == status
    if status == 400:
        assert said(answer) == INVALID
        message = "This deployment accepts at most 30 bytes in total (SPATIALGEN_UPLOAD_MAX_BYTES)"
        assert answer.body["errors"] == [{"field": "files", "message": message}]
        assert spatialgen.twin.calls == []


@pytest.mark.parametrize(("texts", "status"), [(1, 201), (2, 400), (149, 400)])
def test_an_upload_has_at_most_the_files_that_the_deployment_accepts(tableless: Fresh, texts: int, status: int) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_UPLOAD_MAX_FILES="2")
    files = [video(), *[video("a.srt", 1, "subtitle", languageTag="en")] * texts]
    answer = spatialgen.ask("spatialgen-start", upload(*files))
    assert answer.status == status
    if status == 400:
        assert said(answer) == INVALID
        message = "This deployment accepts at most 2 files (SPATIALGEN_UPLOAD_MAX_FILES)"
        assert answer.body["errors"] == [{"field": "files", "message": message}]
        assert spatialgen.twin.calls == []


@pytest.mark.parametrize("sizes", [[200 * 10**9 + 1], [10**11, 10**11, 1], [2**53 - 1] * 150, [10**40]])
def test_the_default_limit_is_two_hundred_gigabytes(tableless: Fresh, sizes: list[int]) -> None:
    spatialgen = tableless("spatialgen")
    files = [video(size=sizes[0]), *(video("a.srt", size, "subtitle", languageTag="en") for size in sizes[1:])]
    answer = spatialgen.ask("spatialgen-start", upload(*files))
    assert said(answer) == INVALID
    assert any("200000000000 bytes" in error["message"] for error in answer.body["errors"])
    assert spatialgen.twin.calls == []
