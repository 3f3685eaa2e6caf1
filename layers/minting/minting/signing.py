"""AWS's signature, version 4, of a JSON request.

Source: "Create a signed AWS API request" in the IAM user guide. The tests hold it to botocore's.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """Those of the function's role. Its repr shows none."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    def __repr__(self) -> str:
        return "Credentials(...)"


class Signer:
    """Signs requests to one service in one region."""

    def __init__(self, credentials: Credentials, region: str, service: str) -> None:
        self._credentials = credentials
        self._region = region
        self._service = service

    def headers(self, url: str, headers: Mapping[str, str], body: bytes, at: datetime) -> dict[str, str]:
        """The headers of a POST without a query: those given, whose names are in lower case, and the signature."""
        target, time = urlsplit(url), at.strftime("%Y%m%dT%H%M%SZ")
        signed = {**headers, "host": target.netloc, "x-amz-date": time}
        if self._credentials.session_token:
            signed["x-amz-security-token"] = self._credentials.session_token
        names = ";".join(sorted(signed))
        lines = (f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
        request = f"POST\n{quote(target.path, safe='/~')}\n\n{''.join(lines)}\n{names}\n{_sha256(body)}"
        scope = f"{time[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{ALGORITHM}\n{time}\n{scope}\n{_sha256(request.encode())}"
        signature = hmac.digest(_key(self._credentials.secret_access_key, scope), text.encode(), "sha256").hex()
        signer = f"{self._credentials.access_key_id}/{scope}"
        return signed | {
            "authorization": f"{ALGORITHM} Credential={signer}, SignedHeaders={names}, Signature={signature}"
        }


@lru_cache(maxsize=4)  # one for each service, and at midnight the next day's
def _key(secret: str, scope: str) -> bytes:
    """The key for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
