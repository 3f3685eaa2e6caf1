"""The operators' commands. docs/operating.md explains them, and the Makefile has a target for each.

Usage: python -m tools.operate --stage STAGE COMMAND
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from minting.callers import Caller
from tools import stages
from tools.operate import blocking, failures, keys, records, stopping
from tools.operate.smoke import smoke
from tools.operate.stack import Stack
from tools.operate.status import status
from tools.operate.vendors import DECLARED

type Told = argparse.Namespace


class Parser(argparse.ArgumentParser):
    """It never repeats a word that it does not understand: somebody may have pasted a key."""

    def error(self, message: str) -> NoReturn:
        if message.startswith(("unrecognized", "argument")):
            message = "not understood (--help shows what is). A key or a token never belongs on a command line"
        super().error(message)


class Command(NamedTuple):
    """about: for --help. options: adds its own options. run: returns False if something does not work."""

    about: str
    options: Callable[[Parser], None]
    run: Callable[[Stack, Told], bool | None]


def _vendor(parser: Parser) -> None:
    parser.add_argument("vendor", metavar="VENDOR", help=", ".join(DECLARED))


def _key(parser: Parser) -> None:
    _vendor(parser)
    parser.add_argument("--no-test", dest="tested", action="store_false", help="do not ask the vendor before")


def _key_or_back(parser: Parser) -> None:
    _key(parser)
    parser.add_argument("--back", action="store_true", help="make the previous key the current one again")


def _caller(parser: Parser) -> None:
    parser.add_argument("--iss", help="the iss claim of the caller's JWT, to the letter")
    parser.add_argument("--sub", help="the sub claim")
    parser.add_argument("--user", help="the user for whom a backend asked: Mint-On-Behalf-Of")
    parser.add_argument("--token", action="store_true", help="asks for a token that the caller got, without an echo")
    parser.add_argument("--token-sha256", metavar="HASH", help="the fingerprint of such a token")


def _token(parser: Parser) -> None:
    parser.add_argument("hash", metavar="TOKEN-HASH", nargs="?", help="without it, the command asks for the token")


def _nothing(_: Parser) -> None:
    """It takes --stage alone."""


def _rotate(stack: Stack, told: Told) -> None:
    if told.back:
        keys.put_back(stack, told.vendor)
    else:
        keys.rotate_key(stack, told.vendor, tested=told.tested)


def _named(stack: Stack, told: Told) -> Caller:
    """The caller that the options name."""
    if told.token or told.token_sha256:
        return records.holder(stack, records.fingerprint_of(told.token_sha256))
    return Caller(told.iss, told.sub, told.user)


COMMANDS: Mapping[str, Command] = {
    "set-key": Command(
        "put a vendor's key. It asks for it without an echo, or reads JSON from standard input",
        _key,
        lambda stack, told: keys.set_key(stack, told.vendor, tested=told.tested),
    ),
    "rotate-key": Command("put another key in the place of one", _key_or_back, _rotate),
    "stop": Command("refuse every mint of a vendor", _vendor, lambda stack, told: stopping.stop(stack, told.vendor)),
    "resume": Command("let a vendor mint again", _vendor, lambda stack, told: stopping.resume(stack, told.vendor)),
    "block": Command(
        "refuse a caller everything", _caller, lambda stack, told: blocking.block(stack, _named(stack, told))
    ),
    "unblock": Command(
        "serve a blocked caller again", _caller, lambda stack, told: blocking.unblock(stack, _named(stack, told))
    ),
    "who-got": Command(
        "print who got a token", _token, lambda stack, told: records.who_got(stack, records.fingerprint_of(told.hash))
    ),
    "smoke": Command("mint once from each vendor with a caller's JWT", _nothing, lambda stack, _: smoke(stack)),
    "status": Command("print what is used, stopped and ringing", _nothing, lambda stack, _: status(stack)),
}


def parsed(arguments: Sequence[str]) -> Told:
    """The command line. Ends the program with 2 if it is wrong."""
    whole = Parser(prog="operate", description="Operates a deployed stack (docs/operating.md).")
    whole.add_argument("--stage", default=stages.DEFAULT, help="a stage of samconfig.toml (default)")
    added = whole.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for name, command in COMMANDS.items():
        parser = added.add_parser(name, help=command.about, description=command.about)
        parser.add_argument("--stage", default=argparse.SUPPRESS, help="the same")
        command.options(parser)
    told = whole.parse_args(arguments)
    if lack := _lack(told):
        whole.error(lack)
    return told


def _lack(told: Told) -> str:
    """What is wrong with the options of a command. Empty if they fit."""
    if getattr(told, "vendor", "") not in {*DECLARED, ""}:
        return f"the vendor must be one of {', '.join(DECLARED)}"
    if "iss" not in told:
        return ""
    by_claims, by_token = (told.iss, told.sub, told.user), (told.token, told.token_sha256)
    named = not any(by_claims) and not all(by_token) if any(by_token) else all(by_claims[:2])
    return "" if named else "name the caller: either --iss and --sub, or --token, or --token-sha256"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, or 1 if the command failed or what it looked at does not work."""
    told = parsed(arguments)
    stage = stages.Stage(told.stage, told.stage, None, {})
    try:
        stage = stages.read(told.stage)
        return 1 if COMMANDS[told.command].run(Stack(stage), told) is False else 0
    except failures.EXPECTED as error:
        print(f"{told.command}: {failures.said(error, stage)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
