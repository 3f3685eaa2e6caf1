"""The files of an upload: presigned URLs for their parts, and their completion."""

from collections.abc import Iterator
from typing import Annotated, Any, Self

import msgspec

from minting.credentials import Credential, rfc3339, utc
from minting.operations import Operation, Request
from minting.problems import FieldError
from minting.upstream import segment

from .service import Number, SpatialGenKeys, api, upload_headers, uses_upload_key, vendor
from .uploads import UPLOAD, File, FileRequest, file_of

FILE = f"{UPLOAD}/files/{{uploadId}}"

MAX_PARTS = 10_000
"""Parts of one file: the vendor's limit for a range of part numbers."""

MAX_URLS = 1000
"""URLs in one response. A presigned URL may have 4 kB, and Lambda's limit is 6 MB.

The vendor itself signs 10,000 at once.
"""

type PartNumber = Annotated[int, msgspec.Meta(ge=1, le=MAX_PARTS)]


def at(body: FileRequest, step: str) -> str:
    """The vendor's path for one step of a file's upload."""
    return f"videos/uploads/{segment(body.sessionId)}/files/{segment(body.uploadId)}/{step}"


# Part URLs


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
    expiresAt: str | None

    @classmethod
    def of(cls, part: SignedPart) -> Self:
        """Converts a part of the vendor's reply."""
        end, last = utc(part.expiresAt), part.byteStart + part.sizeBytes - 1
        return cls(part.partNumber, part.sizeBytes, part.byteStart, last, part.url, rfc3339(end) if end else None)


class PartUrls(File, frozen=True, kw_only=True):
    """What the client needs to upload a file."""

    parts: list[PartUrl]


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


# Completion


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


class Completed(File, frozen=True, kw_only=True):
    """A complete file. `libraryId` is present once all files of the upload are complete."""

    libraryId: Number = None


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
