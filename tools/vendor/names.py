"""A new vendor's name: its spellings, and what cannot be one."""

import importlib.util
import keyword
import re
from pathlib import Path
from typing import NamedTuple

RULE = (
    "Use 2 to 16 letters and digits, and begin with a letter, such as HeyGen for hey_gen: "
    "the name becomes a Python package, a part of URLs, and names in CloudFormation."
)


class Name(NamedTuple):
    """A name in its three spellings.

    title: in the template and in prose, such as `HeyGen`. folder: in Python, URLs and files, `heygen`.
    variable: in the environment, `HEYGEN`.
    """

    title: str

    @property
    def folder(self) -> str:
        return self.title.lower()

    @property
    def variable(self) -> str:
        return self.title.upper()


def parse(text: str, root: Path) -> Name:
    """The name of a vendor that the repository at `root` does not have yet.

    A name in small letters gets a capital in its title. Raises ValueError that says why the text is not a name.
    """
    if not text:
        raise ValueError("give the vendor's name: make vendor NAME=anam")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{1,15}", text):
        raise ValueError(f"{text!r} cannot be a name. {RULE}")
    name = Name(text.capitalize() if text.islower() else text)
    if reason := _taken_by_python(name.folder) or _taken_by_a_function(name.folder, root):
        raise ValueError(reason)
    return name


def _taken_by_python(folder: str) -> str:
    if keyword.iskeyword(folder):
        return f"{folder!r} is a keyword of Python, so functions/{folder} could not be imported."
    if importlib.util.find_spec(folder):
        return f"{folder!r} is a module already, which the function's package would hide."
    return ""


def _taken_by_a_function(folder: str, root: Path) -> str:
    """A vendor's name must not be part of another function's code.

    tests/trust/test_source.py searches for the names, to show that no function and no layer knows a vendor.
    """
    others = sorted(path.parent.name for path in root.glob("functions/*/app.py"))
    if folder in others:
        return f"functions/{folder} exists already."
    for other in others:
        if other in folder:
            return f"{folder!r} contains {other!r}, which is another function's name."
    for path in sorted([*root.glob("layers/minting/minting/*.py"), *root.glob("functions/*/*.py")]):
        if folder in path.read_text().lower():
            return f"{path.relative_to(root)} contains {folder!r}. Choose a name that no other code contains."
    return ""
