"""A WebSocket's handshake and nothing after it: no twin renders, so none has anything to say, and the connection closes."""

import base64
import hashlib

from flask import request
from flask.typing import ResponseReturnValue

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept() -> ResponseReturnValue:
    """101 for the request at hand (RFC 6455 section 4.2.2)."""
    key = request.headers.get("Sec-WebSocket-Key", "") + GUID
    proof = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
    return "", 101, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": proof}
