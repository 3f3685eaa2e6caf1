"""Uploads: a caller starts one and may cancel it. upload_files.py uploads its files."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from warnings import deprecated

import msgspec

from minting.bodies import Body
from minting.callers import Caller
from minting.counts import MINTS
from minting.operations import Operation, Request
from minting.problems import FieldError, Problem
from minting.upstream import segment

from .service import Name, Number, SpatialGenKeys, api, settings, starts, upload_headers, uses_upload_key, vendor
from .upload_rules import MAX_FILES, UploadFile, start_errors

UPLOADS = "/v1/spatialgen/uploads"
UPLOAD = f"{UPLOADS}/{{sessionId}}"

UPLOAD_TTL = timedelta(days=5)
"""The vendor drops an incomplete upload after this time."""

type Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,128}\Z")]


class UploadRequest(Body, frozen=True):
    """The id of an upload, in the path."""

    sessionId: Id


class FileRequest(UploadRequest, frozen=True):
    """The ids of an upload and of one of its files, in the path."""

    uploadId: Id


def upload_of(body: UploadRequest) -> str:
    """The upload as a resource, which only its owner may continue or cancel."""
    return f"upload#{body.sessionId}"


def file_of(body: FileRequest) -> str:
    """A file as a resource of its own.

    The vendor does not document that it checks whether a file belongs to the upload.
    """
    return f"{upload_of(body)}#{body.uploadId}"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an upload, as the vendor describes it."""

    uploadId: Id
    fileRole: str | None = None
    fileName: str | None = None
    totalBytes: Number = None
    partSizeBytes: Number = None
    totalParts: Number = None
    uploadStrategy: str | None = None
    status: str | None = None


# Starting


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
        """Applies the vendor's rules, and this deployment's limits."""
        return start_errors(sent, settings.spatialgen_upload_max_files, settings.spatialgen_upload_max_bytes)


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


def lenient_file(value: Any) -> File:
    """The valid fields of any JSON value. An open upload must not be lost over a malformed field.

    Raises ValidationError if there is no id, because the upload cannot continue without it.
    """
    members, valid = value if isinstance(value, dict) else {}, {}
    for field in msgspec.structs.fields(File):
        with suppress(msgspec.ValidationError, KeyError):
            valid[field.name] = msgspec.convert(members[field.name], field.type)
    return msgspec.convert(valid, File)


class Started(msgspec.Struct, frozen=True):
    """What the client needs to continue the upload."""

    uploadSessionId: Id
    files: Annotated[list[File], msgspec.Meta(min_length=1)]


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
        budget=MINTS,
        max_body_bytes=256 * 1024,
        uses_key=uses_upload_key,
    ),
    f"POST {UPLOADS}",
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


# Cancelling

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
