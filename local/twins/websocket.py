"""WebSockets on which only the client speaks, because no twin renders anything."""

import base64
import hashlib
from collections.abc import Callable
from contextlib import suppress
from io import BufferedIOBase

from flask import request
from flask.typing import ResponseReturnValue

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE = 8
MASK_BYTES = 4

ENDED = "twin.ended"
"""In a request's environ: a list for what `accept` gets. The connection then stays open until the client is gone."""


def accept(ended: Callable[[bool], None] | None = None) -> ResponseReturnValue:
    """The 101 response to the current request. Source: RFC 6455, section 4.2.2.

    ended: called when the connection is over, with whether the client closed it. Without it, the twin closes at once.
    """
    if ended:
        request.environ[ENDED].append(ended)
    key = request.headers.get("Sec-WebSocket-Key", "") + GUID
    proof = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
    return "", 101, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": proof}


def hold(reader: BufferedIOBase, writer: BufferedIOBase) -> bool:
    """Waits until the client closes (True) or is lost (False). Source of the frames: RFC 6455, section 5.2."""
    with suppress(OSError):
        while len(head := reader.read(2)) == 2:
            if head[0] & 0x0F == CLOSE:
                writer.write(bytes([0x80 | CLOSE, 0]))
                return True
            reader.read(MASK_BYTES + _length(head[1] & 0x7F, reader))
    return False


def _length(told: int, reader: BufferedIOBase) -> int:
    """126 and 127 stand for a length in the next 2 or 8 bytes."""
    return told if told < 126 else int.from_bytes(reader.read(2 if told == 126 else 8))
