"""The commands on a page of docs/, and the output that the page shows for them."""

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

LOCAL = "http://127.0.0.1:3000"
"""The address of `make run` on the pages."""

FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """A block of commands (`sh`), and the text of the block after it (`text`), which is their output."""

    commands: str
    printed: str


def steps(page: Path, url: str) -> list[Step]:
    """The commands of a page, in order, for a bundle at `url`."""
    blocks: list[tuple[str, str]] = FENCED.findall(page.read_text())
    return [
        Step(text.replace(LOCAL, url), following if kind == "text" else "")
        for (language, text), (kind, following) in pairwise([*blocks, ("", "")])
        if language == "sh"
    ]
