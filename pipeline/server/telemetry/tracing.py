"""OpenTelemetry: one server span per request, whose parent is the client's span.

References:
    OpenTelemetry, semantic conventions for HTTP and RPC spans,
    https://opentelemetry.io/docs/specs/semconv/http/http-spans/
    W3C Trace Context, https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pipeline.server.telemetry.observer import EndedRequest

__all__ = ["OpenTelemetryTracer", "otlp_exporter"]

_SERVICE = "modeldrop"
_PATH = "/v1/traces"
_FACTS = ("tenant", "model", "version", "rows")
_STATUS_ATTRIBUTES = {"http": "http.response.status_code", "grpc": "rpc.response.status_code"}
_OPERATION_ATTRIBUTES = {"http": "http.request.method", "grpc": "rpc.method"}


def otlp_exporter(endpoint: str) -> SpanExporter:
    """Return an exporter that sends spans to a collector over OTLP/HTTP.

    Args:
        endpoint: Base URL of the collector, such as ``http://127.0.0.1:4318``.
    """
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}{_PATH}")


class OpenTelemetryTracer:
    """Sends a span for each request, in a background thread. Thread-safe.

    The SDK reads its environment variables: ``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``,
    ``OTEL_TRACES_SAMPLER`` (by default a client's sampling decision is followed), ``OTEL_EXPORTER_OTLP_HEADERS``,
    ``OTEL_BSP_SCHEDULE_DELAY``.

    Args:
        exporter: Sends spans.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        defaults = Resource({"service.name": _SERVICE})
        self._provider = TracerProvider(resource=defaults.merge(Resource.create()), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("pipeline.server")
        self._propagator = TraceContextTextMapPropagator()

    def trace(self, request: EndedRequest) -> None:
        """Record a span for a request that has just ended, with names, statuses and counts, but never rows or keys."""
        end = time.time_ns()
        model = request.facts.get("model")
        span = self._tracer.start_span(
            f"{request.operation} {model}" if model else request.operation,
            context=self._propagator.extract({"traceparent": request.parent}) if request.parent else None,
            kind=SpanKind.SERVER,
            attributes={
                _OPERATION_ATTRIBUTES[request.protocol]: request.operation,
                _STATUS_ATTRIBUTES[request.protocol]: int(request.status)
                if request.protocol == "http"
                else request.status,
                **{f"modeldrop.{name}": request.facts[name] for name in _FACTS if name in request.facts},
            },
            start_time=end - round(request.seconds * 1e9),
        )
        if request.has_failed:
            span.set_status(StatusCode.ERROR)
        span.end(end)

    def close(self) -> None:
        """Send the recorded spans, and stop."""
        self._provider.shutdown()
