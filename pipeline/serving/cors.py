"""Cross-origin requests: which pages of other origins may call the API from a browser.

References:
    https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from pipeline.serving.api.messages import HttpResponse

__all__ = ["CorsPolicy"]

_ANY = "*"
_METHODS = "GET, POST, PUT, DELETE, OPTIONS"
_REQUEST_HEADERS = (
    "accept, authorization, content-type, inference-header-content-length, x-api-key, x-request-id, x-session-id"
)
_RESPONSE_HEADERS = "inference-header-content-length, retry-after"
_CACHE_SECONDS = "7200"  # maximum that Chrome accepts
_NONE: Mapping[str, str] = MappingProxyType({})


class CorsPolicy:
    """Origins whose pages may call the API. Credentials are not allowed: API keys are headers, not cookies.

    Args:
        origins: Allowed origins, such as ``https://app.example.com``; ``*`` for any; empty for none.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def __bool__(self) -> bool:
        return bool(self._origins)

    def headers(self, origin: str | None) -> Mapping[str, str]:
        """Return the CORS headers of a response to a page of ``origin``; empty if the page may not read it."""
        if origin is None or not (origin in self._origins or _ANY in self._origins):
            return _NONE
        named = {"access-control-expose-headers": _RESPONSE_HEADERS}
        if _ANY in self._origins:
            return {"access-control-allow-origin": _ANY, **named}
        return {"access-control-allow-origin": origin, "vary": "origin", **named}

    def preflight(self, headers: Mapping[str, str]) -> HttpResponse:
        """Return the response to a preflight request (OPTIONS), with the CORS headers if its origin is allowed.

        Args:
            headers: Headers of the request, by name in lower case.
        """
        allowed = self.headers(headers.get("origin"))
        if not allowed:
            return HttpResponse(204, b"", {"content-type": "text/plain"})
        named = {
            "access-control-allow-methods": _METHODS,
            "access-control-allow-headers": _REQUEST_HEADERS,
            "access-control-max-age": _CACHE_SECONDS,
        }
        return HttpResponse(204, b"", {"content-type": "text/plain", **allowed, **named})
