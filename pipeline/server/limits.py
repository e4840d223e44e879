"""Limits of a server."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ServerLimits"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerLimits:
    """Bounds that protect a server from its clients.

    Attributes:
        max_body_bytes: Maximum size of a request's body, or of a gRPC message.
        max_header_bytes: Maximum size of a request's first line and headers.
        max_concurrent: Maximum number of requests that run or wait; further requests are refused with 429.
        max_connections: Maximum number of open connections of HTTP, and of gRPC; further ones are refused.
        max_queue_seconds: Maximum time that a request waits for a thread before it is refused with 429.
        max_request_seconds: Maximum time from a request's first byte to its last byte, against slow clients.
        max_idle_seconds: Maximum time between two requests of an HTTP connection.
        max_drain_seconds: Maximum time for open requests to finish after SIGTERM.
    """

    max_body_bytes: int = 64 << 20
    max_header_bytes: int = 32 << 10
    max_concurrent: int = 256
    max_connections: int = 16_384
    max_queue_seconds: float = 10.0
    max_request_seconds: float = 30.0
    max_idle_seconds: float = 75.0
    max_drain_seconds: float = 30.0
