"""The twin of SpatialGen behaves as docs/vendors/spatialgen.md says."""

from typing import Any

import pytest
import requests

from local.twins.spatialgen import Key, SpatialGenTwin

HEADER = "X-SPATIALGEN-APPKEY"
ADMIN, READONLY, UPLOAD = (f"spatialgen-local-{role}" for role in ("admin", "readonly", "upload"))
WEEK = 7 * 24 * 3600


def get(
    http: requests.Session, twin: SpatialGenTwin, path: str, key: str = READONLY, **query: Any
) -> requests.Response:
    return http.get(twin.base_url + path, params=query, headers={HEADER: key})


def post(
    http: requests.Session, twin: SpatialGenTwin, path: str, body: Any = None, key: str = UPLOAD
) -> requests.Response:
    return http.post(twin.base_url + path, json=body or {}, headers={HEADER: key})


def cancel(http: requests.Session, twin: SpatialGenTwin, session: str, key: str = UPLOAD) -> requests.Response:
    return http.delete(f"{twin.base_url}/videos/uploads/{session}", headers={HEADER: key})


def start_body(layout: str = "SBS", *files: tuple[str, str, int], **fields: Any) -> dict[str, Any]:
    named = [{"fileName": name, "fileRole": role, "sizeBytes": size} for name, role, size in files]
    return {"videoName": "Reef", "layout": layout, "files": named or [video(10)], **fields}


def video(size: int) -> dict[str, Any]:
    return {"fileName": "a.mov", "fileRole": "video", "sizeBytes": size}


def start(http: requests.Session, twin: SpatialGenTwin, *sizes: int) -> tuple[str, list[dict[str, Any]]]:
    files = [video(sizes[0]), *({"fileName": "a.aime", "fileRole": "aime", "sizeBytes": size} for size in sizes[1:])]
    answer = post(http, twin, "/videos/uploads", start_body() | {"files": files}).json()
    return answer["uploadSessionId"], answer["files"]


def put_parts(http: requests.Session, twin: SpatialGenTwin, file_path: str, parts: int) -> list[dict[str, Any]]:
    signed = post(http, twin, file_path + "/part-urls", {"startPartNumber": 1, "count": parts}).json()["parts"]
    etags = [http.put(part["url"], data=b"x" * part["sizeBytes"]).headers["ETag"] for part in signed]
    return [{"partNumber": part["partNumber"], "etag": etag} for part, etag in zip(signed, etags, strict=True)]


@pytest.mark.parametrize(("key", "status"), [(ADMIN, 200), (READONLY, 200), (UPLOAD, 403), ("nobody", 401)])
def test_admin_and_readonly_keys_read(
    http: requests.Session, spatialgen: SpatialGenTwin, key: str, status: int
) -> None:
    assert get(http, spatialgen, "/videos/published", key).status_code == status
    assert get(http, spatialgen, "/videos/4821/streams", key).status_code == status


@pytest.mark.parametrize(("key", "status"), [(ADMIN, 200), (UPLOAD, 200), (READONLY, 403), ("nobody", 401)])
def test_admin_and_upload_keys_upload(
    http: requests.Session, spatialgen: SpatialGenTwin, key: str, status: int
) -> None:
    assert post(http, spatialgen, "/videos/uploads", start_body(), key).status_code == status


def test_a_temporary_key_expires_after_a_week(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    spatialgen.skew = WEEK + 1
    assert get(http, spatialgen, "/videos/published").status_code == 401
    assert get(http, spatialgen, "/videos/published", ADMIN).status_code == 200


def test_a_revoked_key_and_the_old_value_of_a_rotated_key_stop_working_at_once(
    http: requests.Session, spatialgen: SpatialGenTwin
) -> None:
    new = spatialgen.rotate(READONLY)
    assert [get(http, spatialgen, "/videos/published", key).status_code for key in (READONLY, new)] == [401, 200]
    spatialgen.revoke(new)
    assert get(http, spatialgen, "/videos/published", new).status_code == 401


@pytest.mark.parametrize(
    ("shape", "text"), [("json", '{"message": "Invalid API key"}'), ("text", "Invalid API key"), ("empty", "")]
)
def test_errors_have_three_shapes(http: requests.Session, spatialgen: SpatialGenTwin, shape: str, text: str) -> None:
    spatialgen.error_shape = shape
    assert get(http, spatialgen, "/videos/published", "nobody").text == text


def test_published_streams_are_filtered_and_the_newest_is_first(
    http: requests.Session, spatialgen: SpatialGenTwin
) -> None:
    def ids(**query: Any) -> list[int]:
        return [pair["library"]["id"] for pair in get(http, spatialgen, "/videos/published", **query).json()]

    assert ids() == [4823, 4822, 4821]
    assert ids(folderName="Home") == [4821]
    assert ids(folderName=["Home", "home"]) == [4822, 4821]
    assert ids(visibility="drm") == [4823]


def test_an_unknown_video_is_404(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    assert get(http, spatialgen, "/videos/1/streams").status_code == 404


def aiv(*files: tuple[str, str, int], perspective: str = "180") -> dict[str, Any]:
    return start_body("AIV", *files, perspective=perspective)


def spoken(role: str, name: str, tag: str | None) -> dict[str, Any]:
    language = {} if tag is None else {"languageTag": tag}
    return start_body() | {"files": [video(1), {"fileName": name, "fileRole": role, "sizeBytes": 1} | language]}


@pytest.mark.parametrize(
    "body",
    [
        start_body(),
        start_body("Separate", ("l.mp4", "video_left", 1), ("r.MOV", "video_right", 1)),
        aiv(("a.aivu", "video", 1)),
        aiv(("a.mov", "video", 1), ("a.aime", "aime", 1), ("a.zip", "fcpxmld", 1)),
        spoken("audio", "a.m4a", "zxx"),
        spoken("subtitle", "a.srt", "EN"),
    ],
)
def test_uploads_that_may_start(http: requests.Session, spatialgen: SpatialGenTwin, body: dict[str, Any]) -> None:
    assert post(http, spatialgen, "/videos/uploads", body).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        start_body("3D"),
        start_body() | {"videoName": ""},
        start_body() | {"files": []},
        start_body(perspective="90"),
        start_body(description=5),
        start_body("SBS", ("a.mov", "video", 0)),
        start_body("SBS", ("a.avi", "video", 1)),
        start_body("SBS", ("a.mov", "film", 1)),
        start_body("SBS", ("a.mov", "video", 1), ("b.mov", "video", 1)),
        start_body("Separate", ("a.mov", "video", 1)),
        start_body("Separate", ("l.mp4", "video_left", 1)),
        aiv(("a.mov", "video", 1)),
        aiv(("a.mov", "video", 1), ("a.aime", "aime", 1)),
        aiv(("a.aivu", "video", 1), perspective="360"),
        spoken("audio", "a.m4a", None),
        spoken("subtitle", "a.srt", "zxx"),
        spoken("subtitle", "a.srt", "xx"),
        spoken("aime", "a.aime", "en"),
    ],
)
def test_uploads_that_may_not_start(http: requests.Session, spatialgen: SpatialGenTwin, body: dict[str, Any]) -> None:
    assert post(http, spatialgen, "/videos/uploads", body).status_code == 400
    assert not spatialgen.groups


def test_parts_are_100_mib_and_cover_the_file(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    session, [file] = start(http, spatialgen, 1_287_340_032)
    assert (file["partSizeBytes"], file["totalParts"], file["uploadStrategy"]) == (104_857_600, 13, "multipart")
    path = f"/videos/uploads/{session}/files/{file['uploadId']}/part-urls"
    parts = post(http, spatialgen, path, {"partNumbers": [1, 13]}).json()["parts"]
    assert [(part["byteStart"], part["byteEnd"]) for part in parts] == [
        (0, 104_857_599),
        (1_258_291_200, 1_287_340_031),
    ]
    for wrong in ({}, {"partNumbers": [14]}, {"startPartNumber": 0, "count": 1}, {"startPartNumber": 1, "count": 14}):
        assert post(http, spatialgen, path, wrong).status_code == 400


def test_an_upload_ends_in_one_video_when_its_last_file_is_complete(
    http: requests.Session, spatialgen: SpatialGenTwin
) -> None:
    spatialgen.part_bytes = 4
    session, [film, motion] = start(http, spatialgen, 10, 3)
    assert (film["totalParts"], motion["uploadStrategy"]) == (3, "single_put")
    paths = [f"/videos/uploads/{session}/files/{file['uploadId']}" for file in (film, motion)]
    parts = put_parts(http, spatialgen, paths[0], 3)
    for wrong in (parts[:2], [*parts[:2], parts[2] | {"etag": '"0"'}]):
        assert post(http, spatialgen, paths[0] + "/complete", {"parts": wrong}).status_code == 400
    first = post(http, spatialgen, paths[0] + "/complete", {"parts": parts}).json()
    assert (first["status"], first["libraryId"]) == ("completed", None)
    assert post(http, spatialgen, paths[1] + "/complete").status_code == 400
    put_parts(http, spatialgen, paths[1], 1)
    done = [post(http, spatialgen, paths[1] + "/complete").json()["libraryId"] for _ in range(2)]
    assert done == [4824, 4824]
    assert post(http, spatialgen, paths[1] + "/part-urls").status_code == 409


def test_a_part_url_refuses_a_key_another_method_another_part_and_late_use(
    http: requests.Session, spatialgen: SpatialGenTwin
) -> None:
    session, [file] = start(http, spatialgen, 5)
    path = f"/videos/uploads/{session}/files/{file['uploadId']}/part-urls"
    url = post(http, spatialgen, path).json()["parts"][0]["url"]
    assert http.put(url, data=b"12345", headers={HEADER: UPLOAD}).status_code == 403
    assert http.post(url, data=b"12345").status_code == 405
    assert http.put(url + "0", data=b"12345").status_code == 403
    assert http.put(url, data=b"123456").status_code == 400
    assert http.put(url, data=b"12345").status_code == 200
    spatialgen.skew = 3601
    assert http.put(url, data=b"12345").status_code == 403


def test_cancelling_ends_the_whole_group(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    session, files = start(http, spatialgen, 5, 5)
    answer = cancel(http, spatialgen, session)
    assert answer.status_code == 200
    told = answer.json()
    assert told.keys() == {"sessionId", "status", "canceledAt", "fileCount", "canceledFileCount"}
    assert (told["sessionId"], told["fileCount"], told["canceledFileCount"]) == (session, 2, 2)
    assert cancel(http, spatialgen, session).json() == told
    for file in files:
        path = f"/videos/uploads/{session}/files/{file['uploadId']}"
        assert [post(http, spatialgen, path + end).status_code for end in ("/part-urls", "/complete")] == [409, 409]


def test_only_delete_cancels_an_upload(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    session, _ = start(http, spatialgen, 5)
    assert post(http, spatialgen, f"/videos/uploads/{session}/cancel").status_code == 404
    assert post(http, spatialgen, f"/videos/uploads/{session}").status_code == 405
    assert spatialgen.groups[session].is_open(spatialgen.now())
    assert [cancel(http, spatialgen, session, key).status_code for key in (READONLY, "nobody")] == [403, 401]


def test_a_complete_upload_cannot_be_cancelled(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    session, [file] = start(http, spatialgen, 5)
    path = f"/videos/uploads/{session}/files/{file['uploadId']}"
    put_parts(http, spatialgen, path, 1)
    assert post(http, spatialgen, path + "/complete").status_code == 200
    assert cancel(http, spatialgen, session).status_code == 409


def test_the_answer_to_a_start_may_call_the_upload_session_id(
    http: requests.Session, spatialgen: SpatialGenTwin
) -> None:
    spatialgen.session_name = "sessionId"
    assert post(http, spatialgen, "/videos/uploads", start_body()).json().keys() == {"sessionId", "files"}


def test_a_group_expires_after_five_days(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    session, [file] = start(http, spatialgen, 5)
    spatialgen.skew = 5 * 24 * 3600
    path = f"/videos/uploads/{session}/files/{file['uploadId']}/part-urls"
    assert post(http, spatialgen, path).status_code == 409


def test_an_unknown_upload_is_404(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    for end in ("part-urls", "complete"):
        assert post(http, spatialgen, f"/videos/uploads/a/files/b/{end}").status_code == 404
    assert cancel(http, spatialgen, "a").status_code == 404


def test_a_remote_upload_gives_a_library_record(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    body = {"name": "Reef", "layout": "SBS", "perspective": "180", "videoUrl": "https://files.example/a.mov"}
    assert post(http, spatialgen, "/videos/upload", body).json()["folderName"] == "Home"
    assert post(http, spatialgen, "/videos/upload", body | {"layout": "Separate"}).status_code == 400


def test_a_licence_needs_a_reading_key_and_a_challenge(http: requests.Session, spatialgen: SpatialGenTwin) -> None:
    spatialgen.keys["dead"] = Key("readonly", revoked=True)
    url = spatialgen.environment()["SPATIALGEN_DRM_URL"] + "/widevine/license"
    body = {"key_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "license_challenge": "CAES"}
    assert "license" in http.post(url, json=body, headers={HEADER: READONLY}).json()
    assert http.post(url, json=body | {"key_id": "1"}, headers={HEADER: READONLY}).status_code == 400
    assert http.post(url, json=body | {"license_challenge": "%"}, headers={HEADER: READONLY}).status_code == 400
    assert [http.post(url, json=body, headers={HEADER: key}).status_code for key in ("dead", UPLOAD)] == [401, 403]
