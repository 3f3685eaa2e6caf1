"""The host names that the gateway answers.

A web page can make its own host name resolve to this machine (DNS rebinding), and would then get a local token.
"""

import ipaddress
import re
import socket
from contextlib import suppress

WRITTEN = re.compile(r"(\[[^][]+\]|[^][:]+)(?::\d+)?")
"""A name or an address, with or without a port."""

EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - only compared, not bound


class Hosts:
    """`listening`: the host on which the gateway listens.

    Any address is accepted, because nobody can make an address resolve to another machine. Emulators and phones use addresses.
    """

    def __init__(self, listening: str = "127.0.0.1") -> None:
        own = socket.gethostname() if listening in EVERYWHERE else listening
        self._names = {"localhost", own.lower()}

    def own(self, header: str | None) -> bool:
        """Whether a Host header names this gateway, with a port or without."""
        found = WRITTEN.fullmatch((header or "").lower())
        return found is not None and (found[1] in self._names or _is_address(found[1]))

    def refusal(self, header: str | None) -> str:
        names = " and ".join(sorted(self._names))
        return f"This gateway answers to {names} and to addresses only, not to {header!r}. HOST=... adds a name."


def _is_address(name: str) -> bool:
    """An IPv6 address must be in brackets."""
    with suppress(ValueError):
        return (ipaddress.ip_address(name.strip("[]")).version == 6) is name.startswith("[")
    return False
