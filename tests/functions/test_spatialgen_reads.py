"""SpatialGen's reads: published streams and a video's streams, in the folders that the deployment offers."""

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from local.twins.twin import Fault
from minting.callers import Caller
from tests.conftest import Answer
from tests.functions.contract import (
    BY_STATUS,
    ERROR,
    INVALID,
    KEY_REJECTED,
    MALFORMED,
    NOT_ALLOWED,
    NOT_CONFIGURED,
    NOT_FOUND,
    OPERATORS_ERROR,
    Fresh,
    Said,
    faults,
    said,
)
from tests.functions.spatialgen_uploads import READONLY

if TYPE_CHECKING:
    from local.bundle import Bundle

PUBLISHED, STREAMS = "/api/videos/published", "/api/videos/4821/streams"
REEF, SUMMIT, OPERA = 4821, 4822, 4823
"""The twin's videos, in the folders `Home`, `home` and `Events`; the last is DRM's."""

STREAM = {
    "createdAt": "2026-10-01T00:00:00Z",
    "status": "completed",
    "streamName": "main",
    "streamUrl": "https://cdn.example/main.m3u8",
    "visibility": "public",
    "highestResolutionUrl": "https://cdn.example/highest.mov",
    "highestResolutionBytes": 123,
    "jobId": 1,
}

LIBRARY = {
    "createdAt": "2026-10-01T00:00:00Z",
    "description": "",
    "fileFormat3D": "MVHEVC",
    "folderName": "Home",
    "id": 4821,
    "is3D": True,
    "isStreaming": True,
    "perspective": 180,
    "thumbnailUrl": "https://cdn.example/thumbnail.jpg",
    "videoLength": 61.5,
    "videoHeight": 2160,
    "videoName": "Reef",
}

PAIR: dict[str, Any] = {"stream": STREAM, "library": LIBRARY}
WRONG: list[Any] = [5, {}, ["Home"]]
LOUD = {"apiKey": "{key}", "owner": {"email": "a@example.com"}}


def videos(function: Any, query: str = "", **changes: Any) -> Answer:
    answer: Answer = function.ask("spatialgen-videos", rawQueryString=query, **changes)
    return answer


def streams(function: Any, video: object = REEF, **changes: Any) -> Answer:
    answer: Answer = function.ask("spatialgen-streams", pathParameters={"id": str(video)}, **changes)
    return answer


def ids(answer: Answer) -> list[int]:
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store"), answer.body
    return [each["library"]["id"] for each in answer.body["videos"]]


# Folders and filters


@pytest.mark.parametrize(
    ("listed", "query", "found"),
    [
        ("*", "", [OPERA, SUMMIT, REEF]),
        ("Home,home", "", [SUMMIT, REEF]),
        ("Home", "", [REEF]),
        (" Home , Events ", "", [OPERA, REEF]),
        ("Absent", "", []),
        ("*", "folderName=home", [SUMMIT]),
        ("Home,home,Events", "folderName=home&folderName=Events", [OPERA, SUMMIT]),
        ("Home,Events", "visibility=drm", [OPERA]),
        ("Home,Events", "visibility=public", [REEF]),
        ("Home,Events", "folderName=Home&visibility=drm", []),
        ("*", "folderName=Absent", []),
    ],
)
def test_a_caller_reads_listed_folders_only(tableless: Fresh, listed: str, query: str, found: list[int]) -> None:
    assert ids(videos(tableless("spatialgen", SPATIALGEN_FOLDERS=listed), query)) == found


@pytest.mark.parametrize("query", ["", "folderName={caller}", "folderName={id}"])
def test_a_caller_reads_its_own_folder_and_no_other_callers(tableless: Fresh, bundle: "Bundle", query: str) -> None:
    claims = bundle.event("spatialgen-videos", sub="alice")["requestContext"]["authorizer"]["jwt"]["claims"]
    own = Caller(claims["iss"], claims["sub"]).id
    spatialgen = tableless("spatialgen", SPATIALGEN_FOLDERS="{caller}")
    asked = query.replace("{id}", own)
    spatialgen.twin.fault(Fault(status=200, body=[PAIR | {"library": LIBRARY | {"folderName": own}}], path=PUBLISHED))
    spatialgen.twin.fault(
        Fault(status=200, body={"streams": [STREAM], "library": LIBRARY | {"folderName": own}}, path=STREAMS)
    )
    assert ids(videos(spatialgen, asked)) == [REEF]
    assert parse_qs(spatialgen.twin.calls[-1].query) == {"folderName": [own]}
    assert streams(spatialgen).status == 200
    assert [streams(spatialgen, sub="bob").status, videos(spatialgen, f"folderName={own}", sub="bob").status] == [
        404,
        403,
    ]


@pytest.mark.parametrize(
    ("listed", "query"),
    [
        ("", ""),
        (" , ", ""),
        ("", "folderName=Home"),
        ("Home", "folderName=home"),
        ("Home", "folderName=Home&folderName=Events"),
        ("Home", "folderName=*"),
        ("Home", "folderName=Home%2CEvents"),
        ("Home", "folderName=Home%00"),
    ],
)
def test_an_unlisted_folder_is_refused_without_a_call(tableless: Fresh, listed: str, query: str) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_FOLDERS=listed)
    assert said(videos(spatialgen, query)) == NOT_ALLOWED
    assert spatialgen.twin.calls == []


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("folderName=", ["folderName[0]"]),
        ("folderName=" + "x" * 256, ["folderName[0]"]),
        ("&".join(["folderName=Home"] * 33), ["folderName"]),
        ("visibility=private", ["visibility"]),
        ("visibility=", ["visibility"]),
        ("visibility=null", ["visibility"]),
        ("visibility=public&visibility=drm", ["visibility"]),
        ("limit=0&offset=-1", ["limit", "offset"]),
        ("limit=501&offset=1.5", ["limit", "offset"]),
        ("limit=&offset=x", ["limit", "offset"]),
        ("limit=1&limit=2", ["limit"]),
        (f"offset={2**53}", ["offset"]),
        ("apiKey=a&visibility=PUBLIC", ["apiKey", "visibility"]),
    ],
)
def test_invalid_filters_are_refused(tableless: Fresh, query: str, fields: list[str]) -> None:
    spatialgen = tableless("spatialgen")
    answer = videos(spatialgen, query)
    assert (said(answer), faults(answer)) == (INVALID, fields)
    assert spatialgen.twin.calls == []


@pytest.mark.parametrize(
    ("listed", "query", "asked"),
    [
        ("*", "", {}),
        ("Home,Events", "", {"folderName": ["Events", "Home"]}),
        ("Home,Events", "folderName=Home&visibility=public", {"folderName": ["Home"], "visibility": ["public"]}),
        ("*", "folderName=a%26b%3Dc+%C3%A9%2F", {"folderName": ["a&b=c é/"]}),
    ],
)
def test_the_vendor_gets_allowed_filters_only(
    tableless: Fresh, listed: str, query: str, asked: dict[str, list[str]]
) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_FOLDERS=listed)
    assert videos(spatialgen, query).status == 200
    [call] = spatialgen.twin.calls
    assert (call.method, call.path, parse_qs(call.query), call.body) == ("GET", PUBLISHED, asked, b"")
    assert call.headers["x-spatialgen-appkey"] == "spatialgen-local-readonly"


def test_the_reply_is_filtered_again(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_FOLDERS="Home,Events")
    pairs = [
        {"stream": STREAM | {"visibility": visibility}, "library": LIBRARY | {"folderName": folder, "id": number}}
        for number, (folder, visibility) in enumerate(
            [
                ("Home", "public"),
                ("Home", "drm"),
                ("home", "public"),
                ("Secret", "public"),
                (None, "public"),
                ("Events", None),
            ]
        )
    ]
    spatialgen.twin.fault(Fault(body=pairs))
    assert ids(videos(spatialgen)) == [0, 1, 5]
    assert ids(videos(spatialgen, "folderName=Home")) == [0, 1]
    assert ids(videos(spatialgen, "visibility=public")) == [0]


def test_a_video_without_a_folder_is_listed_if_all_folders_are(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_FOLDERS="*")
    spatialgen.twin.fault(Fault(body=[{"stream": {}, "library": {"id": 1}}]))
    assert ids(videos(spatialgen)) == [1]


# One video's streams


def test_the_streams_of_a_video_are_listed(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    answer = streams(spatialgen)
    assert answer.status == 200
    assert (answer.body["library"]["videoName"], answer.body["streams"][0]["streamName"]) == ("Reef", "main")
    [call] = spatialgen.twin.calls
    assert (call.method, call.path, call.query) == ("GET", STREAMS, "")
    assert call.headers["x-spatialgen-appkey"] == "spatialgen-local-readonly"


def test_a_video_in_an_unlisted_folder_looks_like_one_that_does_not_exist(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    hidden, absent = streams(spatialgen, SUMMIT), streams(spatialgen, 99)
    assert said(hidden) == said(absent) == NOT_FOUND
    assert {name: hidden.body[name] for name in hidden.body if name != "instance"} == {
        name: absent.body[name] for name in absent.body if name != "instance"
    }


@pytest.mark.parametrize(("listed", "status"), [("*", 200), ("Home", 200), ("home", 404), ("Events,", 404), ("", 403)])
def test_streams_are_listed_for_listed_folders_only(tableless: Fresh, listed: str, status: int) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_FOLDERS=listed)
    assert streams(spatialgen).status == status
    assert len(spatialgen.twin.calls) == (0 if status == 403 else 1)


@pytest.mark.parametrize(
    "video", ["", "reef", "0", "-1", "1.5", str(2**53), "../published", "4821/../4822", "4821?a=b", "٤"]
)
def test_an_invalid_video_id_is_refused(tableless: Fresh, video: str) -> None:
    spatialgen = tableless("spatialgen")
    answer = streams(spatialgen, video)
    assert (said(answer), faults(answer)) == (INVALID, ["id"])
    assert spatialgen.twin.calls == []


# Responses


def test_a_list_has_the_documented_fields_only(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    pair = {"stream": STREAM | LOUD, "library": LIBRARY | LOUD, **LOUD}
    spatialgen.twin.fault(Fault(body=[pair]))
    assert videos(spatialgen).body == {"videos": [PAIR], "nextOffset": None}


def test_streams_have_the_documented_fields_only(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(body={"streams": [STREAM | LOUD], "library": LIBRARY | LOUD, **LOUD}))
    assert streams(spatialgen).body == {"streams": [STREAM], "library": LIBRARY, "nextOffset": None}


def test_a_field_that_the_vendor_omits_is_null(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(body={"streams": [{}], "library": {"folderName": "Home", "perspective": "180"}}))
    known = {"folderName": "Home", "perspective": "180"}
    library = dict.fromkeys(LIBRARY) | known
    assert streams(spatialgen).body == {"streams": [dict.fromkeys(STREAM)], "library": library, "nextOffset": None}


@pytest.mark.parametrize(
    "body",
    [
        *({}, "null", "", "<html>", [[]], [None], [{}], [{"stream": STREAM}], [{"library": LIBRARY}]),
        *([PAIR | {"stream": {"streamUrl": value}}] for value in WRONG),
        *([PAIR | {"library": {"folderName": value}}] for value in WRONG),
    ],
)
def test_an_unusable_list_is_malformed(tableless: Fresh, body: Any) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(body=body))
    assert said(videos(spatialgen)) == MALFORMED.of(200)


@pytest.mark.parametrize(
    "body", [[], {}, {"streams": [STREAM]}, {"library": LIBRARY}, {"streams": {}, "library": LIBRARY}]
)
def test_unusable_streams_are_malformed(tableless: Fresh, body: Any) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(body=body))
    assert said(streams(spatialgen)) == MALFORMED.of(200)


# Pages


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"stream": STREAM, "library": LIBRARY | {"id": number}} for number in range(count)]


@pytest.mark.parametrize(
    ("query", "found", "following"),
    [
        ("", range(100), 100),
        ("offset=100", range(100, 200), 200),
        ("offset=200", range(200, 250), None),
        ("offset=150", range(150, 250), None),
        ("limit=500", range(250), None),
        ("limit=1", range(1), 1),
        ("limit=249", range(249), 249),
        ("limit=250", range(250), None),
        ("offset=250", [], None),
        (f"offset={2**53 - 1}", [], None),
        ("limit=2&offset=7&visibility=public", [7, 8], 9),
    ],
)
def test_a_list_has_pages(tableless: Fresh, query: str, found: Any, following: int | None) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(body=numbered(250)))
    answer = videos(spatialgen, query)
    assert ids(answer) == list(found)
    assert answer.body["nextOffset"] == following
    assert not {"limit", "offset"} & parse_qs(spatialgen.twin.calls[-1].query).keys()


def test_a_page_counts_only_what_the_caller_may_read(tableless: Fresh) -> None:
    spatialgen = tableless("spatialgen", SPATIALGEN_FOLDERS="Home")
    hidden = {"stream": STREAM, "library": LIBRARY | {"folderName": "Secret"}}
    spatialgen.twin.fault(Fault(body=[hidden, *numbered(2), hidden]))
    answer = videos(spatialgen, "limit=2")
    assert (ids(answer), answer.body["nextOffset"]) == ([0, 1], None)


@pytest.mark.parametrize(
    ("query", "names", "following"), [("", 100, 100), ("limit=3&offset=118", 2, None), ("limit=500", 120, None)]
)
def test_streams_have_pages(tableless: Fresh, query: str, names: int, following: int | None) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(body={"streams": [STREAM] * 120, "library": LIBRARY}))
    answer = streams(spatialgen, rawQueryString=query)
    assert (len(answer.body["streams"]), answer.body["nextOffset"]) == (names, following)


def test_the_largest_page_of_small_entries_fits_into_a_response(tableless: Fresh) -> None:
    """The vendor's 4 MB of empty entries would be 33 MB with all their nulls."""
    spatialgen = tableless("spatialgen")
    entry = {"stream": {}, "library": {"folderName": "Home"}}
    spatialgen.twin.fault(Fault(body=[entry] * 70_000))
    answer = videos(spatialgen, "limit=500")
    assert len(ids(answer)) == 500
    assert len(answer.raw["body"]) < 600_000


# The vendor's errors, keys and limits

ABOUT_THE_KEY, ABOUT_THE_VIDEO = (403, KEY_REJECTED.of(403)), (403, OPERATORS_ERROR.of(403))
OTHERS = [(400, ERROR.of(400)), *(row for row in BY_STATUS if row[0] != 403)]


@pytest.mark.parametrize(
    ("ask", "status", "expected"),
    [(videos, *row) for row in [*OTHERS, ABOUT_THE_KEY]] + [(streams, *row) for row in [*OTHERS, ABOUT_THE_VIDEO]],
)
def test_an_errors_status_decides(tableless: Fresh, ask: Any, status: int, expected: Said) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(Fault(status=status, body={"message": "{key}"}))
    answer = ask(spatialgen)
    assert said(answer) == expected
    assert "spatialgen-local" not in json.dumps(answer.raw)


@pytest.mark.parametrize("ask", [videos, streams])
@pytest.mark.parametrize("fault", [Fault(status=503, times=1), Fault(mode="drop", times=1)], ids=["503", "drop"])
def test_a_read_is_retried_after_a_brief_failure(tableless: Fresh, ask: Any, fault: Fault) -> None:
    spatialgen = tableless("spatialgen")
    spatialgen.twin.fault(fault)
    assert ask(spatialgen).status == 200


@pytest.mark.parametrize("ask", [videos, streams])
def test_no_read_fails_while_the_key_is_rotated(tableless: Fresh, ask: Any) -> None:
    spatialgen = tableless("spatialgen", {"readonly": READONLY})
    twin: Any = spatialgen.twin
    new = twin.rotate("spatialgen-local-readonly")
    spatialgen.put_key({"readonly": READONLY | {"key": new}})
    assert ask(spatialgen).status == 200
    assert [call.status for call in twin.calls] == [401, 200]


@pytest.mark.parametrize(
    "secret",
    [
        {},
        {"upload": {"key": "spatialgen-local-upload"}},
        {"readonly": READONLY | {"expires_at": "2020-01-01T00:00:00Z"}},
    ],
)
def test_a_read_without_a_valid_readonly_key_is_not_configured(tableless: Fresh, secret: dict[str, Any]) -> None:
    spatialgen = tableless("spatialgen", secret)
    assert {said(ask(spatialgen)) for ask in (videos, streams)} == {NOT_CONFIGURED}
    assert spatialgen.twin.calls == []


def test_reads_count_in_the_limits_unless_they_fail(function: Fresh) -> None:
    spatialgen = function("spatialgen", READS_CALLER_PER_HOUR="2", READS_PER_DAY="3")
    spatialgen.twin.fault(Fault(status=500, times=2))
    asked = [ask(spatialgen) for ask in (videos, streams, videos, streams, videos)]
    assert [answer.status for answer in asked] == [502, 502, 200, 200, 429]
    assert [streams(spatialgen, sub="bob").status for _ in range(2)] == [200, 429]
    assert len(spatialgen.twin.calls) == 5


def test_a_403_about_one_video_affects_no_other_caller_and_is_not_about_the_key(
    function: Fresh, capsys: pytest.CaptureFixture[str]
) -> None:
    spatialgen = function("spatialgen")
    spatialgen.twin.fault(Fault(path=STREAMS, status=403))
    assert [said(streams(spatialgen)) for _ in range(2)] == [OPERATORS_ERROR.of(403)] * 2
    others = [streams(spatialgen, OPERA, sub="bob"), videos(spatialgen, sub="bob")]
    others += [spatialgen.ask(event, sub="bob") for event in ("spatialgen-lease", "spatialgen-widevine")]
    assert [answer.status for answer in others] == [200, 200, 201, 200]
    assert "vendor_key_rejected" not in capsys.readouterr().out


def test_a_403_about_the_list_is_about_the_key(function: Fresh, capsys: pytest.CaptureFixture[str]) -> None:
    spatialgen = function("spatialgen")
    spatialgen.twin.fault(Fault(path=PUBLISHED, status=403))
    assert said(videos(spatialgen)) == KEY_REJECTED.of(403)
    assert '"vendor_key_rejected":[1' in capsys.readouterr().out.replace(" ", "")
