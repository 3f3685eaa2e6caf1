"""What a Python process needs on this machine: the stand-ins' certificate, and the host name of the emulated API.

The functions and the commands trust certifi's roots alone. The emulator's API has a name below `localhost`, which RFC 6761
gives to this machine, and which not every resolver knows.
"""

import os
import socket
import ssl
from typing import Any

_load = ssl.SSLContext.load_verify_locations
_resolve = socket.getaddrinfo


def _load_ours_too(context: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
    _load(context, *args, **kwargs)
    _load(context, cafile=os.environ["DEPLOY_CHECK_CERTIFICATE"])


def _resolve_localhost_too(host: Any, *args: Any, **kwargs: Any) -> Any:
    return _resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *args, **kwargs)


ssl.SSLContext.load_verify_locations = _load_ours_too  # type: ignore[method-assign,assignment]
socket.getaddrinfo = _resolve_localhost_too
