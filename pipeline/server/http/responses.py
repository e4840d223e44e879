"""Write HTTP/1.1 responses."""

from __future__ import annotations

import json
from http import HTTPStatus

from pipeline.serving.api.messages import JSON, HttpResponse

__all__ = ["CONTINUE", "error_response", "write_response"]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})
_JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


def write_response(response: HttpResponse, *, keep_alive: bool, head_only: bool = False) -> bytes:
    """Return the bytes of a response.

    Args:
        response: The response.
        keep_alive: Whether the connection stays open.
        head_only: Omit the body, for the response to HEAD.
    """
    if keep_alive and response.headers is JSON and response.status == 200 and not head_only:
        return _JSON_HEAD % len(response.body) + response.body
    lines = [_STATUS_LINES[response.status]]
    lines.extend(f"{name}: {value}\r\n" for name, value in response.headers.items())
    if response.status not in _NO_BODY:
        lines.append(f"content-length: {len(response.body)}\r\n")
    lines.append("\r\n" if keep_alive else "connection: close\r\n\r\n")
    head = "".join(lines).encode("latin-1")
    return head if head_only else head + response.body


def error_response(status: int, message: str, **headers: str) -> HttpResponse:
    """Return ``{"error": message}`` with additional headers, whose names have underscores in place of hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, json.dumps({"error": message}).encode(), {"content-type": "application/json", **named})
