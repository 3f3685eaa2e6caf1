"""SpatialGen: a lease of its readonly key, and reads, licences and uploads without a key.

The vendor mints no tokens, so this function makes most calls for its clients. The vendor documents
no errors, so the meaning of a status is an assumption.
Facts and sources: docs/vendors/spatialgen.md.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, Self
from urllib.parse import urlencode
from uuid import UUID
from warnings import deprecated

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.credentials import Credential, not_revocable, rfc3339, utc
from minting.keys import Key, Secret
from minting.operations import Mint, Operation, Request
from minting.problems import FieldError, KeyRejected, Problem
from minting.replies import Reply, interpret_status, resource_refused
from minting.settings import AllowList, Settings
from minting.upstream import Upstream, segment
from minting.vendor import Vendor

MAX_FILES = 150
"""Files of one upload: two videos, and audio and subtitles in every language.

The vendor sets no limit.
"""


class SpatialGenSettings(Settings, frozen=True, kw_only=True):
    """`SPATIALGEN_API_URL`, `SPATIALGEN_DRM_URL`: where the vendor's APIs are.

    `SPATIALGEN_LEASE`: whether callers get the readonly key itself.
    `SPATIALGEN_FOLDERS`: the folders that callers may read.
    `SPATIALGEN_UPLOAD_FOLDERS`: the folders that an upload may name.
    `SPATIALGEN_UPLOAD_MAX_FILES`, `SPATIALGEN_UPLOAD_MAX_BYTES`: limits of one upload.
    """

    spatialgen_api_url: str = "https://spatialgen.com/api"
    spatialgen_drm_url: str = "https://drm.spatialgen.com"
    spatialgen_lease: bool = False
    spatialgen_folders: AllowList = AllowList()
    spatialgen_upload_folders: AllowList = AllowList()
    spatialgen_upload_max_files: Annotated[int, msgspec.Meta(ge=1, le=MAX_FILES)] = MAX_FILES
    spatialgen_upload_max_bytes: Annotated[int, msgspec.Meta(ge=1, lt=2**53)] = 200 * 10**9


# Keys


class ReadonlyKey(Key, frozen=True):
    """A temporary key of the role `readonly`.

    `expires_at` is the date that the vendor's dashboard shows for it (RFC 3339, with a zone).
    """

    key: Secret
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    role: Literal["readonly"] = "readonly"


class UploadKey(Key, frozen=True):
    """A key of the role `upload`. Callers never get it."""

    key: Secret


class SpatialGenKeys(Key, frozen=True):
    """The vendor's secret. It states each key's role and expiry, because the API does not."""

    readonly: ReadonlyKey | None = None
    upload: UploadKey | None = None

    def __post_init__(self) -> None:
        if self.readonly and self.upload and self.readonly.key.strip() == self.upload.key.strip():
            # Otherwise the lease would hand out the upload key.
            raise ValueError("one key cannot have two roles")


def uses_readonly_key(keys: SpatialGenKeys) -> ReadonlyKey | None:
    """The key of leases, reads and licences. If the vendor rejects it, uploads continue."""
    return keys.readonly


def uses_upload_key(keys: SpatialGenKeys) -> UploadKey | None:
    """The key of uploads. If the vendor rejects it, leases, reads and licences continue."""
    return keys.upload


def readonly_key(keys: SpatialGenKeys) -> ReadonlyKey:
    """The readonly key. Each use writes its remaining seconds to the metric of the alarm.

    Raises `not_configured` if there is none or if it has expired.
    """
    if keys.readonly is None:
        raise unusable_key("there is no readonly key in its secret")
    left = seconds_left(keys.readonly)
    vendor.audit.gauge(EXPIRES_IN, left)
    if left <= 0:
        raise unusable_key("its readonly key has expired")
    return keys.readonly


def seconds_left(key: ReadonlyKey) -> float:
    """Seconds until the key expires. Negative once it has expired."""
    return (key.expires_at - datetime.now(UTC)).total_seconds()


EXPIRES_IN = "key_expires_in"
"""The metric that the alarm in template.yaml watches, in seconds."""


def unusable_key(reason: str) -> Problem:
    """A missing or expired key counts as rejected, so that the secret is read again.

    The team may have set a new key a moment ago.
    """
    return KeyRejected("not_configured", f"The team that runs this deployment must set a SpatialGen key: {reason}.")


def readonly_headers(request: Request[SpatialGenKeys]) -> dict[str, str]:
    """The headers of reads and licences, with the readonly key."""
    return {"X-SPATIALGEN-APPKEY": readonly_key(request.key).key.strip()}


def upload_headers(request: Request[SpatialGenKeys]) -> dict[str, str]:
    """The headers of uploads, with the upload key."""
    if request.key.upload is None:
        raise unusable_key("there is no upload key in its secret")
    return {"X-SPATIALGEN-APPKEY": request.key.upload.key.strip()}


# Interpreting replies


def interpret_start_reply(reply: Reply) -> Problem | None:
    """Interprets a reply. 400 and 422 are about the fields that the caller sent."""
    if reply.status in {400, 422}:
        detail = "The vendor rejected the request although it meets every documented rule."
        return Problem("invalid_request", detail, vendor_status=reply.status)
    return interpret_status(reply)


def interpret_resource_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to a request that names a resource, such as an upload.

    403 refuses the resource, 404 does not know it, and after 409 or 410 it has ended.
    """
    if reply.status == 403:
        return resource_refused(reply.status)
    if reply.status in {404, 409, 410}:
        detail = "The vendor does not know it, or it has ended: it is complete, cancelled or expired."
        return Problem("not_found", detail, vendor_status=reply.status)
    return interpret_start_reply(reply)


vendor = Vendor("spatialgen", SpatialGenSettings, SpatialGenKeys)
settings = vendor.settings
# A read, sign, complete or cancel may be retried: it does the same again. The vendor documents that
# for complete. We assume it for the others.
api = Upstream(settings.spatialgen_api_url, repeatable=["videos/"], interpret=interpret_resource_reply)
# A start may not be retried: each one may leave an upload that nobody can continue.
starts = Upstream(settings.spatialgen_api_url, interpret=interpret_start_reply)
drm = Upstream(settings.spatialgen_drm_url, repeatable=["widevine/license"], interpret=interpret_resource_reply)


@vendor.key_expires(EXPIRES_IN)
def readonly_seconds_left(keys: SpatialGenKeys) -> float | None:
    """Seconds until the readonly key expires. None for a deployment that only uploads."""
    return seconds_left(keys.readonly) if keys.readonly else None


# The lease


class LeaseRequest(Body, frozen=True):
    """It has no fields, because there is only one key to lease."""


class Lease(msgspec.Struct, frozen=True):
    """The fields for the client."""

    key: str
    role: Literal["readonly"]
    expires_at: str


def forbidden_lease(_: LeaseRequest, __: Caller) -> Iterator[FieldError]:
    """Refuses the lease when SPATIALGEN_LEASE is off: the key is not limited to folders."""
    if not settings.spatialgen_lease:
        yield FieldError(
            "", "This deployment does not lease its key. Use its routes for reads and licences (SPATIALGEN_LEASE)"
        )


@vendor.route(Mint(body=LeaseRequest, forbidden_fields=forbidden_lease), "POST /v1/spatialgen/keys")
def lease(_: LeaseRequest, request: Request[SpatialGenKeys]) -> Credential[Lease]:
    """Returns the readonly key: the same one for all callers, with the same expiry."""
    held = readonly_key(request.key)
    fields = Lease(held.key.strip(), held.role, rfc3339(held.expires_at))
    return Credential(fields, fields.key, held.expires_at)


class RevokeRequest(Body, frozen=True):
    """The leased key to revoke."""

    key: str


@vendor.route(Operation(body=RevokeRequest), "POST /v1/spatialgen/keys/revoke")
def revoke(_: RevokeRequest, request: Request[SpatialGenKeys]) -> NoReturn:
    """Answers `not_revocable`, because the vendor's API cannot revoke a key.

    The team can revoke it on the vendor's dashboard, for all callers at once.
    """
    raise not_revocable(readonly_key(request.key).expires_at - datetime.now(UTC))


# Reads

type Text = str | None
type Number = int | float | None
type Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Page(Body, frozen=True, kw_only=True):
    """A page of the vendor's list. The whole list may be larger than Lambda's limit of 6 MB."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    offset: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] = 0

    def of[T](self, found: list[T]) -> tuple[list[T], int | None]:
        """The items of this page, and the offset of the next page. None at the end."""
        end = self.offset + self.limit
        return found[self.offset : end], end if end < len(found) else None


class VideosRequest(Page, frozen=True, kw_only=True):
    """The filters of a list. A folder's name is case-sensitive."""

    folderName: Annotated[list[Name], msgspec.Meta(max_length=32)] = msgspec.field(default_factory=list)
    # UNSET and not None, because `null` in a query would be decoded as None.
    visibility: Literal["public", "drm"] | msgspec.UnsetType = msgspec.UNSET


class StreamsRequest(Page, frozen=True, kw_only=True):
    """The id of a video in the vendor's library."""

    id: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]


class Stream(msgspec.Struct, frozen=True):
    """A stream, as the vendor describes it. Whether its URLs expire is not documented."""

    createdAt: Text = None
    status: Text = None
    streamName: Text = None
    streamUrl: Text = None
    visibility: Text = None
    highestResolutionUrl: Text = None
    highestResolutionBytes: Number = None
    jobId: Number = None


class Library(msgspec.Struct, frozen=True):
    """A video, as the vendor describes it."""

    createdAt: Text = None
    description: Text = None
    fileFormat3D: Text = None
    folderName: Text = None
    id: Number = None
    is3D: bool | None = None
    isStreaming: bool | None = None
    perspective: int | float | str | None = None  # a number in replies, a string in uploads
    thumbnailUrl: Text = None
    videoLength: Number = None
    videoHeight: Number = None
    videoName: Text = None


class Published(msgspec.Struct, frozen=True):
    """One stream, with its video."""

    stream: Stream
    library: Library


class WholeVideo(msgspec.Struct, frozen=True):
    """The vendor's reply for one video: all its streams."""

    streams: list[Stream]
    library: Library


class Video(WholeVideo, frozen=True):
    """Streams of one video. `nextOffset` is the offset of the next page, null at the end."""

    nextOffset: int | None


class Videos(msgspec.Struct, frozen=True):
    """Streams of several videos. `nextOffset` is the offset of the next page, null at the end."""

    videos: list[Published]
    nextOffset: int | None


def forbidden_reads(_: Body, __: Caller) -> Iterator[FieldError]:
    """Refuses every read when SPATIALGEN_FOLDERS is empty."""
    if not list(settings.spatialgen_folders):
        yield FieldError("", "This deployment does not offer any folder (SPATIALGEN_FOLDERS)")


@vendor.route(
    Operation(
        body=VideosRequest,
        outcome="read",
        allow={"folderName": "spatialgen_folders"},
        forbidden_fields=forbidden_reads,
        counted=True,
        uses_key=uses_readonly_key,
    ),
    "GET /v1/spatialgen/videos",
)
def list_videos(body: VideosRequest, request: Request[SpatialGenKeys]) -> Videos:
    """Lists published streams, the newest first, one page at a time.

    This filters the vendor's reply again, because one of its older pages does not know
    `visibility`.
    """
    folders = body.folderName or sorted(settings.spatialgen_folders.of(request.caller.id))
    filters = [("folderName", folder) for folder in folders if "*" not in folders]
    visibility = body.visibility or None
    filters += [("visibility", visibility)] if visibility else []
    path = f"videos/published?{urlencode(filters)}"
    found = api.request(
        "GET", path, list[Published], request.deadline, headers=readonly_headers(request), interpret=interpret_status
    )
    return Videos(*body.of([each for each in found if fits(each, folders, visibility)]))


def fits(each: Published, folders: list[str], visibility: str | None) -> bool:
    """Whether a stream matches the filters."""
    return (each.library.folderName in folders or "*" in folders) and visibility in {None, each.stream.visibility}


STREAMS = "/v1/spatialgen/videos/{id}/streams"


@vendor.route(
    Operation(
        body=StreamsRequest, outcome="read", forbidden_fields=forbidden_reads, counted=True, uses_key=uses_readonly_key
    ),
    f"GET {STREAMS}",
)
def list_streams(body: StreamsRequest, request: Request[SpatialGenKeys]) -> Video:
    """Lists the streams of one video, one page at a time.

    A video in a folder that is not allowed is `not_found`, like one that does not exist. So callers
    cannot find out which ids exist.
    """
    path = f"videos/{body.id}/streams"
    video = api.request(
        "GET", path, WholeVideo, request.deadline, headers=readonly_headers(request), interpret=interpret_video_reply
    )
    if (video.library.folderName or "") not in settings.spatialgen_folders.of(request.caller.id):
        raise video_not_found()
    streams, following = body.of(video.streams)
    return Video(streams, video.library, following)


def interpret_video_reply(reply: Reply) -> Problem | None:
    """Interprets the reply for one video. 404: it does not exist. 403: the key may not read it."""
    match reply.status:
        case 404:
            return video_not_found()
        case 403:
            return resource_refused(reply.status)
    return interpret_status(reply)


def video_not_found() -> Problem:
    """The same words for a video that does not exist and for one in another folder."""
    return Problem("not_found", "The video does not exist, or this deployment does not offer its folder.")


# Licences


class LicenseRequest(Body, frozen=True):
    """A request for a licence.

    `license_challenge`: what the player's content decryption module sends, in base64. It has some
    kilobytes.
    """

    key_id: UUID
    license_challenge: Annotated[bytes, msgspec.Meta(min_length=1, max_length=16 * 1024 - 1)]


class License(msgspec.Struct, frozen=True):
    """The vendor's reply, unchanged. According to third parties, the licence is in base64."""

    license: Annotated[str, msgspec.Meta(min_length=1)]


@vendor.route(
    Operation(
        body=LicenseRequest,
        outcome="licensed",
        forbidden_fields=forbidden_reads,
        counted=True,
        max_body_bytes=32 * 1024,
        uses_key=uses_readonly_key,
    ),
    "POST /v1/spatialgen/licenses/widevine",
)
def license_widevine(body: LicenseRequest, request: Request[SpatialGenKeys]) -> License:
    """Returns a licence for one player.

    It does not check the folder, because the vendor does not tell the folder of a `key_id`.
    """
    return drm.request(
        "POST", "widevine/license", License, request.deadline, headers=readonly_headers(request), json=body
    )


# What may be uploaded

VIDEO_ROLES = {"video", "video_left", "video_right"}
LAYOUT_ROLES = {layout: {"video"} for layout in ("2D", "MVHEVC", "SBS", "TB", "AIV")} | {
    "Separate": VIDEO_ROLES - {"video"}
}
"""The roles of VIDEO_ROLES that each layout needs, one file each. It allows no others."""

SINGLE_ROLES = VIDEO_ROLES | {"aime", "fcpxmld"}
"""Roles that only one file of an upload may have."""

EXTENSIONS = {
    "video": (".aivu", ".mp4", ".mov"),
    "video_left": (".mp4", ".mov"),
    "video_right": (".mp4", ".mov"),
    "audio": (".mp4", ".m4a"),
    "subtitle": (".srt",),
    "aime": (".aime",),
    "fcpxmld": (".zip",),
}
"""The file name extensions of each role. We assume that their case does not matter."""

TAGS = """en es fr de it ja ko pt ru zh af am ar az bg bn bs ca cs da el et fa fi gu he hi hr hu hy id is ka kn lt lv ml mr ms nl
no pa pl ro sk sl sq sr sv sw ta te th tl tr uk ur vi"""
LANGUAGES = frozenset(TAGS.split())
LANGUAGE_TAGS = {"audio": LANGUAGES | {"zxx"}, "subtitle": LANGUAGES}
"""The language tags of each role. Other roles have none. `zxx` means no language, as for music."""


class UploadFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file to upload. `fileName` is a name and not a path."""

    fileName: Annotated[str, msgspec.Meta(pattern=r"\A[^/\\\x00-\x1f\x7f]{1,255}\Z")]
    fileRole: Literal["video", "video_left", "video_right", "audio", "subtitle", "aime", "fcpxmld"]
    sizeBytes: Annotated[int, msgspec.Meta(gt=0, lt=2**53)]
    languageTag: str | None = None

    def __post_init__(self) -> None:
        if self.languageTag:
            msgspec.structs.force_setattr(self, "languageTag", self.languageTag.lower())


class StartRequest(Body, frozen=True, omit_defaults=True):
    """The vendor's fields, with all rules that it documents. The limits on lengths are ours."""

    videoName: Name
    layout: Literal["2D", "MVHEVC", "SBS", "TB", "Separate", "AIV"]
    files: Annotated[list[UploadFile], msgspec.Meta(min_length=1, max_length=MAX_FILES)]
    perspective: Literal["Regular", "180", "360"] | None = None
    description: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    folderName: Name | None = None

    @classmethod
    def errors(cls, sent: Any) -> Iterator[FieldError]:
        """Rules across fields. Fields of the wrong type are skipped here; decoding reports them."""
        members = sent if isinstance(sent, dict) else {}
        layout, listed = text(members.get("layout")), members.get("files")
        if layout == "AIV" and members.get("perspective") != "180":
            yield FieldError("perspective", "The layout AIV requires 180")
        if isinstance(listed, list) and listed:
            files = [SentFile.of(file) for file in listed[:MAX_FILES]]
            yield from size_errors(files)
            yield from role_errors(layout, files)
            for place, file in enumerate(files):
                yield from file_errors(f"files[{place}]", file)


class SentFile(NamedTuple):
    """The fields of a file that the rules check."""

    role: str
    extension: str
    tag: object
    size: int

    @classmethod
    def of(cls, file: Any) -> Self:
        """Reads any JSON value. The extension has a dot and lower case. An invalid size is 0."""
        members = file if isinstance(file, dict) else {}
        extension, size = PurePath(text(members.get("fileName"))).suffix.lower(), members.get("sizeBytes")
        role, tag = text(members.get("fileRole")), members.get("languageTag")
        return cls(role, extension, tag, size if isinstance(size, int) and size > 0 else 0)


def text(value: object) -> str:
    """The value if it is a string, and otherwise an empty string."""
    return value if isinstance(value, str) else ""


def size_errors(files: list[SentFile]) -> Iterator[FieldError]:
    """Errors about the number of files and their total size."""
    max_files, max_bytes = settings.spatialgen_upload_max_files, settings.spatialgen_upload_max_bytes
    if len(files) > max_files:
        yield FieldError("files", f"This deployment accepts at most {max_files} files (SPATIALGEN_UPLOAD_MAX_FILES)")
    if sum(file.size for file in files) > max_bytes:
        yield FieldError(
            "files", f"This deployment accepts at most {max_bytes} bytes in total (SPATIALGEN_UPLOAD_MAX_BYTES)"
        )


def role_errors(layout: str, files: list[SentFile]) -> Iterator[FieldError]:
    """Errors about roles that are missing, do not fit the layout, or occur twice."""
    roles = [file.role for file in files]
    needed = LAYOUT_ROLES.get(layout, VIDEO_ROLES)
    for role in sorted(needed - set(roles)) if layout in LAYOUT_ROLES else []:
        yield FieldError("files", f"The layout {layout} needs one file with the role {role}")
    if (
        layout == "AIV"
        and ("video", ".aivu") not in {file[:2] for file in files}
        and not {"aime", "fcpxmld"} <= set(roles)
    ):
        yield FieldError("files", "The layout AIV needs an .aivu video, or both an aime and an fcpxmld")
    for place, role in enumerate(roles):
        if role in VIDEO_ROLES - needed:
            yield FieldError(f"files[{place}].fileRole", f"The layout {layout} does not allow the role {role}")
        elif role in SINGLE_ROLES and role in roles[:place]:
            yield FieldError(f"files[{place}].fileRole", f"Only one file may have the role {role}")


def file_errors(place: str, file: SentFile) -> Iterator[FieldError]:
    """Errors about a file's extension and language tag, which its role determines."""
    extensions, languages = EXTENSIONS.get(file.role), LANGUAGE_TAGS.get(file.role)
    if extensions and file.extension not in extensions:
        yield FieldError(f"{place}.fileName", f"The role {file.role} allows {', '.join(extensions)}")
    if languages and file.tag is None:
        yield FieldError(f"{place}.languageTag", f"Required for the role {file.role}")
    elif languages and text(file.tag).lower() not in languages:
        yield FieldError(f"{place}.languageTag", f"The role {file.role} does not allow this language")
    elif extensions and not languages and file.tag is not None:
        yield FieldError(f"{place}.languageTag", f"The role {file.role} does not allow a language")


# Uploads

UPLOAD = "/v1/spatialgen/uploads/{sessionId}"
FILE = f"{UPLOAD}/files/{{uploadId}}"

UPLOAD_TTL = timedelta(days=5)
"""The vendor drops an incomplete upload after this time."""

MAX_PARTS = 10_000
"""Parts of one file: the vendor's limit for a range of part numbers."""

MAX_URLS = 1000
"""URLs in one response. A presigned URL may have 4 kB, and Lambda's limit is 6 MB.

The vendor itself signs 10,000 at once.
"""

type Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,128}\Z")]
type PartNumber = Annotated[int, msgspec.Meta(ge=1, le=MAX_PARTS)]


class UploadRequest(Body, frozen=True):
    """The id of an upload, in the path."""

    sessionId: Id


class FileRequest(UploadRequest, frozen=True):
    """The ids of an upload and of one of its files, in the path."""

    uploadId: Id


class PartUrlsRequest(FileRequest, frozen=True):
    """The parts to sign: a list or a range.

    We assume that a file with a single PUT has part 1 only.
    """

    partNumbers: Annotated[list[PartNumber], msgspec.Meta(min_length=1, max_length=MAX_URLS)] | None = None
    startPartNumber: PartNumber | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_URLS)] | None = None

    @classmethod
    def errors(cls, sent: Any) -> Iterator[FieldError]:
        """Reports a request that has neither a list nor a range, or both."""
        named = {name for name, value in sent.items() if value is not None} if isinstance(sent, dict) else set()
        if named & {"partNumbers", "startPartNumber", "count"} not in ({"partNumbers"}, {"startPartNumber", "count"}):
            yield FieldError("partNumbers", "Send either partNumbers, or startPartNumber and count")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part in storage. `etag` is the one that storage returned, quotes included."""

    partNumber: PartNumber
    etag: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,256}\Z")]


class CompleteRequest(FileRequest, frozen=True):
    """All parts of a file. Absent for a file with a single PUT."""

    parts: Annotated[list[Part], msgspec.Meta(min_length=1, max_length=MAX_PARTS)] | None = None

    @classmethod
    def errors(cls, sent: Any) -> Iterator[FieldError]:
        """Reports parts that are missing or occur twice."""
        match sent:
            case {"parts": [*parts]}:
                numbers = [part.get("partNumber") for part in parts if isinstance(part, dict)]
                if {number for number in numbers if isinstance(number, int)} != set(range(1, len(parts) + 1)):
                    yield FieldError("parts", "Send every part from 1 to the last one, each once")


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an upload, as the vendor describes it."""

    uploadId: Id
    fileRole: Text = None
    fileName: Text = None
    totalBytes: Number = None
    partSizeBytes: Number = None
    totalParts: Number = None
    uploadStrategy: Text = None
    status: Text = None


class StartReply(msgspec.Struct, frozen=True):
    """The vendor's reply to a start. It is not documented, so the names are an assumption.

    The paths of later calls have `uploadSessionId`, and the reply to a cancel has `sessionId`.
    This accepts both.
    """

    files: Annotated[list[Any], msgspec.Meta(min_length=1)]
    uploadSessionId: Id | None = None
    sessionId: Id | None = None

    def __post_init__(self) -> None:
        if not self.session:
            raise ValueError("neither uploadSessionId nor sessionId")
        msgspec.structs.force_setattr(self, "files", [lenient_file(file) for file in self.files])

    @property
    def session(self) -> str:
        """The upload's id, under either name."""
        return self.uploadSessionId or self.sessionId or ""


class Started(msgspec.Struct, frozen=True):
    """What the client needs to continue the upload."""

    uploadSessionId: Id
    files: Annotated[list[File], msgspec.Meta(min_length=1)]


def lenient_file(value: Any) -> File:
    """The valid fields of any JSON value. An open upload must not be lost over a malformed field.

    Raises ValidationError if there is no id, because the upload cannot continue without it.
    """
    members, valid = value if isinstance(value, dict) else {}, {}
    for field in msgspec.structs.fields(File):
        with suppress(msgspec.ValidationError, KeyError):
            valid[field.name] = msgspec.convert(members[field.name], field.type)
    return msgspec.convert(valid, File)


class SignedPart(msgspec.Struct, frozen=True):
    """One part in the vendor's reply."""

    partNumber: int
    sizeBytes: int
    byteStart: int
    url: Annotated[str, msgspec.Meta(pattern=r"\Ahttps?://[\x21-\x7e]+\Z")]
    expiresAt: object = None


class Signed(File, frozen=True, kw_only=True):
    """The vendor's reply with the URLs of a file's parts."""

    parts: Annotated[list[SignedPart], msgspec.Meta(min_length=1)]


class PartUrl(msgspec.Struct, frozen=True):
    """The URL of a part. The client sends the part's bytes there with PUT, without a key.

    `byteEnd` is the last byte of the part. The vendor's own field may be the byte after it.
    """

    partNumber: int
    sizeBytes: int
    byteStart: int
    byteEnd: int
    url: str
    expiresAt: Text

    @classmethod
    def of(cls, part: SignedPart) -> Self:
        """Converts a part of the vendor's reply."""
        end, last = utc(part.expiresAt), part.byteStart + part.sizeBytes - 1
        return cls(part.partNumber, part.sizeBytes, part.byteStart, last, part.url, rfc3339(end) if end else None)


class PartUrls(File, frozen=True, kw_only=True):
    """What the client needs to upload a file."""

    parts: list[PartUrl]


class Completed(File, frozen=True, kw_only=True):
    """A complete file. `libraryId` is present once all files of the upload are complete."""

    libraryId: Number = None


def upload_of(body: UploadRequest) -> str:
    """The upload as a resource, which only its owner may continue or cancel."""
    return f"upload#{body.sessionId}"


def file_of(body: FileRequest) -> str:
    """A file as a resource of its own.

    The vendor does not document that it checks whether a file belongs to the upload.
    """
    return f"{upload_of(body)}#{body.uploadId}"


def at(body: FileRequest, step: str) -> str:
    """The vendor's path for one step of a file's upload."""
    return f"videos/uploads/{segment(body.sessionId)}/files/{segment(body.uploadId)}/{step}"


def forbidden_default_folder(body: StartRequest, _: Caller) -> Iterator[FieldError]:
    """Refuses the vendor's default folder, unless the deployment allows all folders."""
    if body.folderName is None and "*" not in settings.spatialgen_upload_folders:
        yield FieldError("folderName", "Send a folder that this deployment offers (SPATIALGEN_UPLOAD_FOLDERS)")


@vendor.route(
    Operation(
        body=StartRequest,
        outcome="started",
        status=201,
        allow={"folderName": "spatialgen_upload_folders"},
        forbidden_fields=forbidden_default_folder,
        counted=True,
        max_body_bytes=256 * 1024,
        uses_key=uses_upload_key,
    ),
    "POST /v1/spatialgen/uploads",
)
def start(body: StartRequest, request: Request[SpatialGenKeys]) -> Started:
    """Starts an upload, which only its caller may continue.

    Without a folder name, the vendor uses its default folder.
    """
    reply = begin(body, request)
    try:
        remember(reply, request)
    except Problem as problem:
        raise not_retryable(problem) from None
    return Started(reply.session, reply.files)


def begin(body: StartRequest, request: Request[SpatialGenKeys]) -> StartReply:
    """Starts the upload at the vendor, without a retry.

    A failure is not retryable if the upload may have begun. That is so if the reply is lost or
    unusable, and after a 5xx. A 503 is different: the vendor has done nothing (RFC 9110 section
    15.6.4).
    """
    try:
        return starts.request(
            "POST", "videos/uploads", StartReply, request.deadline, headers=upload_headers(request), json=body
        )
    except Problem as problem:
        status = problem.vendor_status or 0
        if problem.ambiguous or (status >= 500 and status != 503):
            raise not_retryable(problem) from None
        raise


def remember(reply: StartReply, request: Request[SpatialGenKeys]) -> None:
    """Stores the owner of the upload and of each of its files."""
    files = [file_of(FileRequest(reply.session, file.uploadId)) for file in reply.files]
    for resource in [upload_of(UploadRequest(reply.session)), *files]:
        vendor.owners.remember(resource, request.caller, datetime.now(UTC) + UPLOAD_TTL, request.deadline)


def not_retryable(problem: Problem) -> Problem:
    """The same problem, not retryable: each retry may leave another upload at the vendor."""
    detail = (
        "The vendor may have begun an upload that nobody can continue, and drops it after five days. "
        "Another start may leave another one behind."
    )
    return Problem(problem.code, detail, vendor_status=problem.vendor_status, retryable=False)


@vendor.route(
    Operation(body=PartUrlsRequest, outcome="signed", resource=file_of, owner_only=True, uses_key=uses_upload_key),
    f"POST {FILE}/part-urls",
)
def sign_parts(body: PartUrlsRequest, request: Request[SpatialGenKeys]) -> Credential[PartUrls]:
    """Returns presigned URLs for parts, any number of times until the file is complete.

    The log record has the fingerprint of the first URL.
    """
    listed: dict[str, object] = {"partNumbers": body.partNumbers}
    wanted = listed if body.partNumbers else {"startPartNumber": body.startPartNumber, "count": body.count}
    path = at(body, "part-urls")
    signed = api.request("POST", path, Signed, request.deadline, headers=upload_headers(request), json=wanted)
    fields = PartUrls(**msgspec.structs.asdict(signed) | {"parts": [PartUrl.of(part) for part in signed.parts]})
    ends = [end for end in (utc(part.expiresAt) for part in signed.parts) if end]
    return Credential(fields, signed.parts[0].url, min(ends, default=None))


@vendor.route(
    Operation(
        body=CompleteRequest,
        outcome="completed",
        resource=file_of,
        owner_only=True,
        max_body_bytes=1024 * 1024,
        uses_key=uses_upload_key,
    ),
    f"POST {FILE}/complete",
)
def complete(body: CompleteRequest, request: Request[SpatialGenKeys]) -> Completed:
    """Completes the upload of a file. A repeated call gets the same response.

    When the last file is complete, the vendor makes the video.
    """
    wanted = {"parts": body.parts} if body.parts else {}
    path = at(body, "complete")
    return api.request("POST", path, Completed, request.deadline, headers=upload_headers(request), json=wanted)


CANCEL = Operation(
    body=UploadRequest,
    outcome="cancelled",
    status=204,
    resource=upload_of,
    owner_only=True,
    uses_key=uses_upload_key,
)


@vendor.route(CANCEL, f"DELETE {UPLOAD}")
def cancel(body: UploadRequest, request: Request[SpatialGenKeys]) -> None:
    """Cancels the upload of all files for good. 204 means that the vendor has cancelled it.

    The vendor's 404, 409 and 410 become `not_found`: the upload has ended, and may be a video now.
    """
    api.reply("DELETE", f"videos/uploads/{segment(body.sessionId)}", request.deadline, headers=upload_headers(request))


@vendor.route(CANCEL, f"POST {UPLOAD}/cancel")
@deprecated("Use DELETE; version 0.3 removes this route.", category=None)
def cancel_by_post(body: UploadRequest, request: Request[SpatialGenKeys]) -> None:
    """The old way to cancel an upload. Use DELETE on the upload, which does the same."""
    cancel(body, request)


handler = vendor.handler
