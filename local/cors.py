"""An HTTP API's CORS configuration. Source: API Gateway developer guide, "Configure CORS for HTTP APIs"."""

from typing import Any

from local.server import Request, Response

PREFLIGHT = {
    "AllowMethods": "access-control-allow-methods",
    "AllowHeaders": "access-control-allow-headers",
    "MaxAge": "access-control-max-age",
}
ALWAYS = {
    "ExposeHeaders": "access-control-expose-headers",
    "AllowCredentials": "access-control-allow-credentials",
}

type Headers = list[tuple[str, str]]


class Cors:
    """`configuration` is SAM's CorsConfiguration, resolved; empty: no CORS at all."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._origins: list[str] = configuration.get("AllowOrigins", [])
        self._preflight = _headers(configuration, PREFLIGHT)
        self._always = _headers(configuration, ALWAYS)

    def preflight(self, request: Request) -> Response | None:
        """The answer to a preflight, for every path, known or not; None for any other request."""
        asked = request.header("origin") and request.header("access-control-request-method")
        if not (self._origins and asked and request.method == "OPTIONS"):
            return None
        allowed = self._allowed(request)
        return Response(204, [*allowed, *self._preflight] if allowed else [])

    def dress(self, request: Request, response: Response) -> Response:
        """The API's CORS headers take the place of any that a function sent."""
        if not self._origins:
            return response
        kept = [header for header in response.headers if not header[0].startswith("access-control-")]
        return response._replace(headers=kept + self._allowed(request))

    def _allowed(self, request: Request) -> Headers:
        origin = request.header("origin") or ""
        known = {origin, "*", f"{origin.partition('://')[0]}://*"}  # the wildcards that HTTP APIs know
        if not origin or known.isdisjoint(self._origins):
            return []
        return [("access-control-allow-origin", "*" if "*" in self._origins else origin), *self._always]


def _headers(configuration: dict[str, Any], names: dict[str, str]) -> Headers:
    return [(header, _text(configuration[name])) for name, header in names.items() if name in configuration]


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value).lower()
