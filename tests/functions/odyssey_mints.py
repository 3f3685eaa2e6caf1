"""What Odyssey's tests share: the vendor's calls, and a mint."""

import base64
import json
from typing import TYPE_CHECKING, Any

from local.bundle import AS_IT_IS

if TYPE_CHECKING:
    from tests.conftest import Answer, Function

SIGN_IN, REQUEST, TOKEN = "/auth/token", "/sessions/request", "/sessions/token"
"""The vendor's paths, in the order of a mint's calls."""

AFTER_7 = {"Retry-After": "7"}


def session_token(claims: object) -> str:
    """A JWT with such a payload, which is all that the vendor's SDKs read. Bytes are used unchanged."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.c2ln"


def mint(odyssey: "Function", body: Any = AS_IT_IS) -> "Answer":
    return odyssey.ask("odyssey-mint", body)


def paths(odyssey: "Function") -> list[str]:
    """The vendor's paths that were called."""
    return [call.path for call in odyssey.twin.calls]


def sessions(odyssey: "Function") -> list[str]:
    """The ids of the sessions that have a slot at the vendor."""
    twin: Any = odyssey.twin
    return list(twin.sessions)


def change_twin(odyssey: "Function", **values: object) -> None:
    """Sets the twin's settings."""
    for name, value in values.items():
        setattr(odyssey.twin, name, value)
