"""Questions and answers on the terminal, or from a pipe: a line each."""

import textwrap
from collections.abc import Callable

from tools.configure.rules import AnswerError

WIDTH = 100
EMPTY = "-"
"""The answer that empties a value."""


def paragraph(text: str, start: str = "") -> str:
    """Lines that begin with `start`, with URLs in one piece."""
    return textwrap.fill(
        text, WIDTH, initial_indent=start, subsequent_indent=start, break_long_words=False, break_on_hyphens=False
    )


def say(text: str, start: str = "") -> None:
    print(paragraph(text, start))


def head(text: str) -> None:
    """A paragraph after an empty line."""
    print()
    say(text)


def ask(question: str, default: str, check: Callable[[str], None]) -> str:
    """An answer that passes the check; no answer means the default. Raises EOFError at the end of the input.

    `check` raises AnswerError for a wrong answer: its text is shown, and the question comes again.
    """
    while True:
        typed = input(f"{question} [{default}]: ").strip()
        answer = "" if typed == EMPTY else typed or default
        try:
            check(answer)
        except AnswerError as error:
            say(f"{error}.", "  ")
        else:
            return answer


def ask_whether(question: str, *, default: bool = False) -> bool:
    return ask(question, "yes" if default else "no", _require_yes_or_no) in {"yes", "y"}


def _require_yes_or_no(answer: str) -> None:
    if answer not in {"yes", "y", "no", "n"}:
        raise AnswerError("Answer yes or no")
