"""What an operator types or pipes in, without an echo on the screen or a trace in the shell's history."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from getpass import getpass
from typing import Any, NamedTuple, get_args

import msgspec

from minting.decoding import DECODE_ERRORS
from minting.keys import Key


class InputError(Exception):
    """What was typed or piped in cannot be used. The text says why, and never repeats it."""


class Member(NamedTuple):
    """A member of a secret. group: its shape if it is a group of members that may be absent. example: of its value."""

    name: str
    group: type[Key] | None
    example: str


def hidden(what: str) -> str:
    """One value without white space around it: typed without an echo, or all of standard input. Raises InputError."""
    given = (getpass(f"{what}: ") if sys.stdin.isatty() else sys.stdin.read()).strip()
    if not given:
        raise InputError(f"The {what} is empty. Paste it at the prompt, or send it on standard input.")
    return given


def secret(shape: type[Key]) -> Any:
    """A vendor's secret: asked for value by value, or as JSON on standard input. Raises InputError."""
    if sys.stdin.isatty():
        return _asked(shape)
    try:
        return json.loads(sys.stdin.read())
    except ValueError:
        raise InputError(f"Standard input is not JSON. {expected(shape)}") from None


def key_of(shape: type[Key], given: Any) -> Key:
    """The key as a function decodes it. Raises InputError if a function could not use it."""
    try:
        key = msgspec.json.decode(json.dumps(given), type=shape)
    except DECODE_ERRORS as error:
        raise InputError(f"The functions cannot use this key: {error}. {expected(shape)}") from None
    if not any(msgspec.structs.asdict(key).values()):
        raise InputError(f"There is no key in it. {expected(shape)}")
    return key


def expected(shape: type[Key]) -> str:
    """The form of a secret, in a sentence."""
    return f"Expected: {json.dumps(_form(shape))}"


def members(shape: type[Key]) -> Iterator[Member]:
    """The members that an operator gives. One with a default, such as a role, is not among them."""
    for field in msgspec.structs.fields(shape):
        kinds = get_args(field.type)
        group = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Key)), None)
        if group or field.required:
            yield Member(field.encode_name, group, "2026-12-01T00:00:00Z" if datetime in kinds else "...")


def _form(shape: type[Key]) -> dict[str, Any]:
    return {member.name: _form(member.group) if member.group else member.example for member in members(shape)}


def _asked(shape: type[Key], prefix: str = "") -> dict[str, Any]:
    """The members that were typed. A group of which one is left empty is absent."""
    found: dict[str, Any] = {}
    for member in members(shape):
        name = prefix + member.name
        value = _asked(member.group, f"{name}.") if member.group else getpass(_prompt(name, member, prefix)).strip()
        if value:
            found[member.name] = value
        elif prefix:
            return {}
    return found


def _prompt(name: str, member: Member, prefix: str) -> str:
    return f"{name}{f', such as {member.example}' if member.example != '...' else ''}{' (empty: none)' if prefix else ''}: "
