"""Count, log and trace each request that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from pipeline.server.telemetry.access_log import AccessLog
from pipeline.server.telemetry.metrics import ServerMetrics

__all__ = ["EndedRequest", "RequestObserver", "RequestTracer"]


class EndedRequest(NamedTuple):
    """A request whose response was sent.

    Attributes:
        protocol: ``http`` or ``grpc``.
        operation: HTTP method, or name of the gRPC method.
        status: HTTP status, or gRPC code.
        has_failed: Whether the request failed because of the server.
        seconds: Duration.
        facts: ``tenant``, ``model``, ``version`` and ``rows`` of a prediction; empty for other responses.
        sizes: ``bytes_in`` and, for HTTP, ``bytes_out``.
        parent: Header ``traceparent`` of the request (W3C Trace Context); empty for none.
    """

    protocol: str
    operation: str
    status: str
    has_failed: bool
    seconds: float
    facts: Mapping[str, Any]
    sizes: Mapping[str, int]
    parent: str = ""


class RequestTracer(Protocol):
    """Sends spans to a collector."""

    def trace(self, request: EndedRequest) -> None:
        """Record a request that has just ended. Never wait for the collector."""
        ...

    def close(self) -> None:
        """Send the recorded spans, and stop."""
        ...


class RequestObserver:
    """Counts, logs and traces requests. Used in the thread of the event loop.

    Attributes:
        count: Counts a request that has just ended; does not log or trace it.

    Args:
        metrics: Measures requests.
        log: Logs requests.
        tracer: Traces requests; None to not trace.
    """

    def __init__(self, metrics: ServerMetrics, log: AccessLog, tracer: RequestTracer | None = None) -> None:
        self.count = metrics.record
        self._log = log
        self._tracer = tracer

    @property
    def needs_details(self) -> bool:
        """Return whether requests are logged or traced, so that ``observe`` must be called instead of ``count``."""
        return self._log.is_on or self._tracer is not None

    def observe(self, request: EndedRequest) -> None:
        """Count, log and trace a request that has just ended."""
        protocol, status, seconds, facts = request.protocol, request.status, request.seconds, request.facts
        self.count(protocol, status, seconds, facts)
        self._log.write(protocol, status, seconds, facts, **request.sizes)
        if self._tracer is not None:
            self._tracer.trace(request)

    def close(self) -> None:
        """Send the spans that were not sent yet."""
        if self._tracer is not None:
            self._tracer.close()
