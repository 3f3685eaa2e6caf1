"""Looks for the vendors' keys in every byte that the page gets."""

import threading
from collections.abc import Callable, Iterable


class Leaks:
    """keys: gives the keys that there are now. Keys that there were stay known, because a log may show them later."""

    def __init__(self, keys: Callable[[], Iterable[str]]) -> None:
        self._keys = keys
        self._known: set[bytes] = set()
        self._lock = threading.Lock()
        self._bytes = self._found = 0

    def scan(self, sent: bytes) -> bytes:
        """Counts `sent` and the keys in it. Returns it as it is."""
        with self._lock:
            self._known.update(key.encode() for key in self._keys())
            self._bytes += len(sent)
            self._found += sum(key in sent for key in self._known)
        return sent

    def state(self) -> dict[str, int]:
        return {"bytes": self._bytes, "keys": len(self._known), "found": self._found}
