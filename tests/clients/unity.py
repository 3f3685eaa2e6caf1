"""How Convai's SDK for Unity, and the vendor's sample script, get a token from an endpoint: its documentation restated.

Sources: docs.convai.com, Unity SDK 4.5.0, `authentication/*`: `configure-auth-token-mode` (URL, method, field, headers),
`scripting-reference` (what GET and POST send), `troubleshooting` (what it refuses, in these words); the sample is on
`personal-access-token`. Unity's C# reference: an empty `PostWwwForm` sets no content type; the transport under it may.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

type Send = Callable[[str, str, Mapping[str, str], str | None], requests.Response]
"""Sends method, URL, headers and body, follows no redirect, and gives the answer."""

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
BODIES = {"GET": None, "POST": "{}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class EndpointError(Exception):
    """The connection is not made; the message is what the SDK says."""


class Token(NamedTuple):
    """expires_at: in UTC; None where the endpoint does not say."""

    value: str
    expires_at: datetime | None


def natively(method: str, url: str, headers: Mapping[str, str], body: str | None) -> requests.Response:
    """As every build but one for WebGL sends it."""
    return requests.request(method, url, headers=headers, data=body, timeout=10, allow_redirects=False)


def sample_token(url: str, jwt: str, form: Mapping[str, str] = FORM, send: Send = natively) -> str:
    """The vendor's sample: `UnityWebRequest.PostWwwForm(url, string.Empty)` with the player's own sign-in.

    Its `TokenResponse` reads `token`; here it reads our field. Raises EndpointError.
    """
    answer = send("POST", url, {**form, "Authorization": f"Bearer {jwt}"}, "")
    if answer.status_code not in range(200, 300):
        raise EndpointError(f"Token fetch failed: HTTP {answer.status_code}")
    token: str = _json_object(answer.text)["apiAuthToken"]
    return token


class Endpoint(NamedTuple):
    """The fields of Auth Token mode in the project's settings. headers: built into the player, the same for everybody."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    field: str = "apiAuthToken"

    def token(self, send: Send = natively) -> Token:
        """Asks anew for each connection; nothing is kept. Raises EndpointError."""
        self._check_url()
        body = BODIES[self.method]
        declared = {} if body is None else {"Content-Type": "application/json"}
        answer = send(self.method, self.url, {**declared, **self.headers}, body)
        if answer.status_code not in range(200, 300):
            raise EndpointError(f"Auth token endpoint returned HTTP {answer.status_code}.")
        read = _json_object(answer.text)
        return Token(self._value(read), _expiry(read))

    def _check_url(self) -> None:
        url = urlsplit(self.url)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
            raise EndpointError(
                "Auth token endpoint must use HTTPS, except for HTTP loopback URLs used during local development."
            )

    def _value(self, read: dict[str, Any]) -> str:
        """What is at the field's path, with dots between the names."""
        found: Any = read
        for name in self.field.split("."):
            if not isinstance(found, dict) or name not in found:
                raise EndpointError(f"Auth token response field '{self.field}' was not found.")
            found = found[name]
        if not isinstance(found, str) or not found.strip():
            raise EndpointError(f"Auth token response field '{self.field}' was empty.")
        return found


def _json_object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise EndpointError("Auth token endpoint returned malformed JSON.")
    return read


def _expiry(read: dict[str, Any]) -> datetime | None:
    """It may be absent, and nothing else: null and the empty text are invalid too."""
    if "expirationTime" not in read:
        return None
    at = _moment(str(read["expirationTime"]))
    if at is None:
        raise EndpointError("Auth token response contained an invalid expirationTime.")
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)


def _moment(text: str) -> datetime | None:
    if not ISO_8601.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
