"""SpatialGen: keys and roles, reads, direct uploads with storage, Widevine. All errors are assumed, none is documented."""

import base64
import binascii
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from flask import Response, request
from flask.typing import ResponseReturnValue

from local.twins.spatialgen_uploads import File, Group, open_group, start_faults
from local.twins.twin import Routes, Twin

WEEK = 7 * 24 * 3600
READERS = {"admin", "readonly"}
UPLOADERS = {"admin", "upload"}
LAYOUTS = ("2D", "MVHEVC", "SBS", "TB", "Separate")
HEADER = "X-SPATIALGEN-APPKEY"


@dataclass(frozen=True)
class Key:
    """role: admin, readonly or upload. expires: Unix seconds, or None for a key that is not temporary."""

    role: str
    expires: float | None = None
    revoked: bool = False


class SpatialGenTwin(Twin):
    """keys: API key -> Key. videos: library id -> {"streams", "library"}. groups: upload session id -> Group.

    part_bytes: size of an upload part. url_seconds: life of a part URL. error_shape: "json", "text" or "empty".
    session_name: the name of the upload's id in the answer to a start, which is not documented.
    """

    vendor = "spatialgen"
    url_variable = "SPATIALGEN_API_URL"
    base_path = "/api"
    mint_calls = ()
    parameters: ClassVar[Mapping[str, str]] = {
        "SpatialGenFolders": "Home,Events",
        "SpatialGenUploadFolders": "Home",
        "SpatialGenLease": "true",
    }
    settings: ClassVar[tuple[str, ...]] = ("part_bytes", "url_seconds", "error_shape", "session_name")
    part_bytes: int = 104_857_600
    url_seconds: int = 3600
    error_shape: str = "json"
    session_name: str = "uploadSessionId"
    keys: dict[str, Key]

    @classmethod
    def secret(cls) -> dict[str, Any]:
        """The readonly key is temporary and lasts for a week."""
        expires = datetime.now(UTC) + timedelta(seconds=WEEK)
        return {
            "readonly": {"key": "spatialgen-local-readonly", "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ")},
            "upload": {"key": "spatialgen-local-upload"},
        }

    def seed(self) -> None:
        self.keys = {
            "spatialgen-local-readonly": Key("readonly", self.now() + WEEK),
            "spatialgen-local-upload": Key("upload"),
            "spatialgen-local-admin": Key("admin"),
        }
        self.videos: dict[int, dict[str, Any]] = {video["library"]["id"]: video for video in _sample_videos()}
        self.groups: dict[str, Group] = {}
        self._signing_key = secrets.token_bytes(32)

    def routes(self) -> Routes:
        file = "/api/videos/uploads/<session_id>/files/<upload_id>"
        return {
            "GET /api/videos/published": self.list_published,
            "GET /api/videos/<int:video_id>/streams": self.list_streams,
            "POST /api/videos/upload": self.upload_from_url,
            "POST /api/videos/uploads": self.start_upload,
            f"POST {file}/part-urls": self.sign_parts,
            f"POST {file}/complete": self.complete_file,
            "DELETE /api/videos/uploads/<session_id>": self.cancel_upload,
            "PUT /storage/<upload_id>/<int:number>": self.store_part,
            "POST /widevine/license": self.license,
        }

    def environment(self) -> dict[str, str]:
        return super().environment() | {"SPATIALGEN_DRM_URL": self.url}

    def carried_key(self) -> str:
        return request.headers.get(HEADER, "")

    def refuse_route(self, status: int) -> ResponseReturnValue:
        return self._refuse(status, "Not found" if status == 404 else "Method not allowed")

    # Keys, as on the vendor's dashboard

    def revoke(self, key: str) -> None:
        self.keys[key] = replace(self.keys[key], revoked=True)

    def rotate(self, key: str) -> str:
        """A new value with the same role. The old value stops working at once."""
        new = f"spatialgen-{secrets.token_hex(12)}"
        self.keys[new] = self.keys.pop(key)
        return new

    def _key_refusal(self, roles: set[str]) -> ResponseReturnValue | None:
        key = self.keys.get(self.carried_key())
        if key is None or key.revoked or (key.expires is not None and key.expires <= self.now()):
            return self._refuse(401, "Invalid API key")
        return None if key.role in roles else self._refuse(403, "This key's role does not allow this")

    # Reads

    def list_published(self) -> ResponseReturnValue:
        refusal = self._key_refusal(READERS)
        if refusal:
            return refusal
        folders, visibility = request.args.getlist("folderName"), request.args.get("visibility")
        pairs = [
            {"stream": stream, "library": video["library"]}
            for video in self.videos.values()
            for stream in video["streams"]
        ]
        if folders:
            pairs = [pair for pair in pairs if pair["library"]["folderName"] in folders]
        if visibility:
            pairs = [pair for pair in pairs if pair["stream"]["visibility"] == visibility]
        return sorted(pairs, key=lambda pair: pair["stream"]["createdAt"], reverse=True), 200

    def list_streams(self, video_id: int) -> ResponseReturnValue:
        refusal = self._key_refusal(READERS)
        if refusal:
            return refusal
        return (self.videos[video_id], 200) if video_id in self.videos else self._refuse(404, "No such video")

    def license(self) -> ResponseReturnValue:
        refusal = self._key_refusal(READERS)
        if refusal:
            return refusal
        body = self.body() or {}
        if not _is_uuid(body.get("key_id")) or not _is_base64(body.get("license_challenge")):
            return self._refuse(400, "key_id and license_challenge are required")
        return {"license": base64.b64encode(secrets.token_bytes(64)).decode()}, 200

    # Uploads

    def upload_from_url(self) -> ResponseReturnValue:
        refusal = self._key_refusal(UPLOADERS)
        if refusal:
            return refusal
        body = self.body() or {}
        urls = ["videoUrl", "secondaryVideoUrl"] if body.get("layout") == "Separate" else ["videoUrl"]
        if body.get("layout") not in LAYOUTS or not all(isinstance(body.get(name), str) for name in ["name", *urls]):
            return self._refuse(400, "name, layout and videoUrl are required")
        return self.videos[self.add_video(body)]["library"], 200

    def start_upload(self) -> ResponseReturnValue:
        refusal = self._key_refusal(UPLOADERS)
        if refusal:
            return refusal
        body = self.body() or {}
        faults = start_faults(body)
        if faults:
            return self._refuse(400, "; ".join(faults))
        group = open_group(body, self.part_bytes, self.now())
        self.groups[group.session_id] = group
        return {self.session_name: group.session_id, "files": [file.shown() for file in group.files.values()]}, 200

    def sign_parts(self, session_id: str, upload_id: str) -> ResponseReturnValue:
        refusal = self._key_refusal(UPLOADERS) or self._upload_refusal(session_id, upload_id)
        if refusal:
            return refusal
        file = self.groups[session_id].files[upload_id]
        if file.completed:
            return self._refuse(409, "The file is complete")
        numbers = file.asked_parts(self.body() or {})
        if numbers is None:
            return self._refuse(400, "No such parts")
        return file.shown() | {"parts": [self._signed_part(file, number) for number in numbers]}, 200

    def complete_file(self, session_id: str, upload_id: str) -> ResponseReturnValue:
        refusal = self._key_refusal(UPLOADERS) or self._unknown_upload(session_id, upload_id)
        if refusal:
            return refusal
        group = self.groups[session_id]
        file = group.files[upload_id]
        if not file.completed or group.cancelled_at:
            refusal = self._upload_refusal(session_id, upload_id)
            if refusal or not file.accepts(self.body() or {}):
                return refusal or self._refuse(400, "Parts are missing or their ETags differ")
        group.finish(file, self.add_video)
        return file.shown() | {"libraryId": group.library_id}, 200

    def cancel_upload(self, session_id: str) -> ResponseReturnValue:
        """Cancels the whole group. A: the answers to a repeat, and for an upload that is complete or unknown."""
        refusal = self._key_refusal(UPLOADERS)
        if refusal:
            return refusal
        group = self.groups.get(session_id)
        if group is None:
            return self._refuse(404, "No such upload")
        if group.library_id is not None:
            return self._refuse(409, "The upload is complete")
        group.cancelled_at = group.cancelled_at or self.now()
        return {
            "sessionId": session_id,
            "status": "canceled",
            "canceledAt": _moment(group.cancelled_at),
            "fileCount": len(group.files),
            "canceledFileCount": sum(not file.completed for file in group.files.values()),
        }, 200

    def add_video(self, start: dict[str, Any]) -> int:
        """Adds a library record without streams, because the vendor's job has not run yet. Returns its id."""
        video_id: int = max(self.videos) + 1
        name = start.get("videoName") or start.get("name")
        self.videos[video_id] = {
            "streams": [],
            "library": _library(video_id, str(name), start.get("folderName", "Home")),
        }
        return video_id

    def _unknown_upload(self, session_id: str, upload_id: str) -> ResponseReturnValue | None:
        group = self.groups.get(session_id)
        return None if group and upload_id in group.files else self._refuse(404, "No such upload")

    def _upload_refusal(self, session_id: str, upload_id: str) -> ResponseReturnValue | None:
        unknown = self._unknown_upload(session_id, upload_id)
        if unknown or self.groups[session_id].is_open(self.now()):
            return unknown
        return self._refuse(409, "The upload is completed, cancelled or expired")

    # Storage, which takes presigned URLs and no API key

    def store_part(self, upload_id: str, number: int) -> ResponseReturnValue:
        file = next((group.files[upload_id] for group in self.groups.values() if upload_id in group.files), None)
        expires = request.args.get("expires", "")
        signed = self._signature(upload_id, number, expires) == request.args.get("signature")
        if file is None or not signed or int(expires) <= self.now() or HEADER in request.headers:
            return _storage_refusal(403, "AccessDenied")
        content = request.get_data()
        if len(content) != file.size_of(number):
            return _storage_refusal(400, "IncompleteBody")
        file.etags[number] = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        return "", 200, {"ETag": file.etags[number], "Access-Control-Expose-Headers": "ETag"}

    def _signed_part(self, file: File, number: int) -> dict[str, Any]:
        expires = int(self.now()) + self.url_seconds
        query = f"expires={expires}&signature={self._signature(file.upload_id, number, str(expires))}"
        start, size = file.start_of(number), file.size_of(number)
        return {
            "partNumber": number,
            "sizeBytes": size,
            "byteStart": start,
            "byteEnd": start + size - 1,
            "url": f"{request.url_root}storage/{file.upload_id}/{number}?{query}",
            "expiresAt": _moment(expires),
        }

    def _signature(self, upload_id: str, number: int, expires: str) -> str:
        return hmac.new(self._signing_key, f"PUT {upload_id}/{number} {expires}".encode(), hashlib.sha256).hexdigest()

    def _refuse(self, status: int, text: str) -> Response:
        if self.error_shape == "json":
            return Response(f'{{"message": "{text}"}}', status, content_type="application/json")
        return Response(text if self.error_shape == "text" else "", status, content_type="text/plain")


def _storage_refusal(status: int, code: str) -> ResponseReturnValue:
    return Response(f"<Error><Code>{code}</Code></Error>", status, content_type="application/xml")


def _is_uuid(value: object) -> bool:
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True


def _is_base64(value: object) -> bool:
    try:
        return bool(base64.b64decode(str(value or ""), validate=True))
    except binascii.Error:
        return False


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sample_videos() -> list[dict[str, Any]]:
    """Three published videos, public and drm. Two of their folders differ in case only."""
    samples = [(4821, "Reef", "Home", "public"), (4822, "Summit", "home", "public"), (4823, "Opera", "Events", "drm")]
    return [
        {"streams": [_stream(video_id, visibility)], "library": _library(video_id, name, folder)}
        for video_id, name, folder, visibility in samples
    ]


def _stream(video_id: int, visibility: str) -> dict[str, Any]:
    base = f"https://cdn.invalid/{video_id}"
    return {
        "createdAt": f"2026-10-0{video_id % 10}T00:00:00Z",
        "status": "completed",
        "streamName": "main",
        "streamUrl": f"{base}/main.m3u8",
        "visibility": visibility,
        "highestResolutionUrl": f"{base}/highest.mov",
        "highestResolutionBytes": 1_000_000,
        "jobId": video_id,
    }


def _library(video_id: int, name: str, folder: str) -> dict[str, Any]:
    return {
        "createdAt": "2026-10-01T00:00:00Z",
        "description": "",
        "fileFormat3D": "MVHEVC",
        "folderName": folder,
        "id": video_id,
        "is3D": True,
        "isStreaming": True,
        "perspective": 180,
        "thumbnailUrl": f"https://cdn.invalid/{video_id}/thumbnail.jpg",
        "videoLength": 61,
        "videoHeight": 2160,
        "videoName": name,
    }
