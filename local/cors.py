"""The CORS configuration of an HTTP API. Source: API Gateway developer guide, "Configure CORS for HTTP APIs"."""

from typing import Any

from werkzeug.wrappers import Request

from local.server import Response

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
    """`configuration` is SAM's CorsConfiguration, resolved. If it is empty, there is no CORS."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._origins: list[str] = configuration.get("AllowOrigins", [])
        self._allowed_headers = {name.lower() for name in configuration.get("AllowHeaders", [])}
        self._allowed_methods: list[str] = configuration.get("AllowMethods", [])
        self._preflight = _headers(configuration, PREFLIGHT)
        self._always = _headers(configuration, ALWAYS)

    def preflight(self, request: Request) -> Response | None:
        """The response to a preflight, whether the path is known or not. None for any other request."""
        asked = request.headers.get("origin") and request.headers.get("access-control-request-method")
        if not (self._origins and asked and request.method == "OPTIONS"):
            return None
        allowed = self._allowed(request)
        return Response(status=204, headers=[*allowed, *self._preflight] if allowed else [])

    def add_headers(self, request: Request, response: Response) -> Response:
        """Replaces the CORS headers of a function with the API's own."""
        if not self._origins:
            return response
        for name in {name for name, _ in response.headers if name.startswith("access-control-")}:
            response.headers.remove(name)
        response.headers.extend(self._allowed(request))
        return response

    def refusal(self, request: Request) -> str:
        """Why a browser keeps the response from the page that asked. "" if it does not, or if no other site's page asked."""
        origin = request.headers.get("origin", "")
        if not origin or origin.partition("://")[2] == request.headers.get("host"):
            return ""
        if not self._allowed(request):
            return f"CORS: the browser refuses, because AllowedOrigins lacks {origin}"
        return self._preflight_refusal(request)

    def _preflight_refusal(self, request: Request) -> str:
        method = request.headers.get("access-control-request-method", "")
        if method and not {method, "*"} & {*self._allowed_methods}:
            return f"CORS: the browser refuses, because AllowMethods lacks {method}"
        asked = {name.strip().lower() for name in request.headers.get("access-control-request-headers", "").split(",")}
        missing = [] if "*" in self._allowed_headers else sorted(asked - self._allowed_headers - {""})
        return f"CORS: the browser refuses, because AllowHeaders lacks {', '.join(missing)}" if missing else ""

    def _allowed(self, request: Request) -> Headers:
        origin = request.headers.get("origin", "")
        known = {origin, "*", f"{origin.partition('://')[0]}://*"}  # the wildcards that HTTP APIs know
        if not origin or known.isdisjoint(self._origins):
            return []
        return [("access-control-allow-origin", "*" if "*" in self._origins else origin), *self._always]


def _headers(configuration: dict[str, Any], names: dict[str, str]) -> Headers:
    return [(header, _text(configuration[name])) for name, header in names.items() if name in configuration]


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value).lower()
