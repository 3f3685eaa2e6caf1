"""AWS Regions, by the form of their names: a list of them would grow old."""

import re

from tools.configure.rules import AnswerError


def require_region(name: str) -> None:
    """Raises AnswerError."""
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+){1,3}-[1-9]", name):
        raise AnswerError(f"Region must be one such as eu-west-1, not {name!r}")
