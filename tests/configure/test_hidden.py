"""A secret is read from a terminal without an echo and without the terminal's bound on a line."""

import os
import pty
import termios
import threading
from collections.abc import Iterator

import pytest

from tools import hidden

LONG = "x" * 9000


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The side of a person at the keyboard. The other side is the standard input."""
    person, own = pty.openpty()
    monkeypatch.setattr("sys.stdin", os.fdopen(own, closefd=False))
    yield person
    os.close(person)
    os.close(own)


def typed(person: int, keys: bytes) -> threading.Thread:
    """Types once the prompt has switched the echo off."""

    def type_keys() -> None:
        while termios.tcgetattr(person)[3] & termios.ECHO:
            pass
        os.write(person, keys)

    thread = threading.Thread(target=type_keys)
    thread.start()
    return thread


@pytest.mark.parametrize(("keys", "read"), [(LONG, LONG), (" a ", "a"), ("ab\x7fc", "ac"), ("", "")])
def test_a_line_of_any_length_is_read_and_not_shown(
    terminal: int, capsys: pytest.CaptureFixture[str], keys: str, read: str
) -> None:
    thread = typed(terminal, f"{keys}\n".encode())
    assert hidden.line("Token: ") == read
    thread.join()
    os.set_blocking(terminal, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal, 1)
    assert capsys.readouterr().err == "Token: \n"
    assert termios.tcgetattr(terminal)[3] & termios.ECHO


def test_ctrl_d_ends_the_input(terminal: int) -> None:
    thread = typed(terminal, b"ab\x04")
    with pytest.raises(EOFError):
        hidden.line("")
    thread.join()
