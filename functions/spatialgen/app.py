"""SpatialGen: a lease of its readonly key, and brokers for reads, licences and uploads, for which clients need no key at all.

The vendor mints nothing, and documents no error: what a status means is an assumption. Facts: docs/vendors/spatialgen.md.
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
"""Files of one upload: both halves, and audio and subtitles in all languages. The vendor has no bound."""


class SpatialGenSettings(Settings, frozen=True, kw_only=True):
    """`SPATIALGEN_API_URL`, `SPATIALGEN_DRM_URL`; `SPATIALGEN_LEASE`: whether callers get the readonly key itself.

    Allow-lists: `SPATIALGEN_FOLDERS`, which callers may read, and `SPATIALGEN_UPLOAD_FOLDERS`, which an upload may name.
    `SPATIALGEN_UPLOAD_MAX_FILES` and `SPATIALGEN_UPLOAD_MAX_BYTES` bound one upload.
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
    """A temporary key of the role `readonly`, and the date that the vendor's dashboard shows for it (RFC 3339, with its zone)."""

    key: Secret
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    role: Literal["readonly"] = "readonly"


class UploadKey(Key, frozen=True):
    """A key of the role `upload`; it never leaves the functions."""

    key: Secret


class SpatialGenKeys(Key, frozen=True):
    """The vendor's secret. The API cannot tell a key's role or expiry, so the secret says them."""

    readonly: ReadonlyKey | None = None
    upload: UploadKey | None = None

    def __post_init__(self) -> None:
        if self.readonly and self.upload and self.readonly.key.strip() == self.upload.key.strip():
            raise ValueError("one key cannot have two roles")  # the upload key would be leased


def readonly_part(keys: SpatialGenKeys) -> ReadonlyKey | None:
    """What reads and licences use: where the vendor refuses it, uploads go on."""
    return keys.readonly


def upload_part(keys: SpatialGenKeys) -> UploadKey | None:
    """What uploads use: where the vendor refuses it, leases, reads and licences go on."""
    return keys.upload


def readonly_key(keys: SpatialGenKeys) -> ReadonlyKey:
    """The readonly key, as long as it lives; each use tells the alarm how long that is."""
    if keys.readonly is None:
        raise unusable("there is no readonly key in its secret")
    left = seconds_left(keys.readonly)
    vendor.audit.gauge(EXPIRES_IN, left)
    if left <= 0:
        raise unusable("its readonly key has expired")
    return keys.readonly


def seconds_left(key: ReadonlyKey) -> float:
    """Negative once the key has expired."""
    return (key.expires_at - datetime.now(UTC)).total_seconds()


EXPIRES_IN = "key_expires_in"
"""The metric that the alarm in template.yaml watches, in seconds."""


def unusable(reason: str) -> Problem:
    """A rejected key, so that the secret is looked at again: the team may have put a new one in it a moment ago."""
    return KeyRejected("not_configured", f"The team that runs this deployment has to set a SpatialGen key: {reason}.")


def reading(request: Request[SpatialGenKeys]) -> dict[str, str]:
    """The header of reads and licences."""
    return {"X-SPATIALGEN-APPKEY": readonly_key(request.key).key.strip()}


def uploading(request: Request[SpatialGenKeys]) -> dict[str, str]:
    """The header of uploads."""
    if request.key.upload is None:
        raise unusable("there is no upload key in its secret")
    return {"X-SPATIALGEN-APPKEY": request.key.upload.key.strip()}


# What the vendor's statuses mean


def sent_interpret(reply: Reply) -> Problem | None:
    """400 and 422 are about what the caller sent."""
    if reply.status in {400, 422}:
        detail = "The vendor does not take that, though it keeps all the rules that the vendor documents."
        return Problem("invalid_request", detail, vendor_status=reply.status)
    return interpret_status(reply)


def thing_interpret(reply: Reply) -> Problem | None:
    """The body names one thing: it is refused (403), unknown (404), or over (409, 410)."""
    if reply.status == 403:
        return resource_refused(reply.status)
    if reply.status in {404, 409, 410}:
        detail = "The vendor has no such thing, or it is over: complete, cancelled or expired."
        return Problem("not_found", detail, vendor_status=reply.status)
    return sent_interpret(reply)


vendor = Vendor("spatialgen", SpatialGenSettings, SpatialGenKeys)
settings = vendor.settings
# To read, sign, complete or cancel twice is as good as once: documented of completing, assumed of the others.
api = Upstream(settings.spatialgen_api_url, repeatable=["videos/"], interpret=thing_interpret)
# A start that is repeated would leave an upload behind that nobody can go on with.
starts = Upstream(settings.spatialgen_api_url, interpret=sent_interpret)
drm = Upstream(settings.spatialgen_drm_url, repeatable=["widevine/license"], interpret=thing_interpret)


@vendor.key_expires(EXPIRES_IN)
def key_life(keys: SpatialGenKeys) -> float | None:
    """Seconds until the readonly key ends; None for a deployment that only uploads."""
    return seconds_left(keys.readonly) if keys.readonly else None


# The lease


class LeaseRequest(Body, frozen=True):
    """Nothing can be chosen: there is one key, and its role is `readonly`."""


class Lease(msgspec.Struct, frozen=True):
    """What the client takes."""

    key: str
    role: Literal["readonly"]
    expires_at: str


def permit_lease(_: LeaseRequest, __: Caller) -> Iterator[FieldError]:
    """Refuses unless the team has switched the lease on: the key opens folders that are not listed."""
    if not settings.spatialgen_lease:
        yield FieldError("", "This deployment hands out no key (SPATIALGEN_LEASE)")


@vendor.route(Mint(body=LeaseRequest, forbidden_fields=permit_lease), "POST /v1/spatialgen/keys")
def lease(_: LeaseRequest, request: Request[SpatialGenKeys]) -> Credential[Lease]:
    """The readonly key as it is: every caller gets the same one, and it ends for all of them at once."""
    held = readonly_key(request.key)
    fields = Lease(held.key.strip(), held.role, rfc3339(held.expires_at))
    return Credential(fields, fields.key, held.expires_at)


class RevokeRequest(Body, frozen=True):
    """The leased key that should end."""

    key: str


@vendor.route(Operation(body=RevokeRequest), "POST /v1/spatialgen/keys/revoke")
def revoke(_: RevokeRequest, request: Request[SpatialGenKeys]) -> NoReturn:
    """The team can revoke the key on the vendor's dashboard, for all callers at once; no call can."""
    raise not_revocable(readonly_key(request.key).expires_at - datetime.now(UTC))


# Reads

type Text = str | None
type Number = int | float | None
type Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Page(Body, frozen=True, kw_only=True):
    """A part of the vendor's list, because the whole may be over the 6 MB that a Lambda answers with."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    offset: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] = 0

    def of[T](self, found: list[T]) -> tuple[list[T], int | None]:
        """This part, and the offset of the next one; None at the end."""
        end = self.offset + self.limit
        return found[self.offset : end], end if end < len(found) else None


class VideosRequest(Page, frozen=True, kw_only=True):
    """Filters; a folder's name is case-sensitive."""

    folderName: Annotated[list[Name], msgspec.Meta(max_length=32)] = msgspec.field(default_factory=list)
    # Unset rather than None, which is what a query's `null` would be read as.
    visibility: Literal["public", "drm"] | msgspec.UnsetType = msgspec.UNSET


class StreamsRequest(Page, frozen=True, kw_only=True):
    """A video of the vendor's library."""

    id: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]


class Stream(msgspec.Struct, frozen=True):
    """What is known of a stream. Whether its URLs end is not documented."""

    createdAt: Text = None
    status: Text = None
    streamName: Text = None
    streamUrl: Text = None
    visibility: Text = None
    highestResolutionUrl: Text = None
    highestResolutionBytes: Number = None
    jobId: Number = None


class Library(msgspec.Struct, frozen=True):
    """What is known of a video."""

    createdAt: Text = None
    description: Text = None
    fileFormat3D: Text = None
    folderName: Text = None
    id: Number = None
    is3D: bool | None = None
    isStreaming: bool | None = None
    perspective: int | float | str | None = None  # a number where it is read, a text where it is written
    thumbnailUrl: Text = None
    videoLength: Number = None
    videoHeight: Number = None
    videoName: Text = None


class Published(msgspec.Struct, frozen=True):
    """One stream of one video."""

    stream: Stream
    library: Library


class WholeVideo(msgspec.Struct, frozen=True):
    """The vendor's answer for one video: all of its streams."""

    streams: list[Stream]
    library: Library


class Video(WholeVideo, frozen=True):
    """Streams of one video. `nextOffset` is where the next page begins, null at the end."""

    nextOffset: int | None


class Videos(msgspec.Struct, frozen=True):
    """Streams of any number of videos. `nextOffset` is where the next page begins, null at the end."""

    videos: list[Published]
    nextOffset: int | None


def permit_reading(_: Body, __: Caller) -> Iterator[FieldError]:
    """Nothing, where no folder is offered."""
    if not list(settings.spatialgen_folders):
        yield FieldError("", "This deployment offers no folder (SPATIALGEN_FOLDERS)")


@vendor.route(
    Operation(
        body=VideosRequest,
        outcome="read",
        allow={"folderName": "spatialgen_folders"},
        forbidden_fields=permit_reading,
        counted=True,
        uses_key=readonly_part,
    ),
    "GET /v1/spatialgen/videos",
)
def list_videos(body: VideosRequest, request: Request[SpatialGenKeys]) -> Videos:
    """Published streams, newest first, one page of them.

    We filter the vendor's answer again: an older page of its documents does not know `visibility`.
    """
    folders = body.folderName or sorted(settings.spatialgen_folders.of(request.caller.id))
    filters = [("folderName", folder) for folder in folders if "*" not in folders]
    visibility = body.visibility or None
    filters += [("visibility", visibility)] if visibility else []
    path = f"videos/published?{urlencode(filters)}"
    found = api.request(
        "GET", path, list[Published], request.deadline, headers=reading(request), interpret=interpret_status
    )
    return Videos(*body.of([each for each in found if fits(each, folders, visibility)]))


def fits(each: Published, folders: list[str], visibility: str | None) -> bool:
    """Whether a stream is one of those that were asked for."""
    return (each.library.folderName in folders or "*" in folders) and visibility in {None, each.stream.visibility}


STREAMS = "/v1/spatialgen/videos/{id}/streams"


@vendor.route(
    Operation(
        body=StreamsRequest, outcome="read", forbidden_fields=permit_reading, counted=True, uses_key=readonly_part
    ),
    f"GET {STREAMS}",
)
def list_streams(body: StreamsRequest, request: Request[SpatialGenKeys]) -> Video:
    """A video's streams, one page of them.

    A video in another folder gets the answer of one that is not there, so that nobody can try out ids.
    """
    path = f"videos/{body.id}/streams"
    video = api.request("GET", path, WholeVideo, request.deadline, headers=reading(request), interpret=video_interpret)
    if (video.library.folderName or "") not in settings.spatialgen_folders.of(request.caller.id):
        raise no_video()
    streams, following = body.of(video.streams)
    return Video(streams, video.library, following)


def video_interpret(reply: Reply) -> Problem | None:
    """404 is a video that is not there, 403 one that the key may not read."""
    match reply.status:
        case 404:
            return no_video()
        case 403:
            return resource_refused(reply.status)
    return interpret_status(reply)


def no_video() -> Problem:
    """The same words whether it is absent or not offered."""
    return Problem("not_found", "There is no such video here.")


# Licences


class LicenseRequest(Body, frozen=True):
    """`license_challenge`: base64 of what the player's content decryption module asks with, some kilobytes."""

    key_id: UUID
    license_challenge: Annotated[bytes, msgspec.Meta(min_length=1, max_length=16 * 1024 - 1)]


class License(msgspec.Struct, frozen=True):
    """The vendor's answer. Third parties say that it is base64; it is passed on as it comes."""

    license: Annotated[str, msgspec.Meta(min_length=1)]


@vendor.route(
    Operation(
        body=LicenseRequest,
        outcome="licensed",
        forbidden_fields=permit_reading,
        counted=True,
        max_body_bytes=32 * 1024,
        uses_key=readonly_part,
    ),
    "POST /v1/spatialgen/licenses/widevine",
)
def license_widevine(body: LicenseRequest, request: Request[SpatialGenKeys]) -> License:
    """A licence for one player. The folder that a `key_id` belongs to cannot be looked up: any that is offered will do."""
    return drm.request("POST", "widevine/license", License, request.deadline, headers=reading(request), json=body)


# What may be uploaded

FILMS = {"video", "video_left", "video_right"}
NEEDED = {layout: {"video"} for layout in ("2D", "MVHEVC", "SBS", "TB", "AIV")} | {"Separate": FILMS - {"video"}}
"""Of FILMS, those that a layout takes: one of each, and no other."""

ONCE = FILMS | {"aime", "fcpxmld"}
"""Roles that one file of an upload has at most."""

EXTENSIONS = {
    "video": (".aivu", ".mp4", ".mov"),
    "video_left": (".mp4", ".mov"),
    "video_right": (".mp4", ".mov"),
    "audio": (".mp4", ".m4a"),
    "subtitle": (".srt",),
    "aime": (".aime",),
    "fcpxmld": (".zip",),
}
"""How the names of a role's files end, in letters of any case (an assumption)."""

TAGS = """en es fr de it ja ko pt ru zh af am ar az bg bn bs ca cs da el et fa fi gu he hi hr hu hy id is ka kn lt lv ml mr ms nl
no pa pl ro sk sl sq sr sv sw ta te th tl tr uk ur vi"""
LANGUAGES = frozenset(TAGS.split())
TONGUES = {"audio": LANGUAGES | {"zxx"}, "subtitle": LANGUAGES}
"""The language tags of a role's files; `zxx` is no language, such as music. Files of other roles have no tag."""


class UploadFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file that is going to be uploaded. `fileName` is a name, not a path."""

    fileName: Annotated[str, msgspec.Meta(pattern=r"\A[^/\\\x00-\x1f\x7f]{1,255}\Z")]
    fileRole: Literal["video", "video_left", "video_right", "audio", "subtitle", "aime", "fcpxmld"]
    sizeBytes: Annotated[int, msgspec.Meta(gt=0, lt=2**53)]
    languageTag: str | None = None

    def __post_init__(self) -> None:
        if self.languageTag:
            msgspec.structs.force_setattr(self, "languageTag", self.languageTag.lower())


class StartRequest(Body, frozen=True, omit_defaults=True):
    """The vendor's own fields and all the rules that it documents; lengths are ours."""

    videoName: Name
    layout: Literal["2D", "MVHEVC", "SBS", "TB", "Separate", "AIV"]
    files: Annotated[list[UploadFile], msgspec.Meta(min_length=1, max_length=MAX_FILES)]
    perspective: Literal["Regular", "180", "360"] | None = None
    description: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    folderName: Name | None = None

    @classmethod
    def errors(cls, sent: Any) -> Iterator[FieldError]:
        """The rules that join fields. What is not known, or not what it should be, asks nothing: it is a fault by itself."""
        members = sent if isinstance(sent, dict) else {}
        layout, listed = text(members.get("layout")), members.get("files")
        if layout == "AIV" and members.get("perspective") != "180":
            yield FieldError("perspective", "The layout AIV takes 180 alone")
        if isinstance(listed, list) and listed:
            files = [Sent.of(file) for file in listed[:MAX_FILES]]
            yield from size_faults(files)
            yield from role_faults(layout, files)
            for place, file in enumerate(files):
                yield from file_faults(f"files[{place}]", file)


class Sent(NamedTuple):
    """What the rules look at in a file."""

    role: str
    extension: str
    tag: object
    size: int

    @classmethod
    def of(cls, file: Any) -> Self:
        """From any JSON value. The extension is in lower case, with its dot. A wrong size is 0 bytes."""
        members = file if isinstance(file, dict) else {}
        extension, size = PurePath(text(members.get("fileName"))).suffix.lower(), members.get("sizeBytes")
        role, tag = text(members.get("fileRole")), members.get("languageTag")
        return cls(role, extension, tag, size if isinstance(size, int) and size > 0 else 0)


def text(value: object) -> str:
    """A text in what may be any JSON value."""
    return value if isinstance(value, str) else ""


def size_faults(files: list[Sent]) -> Iterator[FieldError]:
    """More files or bytes than this deployment takes in one upload."""
    most, largest = settings.spatialgen_upload_max_files, settings.spatialgen_upload_max_bytes
    if len(files) > most:
        yield FieldError("files", f"This deployment takes {most} files at most (SPATIALGEN_UPLOAD_MAX_FILES)")
    if sum(file.size for file in files) > largest:
        yield FieldError("files", f"This deployment takes {largest} bytes in all (SPATIALGEN_UPLOAD_MAX_BYTES)")


def role_faults(layout: str, files: list[Sent]) -> Iterator[FieldError]:
    """Roles that are missing, do not fit the layout, or are there twice."""
    roles = [file.role for file in files]
    needed = NEEDED.get(layout, FILMS)
    for role in sorted(needed - set(roles)) if layout in NEEDED else []:
        yield FieldError("files", f"The layout {layout} needs one {role}")
    if (
        layout == "AIV"
        and ("video", ".aivu") not in {file[:2] for file in files}
        and not {"aime", "fcpxmld"} <= set(roles)
    ):
        yield FieldError("files", "The layout AIV needs an .aivu video, or both an aime and an fcpxmld")
    for place, role in enumerate(roles):
        if role in FILMS - needed:
            yield FieldError(f"files[{place}].fileRole", f"The layout {layout} takes no {role}")
        elif role in ONCE and role in roles[:place]:
            yield FieldError(f"files[{place}].fileRole", f"There is one {role} already")


def file_faults(place: str, file: Sent) -> Iterator[FieldError]:
    """What a role asks of its file."""
    endings, tongues = EXTENSIONS.get(file.role), TONGUES.get(file.role)
    if endings and file.extension not in endings:
        yield FieldError(f"{place}.fileName", f"The role {file.role} takes {', '.join(endings)}")
    if tongues and file.tag is None:
        yield FieldError(f"{place}.languageTag", f"Required for the role {file.role}")
    elif tongues and text(file.tag).lower() not in tongues:
        yield FieldError(f"{place}.languageTag", f"Not a language that the role {file.role} takes")
    elif endings and not tongues and file.tag is not None:
        yield FieldError(f"{place}.languageTag", f"The role {file.role} takes none")


# Uploads

UPLOAD = "/v1/spatialgen/uploads/{sessionId}"
FILE = f"{UPLOAD}/files/{{uploadId}}"

LIFE = timedelta(days=5)
"""After which the vendor drops an upload that is not complete."""

MAX_PARTS = 10_000
"""Of one file: the vendor's bound for a range of part numbers."""

MAX_URLS = 1000
"""In one answer. The vendor signs 10,000 at once, but a Lambda's answer has 6 MB, and a presigned URL may have 4 kB."""

type Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,128}\Z")]
type PartNumber = Annotated[int, msgspec.Meta(ge=1, le=MAX_PARTS)]


class UploadRequest(Body, frozen=True):
    """An upload, in the path."""

    sessionId: Id


class FileRequest(UploadRequest, frozen=True):
    """A file of an upload, in the path."""

    uploadId: Id


class PartUrlsRequest(FileRequest, frozen=True):
    """Which parts to sign: some, or a range. What goes up in a single PUT has part 1 alone (an assumption)."""

    partNumbers: Annotated[list[PartNumber], msgspec.Meta(min_length=1, max_length=MAX_URLS)] | None = None
    startPartNumber: PartNumber | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_URLS)] | None = None

    @classmethod
    def errors(cls, sent: Any) -> Iterator[FieldError]:
        """Parts are named in one of the two ways."""
        named = {name for name, value in sent.items() if value is not None} if isinstance(sent, dict) else set()
        if named & {"partNumbers", "startPartNumber", "count"} not in ({"partNumbers"}, {"startPartNumber", "count"}):
            yield FieldError("partNumbers", "Send either partNumbers, or startPartNumber and count")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part that storage has. `etag` is as storage gave it, quotes included."""

    partNumber: PartNumber
    etag: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,256}\Z")]


class CompleteRequest(FileRequest, frozen=True):
    """All parts of a file; nothing for one that went up in a single PUT."""

    parts: Annotated[list[Part], msgspec.Meta(min_length=1, max_length=MAX_PARTS)] | None = None

    @classmethod
    def errors(cls, sent: Any) -> Iterator[FieldError]:
        """Every part from the first one on, each once."""
        match sent:
            case {"parts": [*parts]}:
                numbers = [part.get("partNumber") for part in parts if isinstance(part, dict)]
                if {number for number in numbers if isinstance(number, int)} != set(range(1, len(parts) + 1)):
                    yield FieldError("parts", "Send every part from 1 to the last one, each once")


class File(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor says of a file that is being uploaded."""

    uploadId: Id
    fileRole: Text = None
    fileName: Text = None
    totalBytes: Number = None
    partSizeBytes: Number = None
    totalParts: Number = None
    uploadStrategy: Text = None
    status: Text = None


class Begun(msgspec.Struct, frozen=True):
    """The vendor's answer to a start. It is not documented: the names are an assumption.

    The paths of the later calls name the upload `uploadSessionId`, a cancel's answer `sessionId`.
    Either will do.
    """

    files: Annotated[list[Any], msgspec.Meta(min_length=1)]
    uploadSessionId: Id | None = None
    sessionId: Id | None = None

    def __post_init__(self) -> None:
        if not self.session:
            raise ValueError("neither uploadSessionId nor sessionId")
        msgspec.structs.force_setattr(self, "files", [known_file(file) for file in self.files])

    @property
    def session(self) -> str:
        """The upload's id, whatever the vendor calls it."""
        return self.uploadSessionId or self.sessionId or ""


class Started(msgspec.Struct, frozen=True):
    """What the client goes on with."""

    uploadSessionId: Id
    files: Annotated[list[File], msgspec.Meta(min_length=1)]


def known_file(said: Any) -> File:
    """What fits of any JSON value: an upload that is open must not be lost over a size in quotes.

    Raises ValidationError where there is no id to go on with.
    """
    members, fitting = said if isinstance(said, dict) else {}, {}
    for field in msgspec.structs.fields(File):
        with suppress(msgspec.ValidationError, KeyError):
            fitting[field.name] = msgspec.convert(members[field.name], field.type)
    return msgspec.convert(fitting, File)


class SignedPart(msgspec.Struct, frozen=True):
    """The vendor's answer for a part."""

    partNumber: int
    sizeBytes: int
    byteStart: int
    url: Annotated[str, msgspec.Meta(pattern=r"\Ahttps?://[\x21-\x7e]+\Z")]
    expiresAt: object = None


class Signed(File, frozen=True, kw_only=True):
    """Answer to a body for part URLs."""

    parts: Annotated[list[SignedPart], msgspec.Meta(min_length=1)]


class PartUrl(msgspec.Struct, frozen=True):
    """Where the bytes of a part go, by PUT and without a key. `byteEnd` is the last byte; the vendor's may be the next one."""

    partNumber: int
    sizeBytes: int
    byteStart: int
    byteEnd: int
    url: str
    expiresAt: Text

    @classmethod
    def of(cls, part: SignedPart) -> Self:
        """From the vendor's answer."""
        end, last = utc(part.expiresAt), part.byteStart + part.sizeBytes - 1
        return cls(part.partNumber, part.sizeBytes, part.byteStart, last, part.url, rfc3339(end) if end else None)


class PartUrls(File, frozen=True, kw_only=True):
    """What the client takes to upload a file."""

    parts: list[PartUrl]


class Completed(File, frozen=True, kw_only=True):
    """Answer to a completion. `libraryId` is there once all files of the upload are complete."""

    libraryId: Number = None


def upload_of(body: UploadRequest) -> str:
    """The thing that must be the caller's own."""
    return f"upload#{body.sessionId}"


def file_of(body: FileRequest) -> str:
    """The same for a file: that the vendor itself holds a file to its upload is not documented."""
    return f"{upload_of(body)}#{body.uploadId}"


def at(body: FileRequest, step: str) -> str:
    """Where the vendor takes a step with a file."""
    return f"videos/uploads/{segment(body.sessionId)}/files/{segment(body.uploadId)}/{step}"


def permit_upload(body: StartRequest, _: Caller) -> Iterator[FieldError]:
    """Refuses an upload to the vendor's own default folder, unless every folder is offered."""
    if body.folderName is None and "*" not in settings.spatialgen_upload_folders:
        yield FieldError("folderName", "Name a folder that this deployment offers (SPATIALGEN_UPLOAD_FOLDERS)")


@vendor.route(
    Operation(
        body=StartRequest,
        outcome="started",
        status=201,
        allow={"folderName": "spatialgen_upload_folders"},
        forbidden_fields=permit_upload,
        counted=True,
        max_body_bytes=256 * 1024,
        uses_key=upload_part,
    ),
    "POST /v1/spatialgen/uploads",
)
def start(body: StartRequest, request: Request[SpatialGenKeys]) -> Started:
    """A new upload, with which its caller alone may go on. A folder that is not named is the vendor's default."""
    begun = begin(body, request)
    try:
        remember(begun, request)
    except Problem as problem:
        raise left_behind(problem) from None
    return Started(begun.session, begun.files)


def begin(body: StartRequest, request: Request[SpatialGenKeys]) -> Begun:
    """Asks the vendor once. A problem is not retryable if an upload may have begun all the same.

    It may have after an answer that is lost or unusable, and after a fault inside the vendor.
    A 503 says that the vendor has done nothing (RFC 9110 section 15.6.4).
    """
    try:
        return starts.request("POST", "videos/uploads", Begun, request.deadline, headers=uploading(request), json=body)
    except Problem as problem:
        status = problem.vendor_status or 0
        if problem.ambiguous or (status >= 500 and status != 503):
            raise left_behind(problem) from None
        raise


def remember(begun: Begun, request: Request[SpatialGenKeys]) -> None:
    """Writes down whose the upload and its files are."""
    files = [file_of(FileRequest(begun.session, file.uploadId)) for file in begun.files]
    for thing in [upload_of(UploadRequest(begun.session)), *files]:
        vendor.owners.remember(thing, request.caller, datetime.now(UTC) + LIFE, request.deadline)


def left_behind(problem: Problem) -> Problem:
    """The same problem, not to be retried: each retry may leave another upload at the vendor."""
    detail = (
        "An upload may have begun at the vendor, but nobody can go on with it. It ends there after five days. "
        "Another start may leave another one behind."
    )
    return Problem(problem.code, detail, vendor_status=problem.vendor_status, retryable=False)


@vendor.route(
    Operation(body=PartUrlsRequest, outcome="signed", resource=file_of, owner_only=True, uses_key=upload_part),
    f"POST {FILE}/part-urls",
)
def sign_parts(body: PartUrlsRequest, request: Request[SpatialGenKeys]) -> Credential[PartUrls]:
    """Presigned URLs, as often as wanted until the file is complete. The record has the fingerprint of the first."""
    some: dict[str, object] = {"partNumbers": body.partNumbers}
    wanted = some if body.partNumbers else {"startPartNumber": body.startPartNumber, "count": body.count}
    path = at(body, "part-urls")
    signed = api.request("POST", path, Signed, request.deadline, headers=uploading(request), json=wanted)
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
        uses_key=upload_part,
    ),
    f"POST {FILE}/complete",
)
def complete(body: CompleteRequest, request: Request[SpatialGenKeys]) -> Completed:
    """Ends a file's upload, and says so again when asked again. The last file's makes the video."""
    wanted = {"parts": body.parts} if body.parts else {}
    path = at(body, "complete")
    return api.request("POST", path, Completed, request.deadline, headers=uploading(request), json=wanted)


@vendor.route(
    Operation(
        body=UploadRequest, outcome="cancelled", status=204, resource=upload_of, owner_only=True, uses_key=upload_part
    ),
    f"DELETE {UPLOAD}",
)
def cancel(body: UploadRequest, request: Request[SpatialGenKeys]) -> None:
    """Ends the upload of all files for good. 204 says that the vendor has cancelled it.

    The vendor's 404, 409 and 410 are `not_found`: the upload is over, and may have become a video.
    """
    api.reply("DELETE", f"videos/uploads/{segment(body.sessionId)}", request.deadline, headers=uploading(request))


@vendor.route(
    Operation(
        body=UploadRequest, outcome="cancelled", status=204, resource=upload_of, owner_only=True, uses_key=upload_part
    ),
    f"POST {UPLOAD}/cancel",
)
@deprecated("Use DELETE; version 0.3 removes this route.", category=None)
def cancel_by_post(body: UploadRequest, request: Request[SpatialGenKeys]) -> None:
    """The old way to cancel: use DELETE on the upload itself, which does the same."""
    cancel(body, request)


handler = vendor.handler
