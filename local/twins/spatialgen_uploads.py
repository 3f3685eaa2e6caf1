"""SpatialGen's direct uploads: the rules of a start body, and the life of an upload group."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

GROUP_SECONDS = 5 * 24 * 3600
LAYOUTS = ("2D", "MVHEVC", "SBS", "TB", "Separate", "AIV")
PERSPECTIVES = ("Regular", "180", "360")
EXTENSIONS = {
    "video": {".aivu", ".mp4", ".mov"},
    "video_left": {".mp4", ".mov"},
    "video_right": {".mp4", ".mov"},
    "audio": {".mp4", ".m4a"},
    "subtitle": {".srt"},
    "aime": {".aime"},
    "fcpxmld": {".zip"},
}
TAGS = """en es fr de it ja ko pt ru zh af am ar az bg bn bs ca cs da el et fa fi gu he hi hr hu hy id is ka kn lt lv
ml mr ms nl no pa pl ro sk sl sq sr sv sw ta te th tl tr uk ur vi"""
LANGUAGES = frozenset(TAGS.split())


def start_faults(body: dict[str, Any]) -> list[str]:
    """Every fault of the body of POST /videos/uploads. Empty if the upload may start."""
    files = body.get("files")
    if not isinstance(files, list) or not files or not all(isinstance(file, dict) for file in files):
        return ["files: at least one object", *_field_faults(body)]
    return [*_field_faults(body), *(fault for file in files for fault in _file_faults(file)), *_set_faults(body, files)]


def _field_faults(body: dict[str, Any]) -> Iterator[str]:
    layout, perspective = body.get("layout"), body.get("perspective")
    if not isinstance(body.get("videoName"), str) or not body["videoName"]:
        yield "videoName: required string"
    if layout not in LAYOUTS:
        yield "layout: required, one of the six"
    if perspective is not None and perspective not in PERSPECTIVES:
        yield "perspective: Regular, 180 or 360"
    if layout == "AIV" and perspective != "180":
        yield "perspective: AIV must be 180"
    yield from (f"{name}: string" for name in ("description", "folderName") if not isinstance(body.get(name, ""), str))


def _file_faults(file: dict[str, Any]) -> Iterator[str]:
    name, role, size = file.get("fileName"), str(file.get("fileRole")), file.get("sizeBytes")
    if role not in EXTENSIONS:
        yield "fileRole: unknown"
    elif not isinstance(name, str) or PurePath(name).suffix.lower() not in EXTENSIONS[role]:
        yield f"fileName: not a name for {role}"
    if type(size) is not int or size <= 0:
        yield "sizeBytes: positive integer"
    if not _language_fits(role, file.get("languageTag")):
        yield f"languageTag: not one for {role}"


def _language_fits(role: str, tag: object) -> bool:
    if role not in {"audio", "subtitle"}:
        return tag is None
    if not isinstance(tag, str):
        return False
    return tag.lower() in LANGUAGES or (tag.lower() == "zxx" and role == "audio")


def _set_faults(body: dict[str, Any], files: Sequence[dict[str, Any]]) -> Iterator[str]:
    roles = [str(file.get("fileRole")) for file in files]
    wanted = (0, 1, 1) if body.get("layout") == "Separate" else (1, 0, 0)
    if (roles.count("video"), roles.count("video_left"), roles.count("video_right")) != wanted:
        yield "files: Separate takes one video_left and one video_right, every other layout one video"
    if roles.count("aime") > 1 or roles.count("fcpxmld") > 1:
        yield "files: at most one aime and one fcpxmld"
    bundled = any(
        file.get("fileRole") == "video" and str(file.get("fileName")).lower().endswith(".aivu") for file in files
    )
    if body.get("layout") == "AIV" and not bundled and not {"aime", "fcpxmld"} <= set(roles):
        yield "files: AIV takes an .aivu video, or both aime and fcpxmld"


@dataclass
class File:
    """One file of a group. etags: of the stored parts, by part number. The first part is 1."""

    name: str
    role: str
    size: int
    part_size: int
    strategy: str
    upload_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    etags: dict[int, str] = field(default_factory=dict)
    completed: bool = False

    @property
    def parts(self) -> int:
        return -(-self.size // self.part_size)

    def start_of(self, number: int) -> int:
        return (number - 1) * self.part_size

    def size_of(self, number: int) -> int:
        return min(self.part_size, self.size - self.start_of(number))

    def shown(self) -> dict[str, Any]:
        return {
            "uploadId": self.upload_id,
            "fileRole": self.role,
            "fileName": self.name,
            "totalBytes": self.size,
            "partSizeBytes": self.part_size,
            "totalParts": self.parts,
            "uploadStrategy": self.strategy,
            "status": "completed" if self.completed else "uploading",
        }

    def asked_parts(self, body: dict[str, Any]) -> list[int] | None:
        """The part numbers in a part-urls body. None if it has none, or an unknown one."""
        if self.strategy == "single_put":
            return [1]
        start, count = body.get("startPartNumber"), body.get("count")
        if type(start) is int and type(count) is int and 1 <= count <= 10_000:
            numbers = list(range(start, start + count))
        else:
            numbers = body.get("partNumbers") or []
        known = isinstance(numbers, list) and all(
            type(number) is int and 1 <= number <= self.parts for number in numbers
        )
        return numbers if numbers and known else None

    def accepts(self, body: dict[str, Any]) -> bool:
        """Whether a complete body has every part with its ETag from storage. A single PUT needs none."""
        stored = len(self.etags) == self.parts
        if self.strategy == "single_put":
            return stored
        parts = body.get("parts")
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            return False
        named = [(part.get("partNumber"), part.get("etag")) for part in parts]
        return stored and len(named) == self.parts and all(held in named for held in self.etags.items())


@dataclass
class Group:
    """Files that become one video. Times are in Unix seconds. library_id: None until the last file is complete."""

    start: dict[str, Any]
    files: dict[str, File]
    expires: float
    cancelled_at: float | None = None
    library_id: int | None = None
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def is_open(self, now: float) -> bool:
        return not self.cancelled_at and self.library_id is None and now < self.expires

    def finish(self, file: File, add_video: Callable[[dict[str, Any]], int]) -> None:
        """The last completion creates one library record. A repeated completion changes nothing."""
        file.completed = True
        if self.library_id is None and all(each.completed for each in self.files.values()):
            self.library_id = add_video(self.start)


def open_group(body: dict[str, Any], part_bytes: int, now: float) -> Group:
    """Makes a group from a start body without faults. Files below `part_bytes` are uploaded in a single PUT."""
    files = [_file(sent, part_bytes) for sent in body["files"]]
    return Group(body, {file.upload_id: file for file in files}, now + GROUP_SECONDS)


def _file(sent: dict[str, Any], part_bytes: int) -> File:
    size = sent["sizeBytes"]
    strategy = "multipart" if size >= part_bytes else "single_put"
    return File(sent["fileName"], sent["fileRole"], size, min(part_bytes, size), strategy)
