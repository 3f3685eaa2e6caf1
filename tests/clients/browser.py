"""What a browser lets a page's script do with another origin, without cookies. Source: the Fetch standard, "CORS protocol"."""

from collections.abc import Mapping
from typing import NamedTuple

import requests

SAFE_METHODS = {"GET", "HEAD", "POST"}
SAFE_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}


class BlockedError(Exception):
    """The script learns no more than that there was no answer; what was wrong is in the console."""


class Page(NamedTuple):
    """A page at an origin: scheme, host and port, as browsers send them."""

    origin: str

    def send(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> requests.Response:
        """The answer, if the other origin lets this page send such a request and read it. Raises BlockedError if not."""
        asking = unsafe(headers)
        if asking or method not in SAFE_METHODS:
            self._permitted(self.preflight(method, url, asking), method, asking)
        answer = requests.request(
            method, url, headers={**headers, "Origin": self.origin}, data=body, timeout=10, allow_redirects=False
        )
        self._readable(answer)
        return answer

    def preflight(self, method: str, url: str, names: list[str]) -> requests.Response:
        """Asked without the headers that it is about, so without a sign-in."""
        asked = {"Origin": self.origin, "Access-Control-Request-Method": method}
        wanted = {"Access-Control-Request-Headers": ",".join(names)} if names else {}
        return requests.options(url, headers=asked | wanted, timeout=10, allow_redirects=False)

    def _permitted(self, answer: requests.Response, method: str, names: list[str]) -> None:
        self._readable(answer)
        if not answer.ok:
            raise BlockedError(f"The preflight was answered with {answer.status_code}.")
        if method not in SAFE_METHODS | listed(answer, "Access-Control-Allow-Methods"):
            raise BlockedError(f"{method} is not allowed.")
        allowed = {name.lower() for name in listed(answer, "Access-Control-Allow-Headers")}
        if not allowed.issuperset(names):
            raise BlockedError(f"{names} are not all among {allowed}.")

    def _readable(self, answer: requests.Response) -> None:
        if answer.headers.get("Access-Control-Allow-Origin") not in {self.origin, "*"}:
            raise BlockedError(f"The answer is not for {self.origin}.")


def unsafe(headers: Mapping[str, str]) -> list[str]:
    """The names, in lower case and sorted, of headers that a page may not send unasked."""
    kind = headers.get("Content-Type", "text/plain").partition(";")[0].strip()
    safe = {"accept", "accept-language", "content-language"} | ({"content-type"} if kind in SAFE_TYPES else set())
    return sorted({name.lower() for name in headers} - safe)


def listed(answer: requests.Response, header: str) -> set[str]:
    return {part.strip() for part in answer.headers.get(header, "").split(",")}
