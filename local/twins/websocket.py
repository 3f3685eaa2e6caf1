"""The handshake of a WebSocket. The connection closes after it, because no twin renders anything."""

import base64
import hashlib

from flask import request
from flask.typing import ResponseReturnValue

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept() -> ResponseReturnValue:
    """The 101 response to the current request. Source: RFC 6455, section 4.2.2."""
    key = request.headers.get("Sec-WebSocket-Key", "") + GUID
    proof = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
    return "", 101, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": proof}
