"""Reads a secret from the terminal without showing it, or from a pipe."""

import os
import sys
import termios
import tty

END_OF_INPUT = b"\x04"
"""What Ctrl-D sends while the terminal does not edit lines."""

ERASE = {b"\x7f", b"\x08"}


def line(prompt: str) -> str:
    """One line, without the spaces around it. Raises EOFError at the end of the input."""
    if sys.stdin.isatty():
        return _typed(sys.stdin.fileno(), prompt).decode(errors="replace").strip()
    found = sys.stdin.readline()
    if not found:
        raise EOFError
    return found.strip()


def _typed(terminal: int, prompt: str) -> bytes:
    """getpass leaves the terminal's own line editing on, which cuts a long token: macOS at 1,024 bytes, Linux at 4,096."""
    print(prompt, end="", file=sys.stderr, flush=True)
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        return _until_newline(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        print(file=sys.stderr)


def _until_newline(terminal: int) -> bytes:
    read = b""
    while (byte := os.read(terminal, 1)) not in {b"\n", b"\r"}:
        if byte in {b"", END_OF_INPUT}:
            raise EOFError
        read = read[:-1] if byte in ERASE else read + byte
    return read
