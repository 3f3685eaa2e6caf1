"""What SpatialGen's tests share: requests for uploads, and an upload that has been started."""

from typing import TYPE_CHECKING, Any, NamedTuple

import requests

if TYPE_CHECKING:
    from tests.conftest import Answer, Function

UPLOADS = "/api/videos/uploads"
"""The vendor's path."""

READONLY = {"key": "spatialgen-local-readonly", "expires_at": "2999-01-01T00:00:00Z"}
"""The readonly key that the twin accepts, as the secret holds it."""

LOUD = {"apiKey": "{key}", "debug": {"key": "{key}"}, "internalUrl": "https://inside.example/{key}"}
"""Fields that no response may have. The twin puts in the key that it was sent."""

FILE_FIELDS = {
    *("uploadId", "fileRole", "fileName", "totalBytes", "partSizeBytes", "totalParts", "uploadStrategy", "status"),
}
"""The fields that a response may have of a file."""

STARTED: dict[str, Any] = {"uploadSessionId": "s-1", "files": [{"uploadId": "f-1"}]}
PART: dict[str, Any] = {
    "partNumber": 1,
    "sizeBytes": 4,
    "byteStart": 8,
    "url": "https://storage.example/p?s=1",
    "expiresAt": "2999-01-01T00:00:00Z",
}
SIGNED: dict[str, Any] = {"uploadId": "f-1", "parts": [PART]}
COMPLETED = {"uploadId": "f-1", "status": "completed", "libraryId": 7}
"""The vendor's replies to a start, to part-urls and to complete."""


def video(name: str = "a.mov", size: int = 10, role: str = "video", **fields: Any) -> dict[str, Any]:
    return {"fileName": name, "fileRole": role, "sizeBytes": size, **fields}


def upload(*files: dict[str, Any], layout: str = "SBS", **fields: Any) -> dict[str, Any]:
    body = {"videoName": "Reef", "layout": layout, "files": list(files) or [video()], "folderName": "Home"}
    return body | fields


LEFT, RIGHT = video("l.mp4", role="video_left"), video("r.mp4", role="video_right")
AIME, FCPXMLD = video("a.aime", role="aime"), video("a.zip", role="fcpxmld")


class Upload(NamedTuple):
    """An upload that has been started."""

    function: "Function"
    session: str
    files: list[dict[str, Any]]

    def step(self, event: str, body: Any, place: int = 0, sub: str = "alice", **path: str) -> "Answer":
        names = {"sessionId": self.session, "uploadId": self.files[place]["uploadId"]} | path
        return self.function.ask(f"spatialgen-{event}", body, sub=sub, pathParameters=names)

    def sign(self, *numbers: int, place: int = 0, sub: str = "alice") -> "Answer":
        return self.step("part-urls", {"partNumbers": list(numbers) or [1]}, place, sub)

    def complete(self, *parts: dict[str, Any], place: int = 0, sub: str = "alice") -> "Answer":
        return self.step("complete", {"parts": list(parts)} if parts else {}, place, sub)

    def cancel(self, sub: str = "alice", event: str = "spatialgen-cancel") -> "Answer":
        return self.function.ask(event, sub=sub, pathParameters={"sessionId": self.session})


def started(function: "Function", *files: dict[str, Any], sub: str = "alice", **fields: Any) -> Upload:
    answer = function.ask("spatialgen-start", upload(*files, **fields), sub=sub)
    assert answer.status == 201, answer.body
    return Upload(function, answer.body["uploadSessionId"], answer.body["files"])


def twin_of(function: "Function") -> Any:
    """The twin, with the settings that only SpatialGen's has."""
    return function.twin


def put(parts: list[dict[str, Any]], content: bytes) -> list[dict[str, Any]]:
    """Sends each part's bytes to its URL without a key, as a client does. Returns what completes the file."""
    done = []
    for part in parts:
        reply = requests.put(part["url"], data=content[part["byteStart"] : part["byteEnd"] + 1], timeout=5)
        assert reply.status_code == 200
        done.append({"partNumber": part["partNumber"], "etag": reply.headers["ETag"]})
    return done
