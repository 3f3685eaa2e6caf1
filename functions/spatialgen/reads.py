"""Reads: published streams, and the streams of one video, in the folders that this deployment offers."""

from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.operations import Operation, Request
from minting.problems import FieldError
from minting.replies import interpret_status

from .errors import interpret_video_reply, video_not_found
from .service import READS, Name, Number, SpatialGenKeys, api, readonly_headers, settings, uses_readonly_key, vendor


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

    createdAt: str | None = None
    status: str | None = None
    streamName: str | None = None
    streamUrl: str | None = None
    visibility: str | None = None
    highestResolutionUrl: str | None = None
    highestResolutionBytes: Number = None
    jobId: Number = None


class Library(msgspec.Struct, frozen=True):
    """A video, as the vendor describes it."""

    createdAt: str | None = None
    description: str | None = None
    fileFormat3D: str | None = None
    folderName: str | None = None
    id: Number = None
    is3D: bool | None = None
    isStreaming: bool | None = None
    perspective: int | float | str | None = None  # a number in replies, a string in uploads
    thumbnailUrl: str | None = None
    videoLength: Number = None
    videoHeight: Number = None
    videoName: str | None = None


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
        budget=READS,
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


@vendor.route(
    Operation(
        body=StreamsRequest, outcome="read", forbidden_fields=forbidden_reads, budget=READS, uses_key=uses_readonly_key
    ),
    "GET /v1/spatialgen/videos/{id}/streams",
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
