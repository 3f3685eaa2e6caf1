"""What may be uploaded: the vendor's rules for the files of a start.

Sources: docs/vendors/spatialgen.md.
"""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated, Any, Literal, NamedTuple, Self

import msgspec

from minting.problems import FieldError

MAX_FILES = 150
"""Files of one upload: two videos, and audio and subtitles in every language.

The vendor sets no limit.
"""

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


def start_errors(sent: Any, max_files: int, max_bytes: int) -> Iterator[FieldError]:
    """The errors between the fields of a start. `sent` may be any JSON value.

    Fields of the wrong type are skipped here, because decoding reports them.
    """
    members = sent if isinstance(sent, dict) else {}
    layout, listed = text(members.get("layout")), members.get("files")
    if layout == "AIV" and members.get("perspective") != "180":
        yield FieldError("perspective", "The layout AIV requires 180")
    if isinstance(listed, list) and listed:
        files = [SentFile.of(file) for file in listed[:MAX_FILES]]
        yield from size_errors(files, max_files, max_bytes)
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


def size_errors(files: list[SentFile], max_files: int, max_bytes: int) -> Iterator[FieldError]:
    """Errors about the number of files and their total size."""
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
