"""A new vendor's files, and its parts of files that exist already: tools/vendor/skeleton/ with the name filled in."""

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template
from textwrap import indent

from tools.vendor.names import Name

SKELETON = Path(__file__).parent / "skeleton"
FILES = SKELETON / "files"

PLACE = "# make vendor adds "
"""Begins a comment in template.yaml that names a place and ends with `above` or `below`.

In the skeleton, a part of the template follows the comment that names its place.
"""


def texts(name: Name, root: Path) -> dict[Path, str]:
    """The text of every file that the vendor adds or changes in the repository at `root`.

    Raises ValueError if a file exists that it adds, or if the place of a part is missing.
    """
    added = {root / path: text for path, text in _added(name)}
    for path in added:
        if path.exists():
            raise ValueError(f"{path.relative_to(root)} exists already.")
    template, readme = root / "template.yaml", root / "README.md"
    return added | {
        template: with_parts(template.read_text(), _filled("parts/template.yaml", name)),
        readme: with_row(readme.read_text(), _filled("parts/README.md", name)),
    }


def _added(name: Name) -> Iterator[tuple[str, str]]:
    for path in sorted(FILES.rglob("*.template")):
        named = str(path.relative_to(FILES)).removesuffix(".template").replace("NAME", name.folder)
        yield named, _filled(str(path.relative_to(SKELETON)), name)


def _filled(path: str, name: Name) -> str:
    spellings = {"name": name.folder, "Name": name.title, "NAME": name.variable}
    return Template((SKELETON / path).read_text()).substitute(spellings)


def with_parts(template: str, parts: str) -> str:
    """The template with each part at its place, indented as the comment that names the place."""
    for place, part in re.findall(rf"^({PLACE}.*)\n((?:(?!{PLACE}).*\n)*)", parts, re.MULTILINE):
        found = re.findall(rf"^( *){place}$", template, re.MULTILINE)
        if len(found) != 1:
            raise ValueError(f"template.yaml needs one line {place!r}, and has {len(found)}.")
        comment, lines = f"{found[0]}{place}\n", indent(part, found[0])
        template = template.replace(comment, lines + comment if place.endswith("above") else comment + lines)
    return template


def with_row(readme: str, row: str) -> str:
    """The README with the row below the last route of its table."""
    routes = list(re.finditer(r"^\| `.*/v1/.*\n", readme, re.MULTILINE))
    if not routes:
        raise ValueError("README.md has no row with a route.")
    end = routes[-1].end()
    return readme[:end] + row + readme[end:]
