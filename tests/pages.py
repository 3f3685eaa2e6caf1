"""What a page of docs/ has its reader do: commands for a shell, and what it says that they print."""

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

LOCAL = "http://127.0.0.1:3000"
"""Where `make run` listens, as the pages write it."""

FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """A block of commands (`sh`), and the block after it that says what they print (`text`), or nothing."""

    commands: str
    printed: str


def steps(page: Path, url: str) -> list[Step]:
    """All of a page's commands, in order, for a bundle at `url`."""
    blocks: list[tuple[str, str]] = FENCED.findall(page.read_text())
    return [
        Step(text.replace(LOCAL, url), following if kind == "text" else "")
        for (language, text), (kind, following) in pairwise([*blocks, ("", "")])
        if language == "sh"
    ]
