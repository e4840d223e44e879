"""Metrics of a server, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0 as CONTENT_TYPE

__all__ = ["CONTENT_TYPE", "ServerMetrics"]

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_MAX_SERIES = 1_000  # label sets; models come from the server's operator, but a registry may have many


class ServerMetrics:
    """Counts and measures requests. Thread-safe.

    Args:
        registry: Where the metrics are registered.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._registry = registry or CollectorRegistry()
        model = ("protocol", "model", "version")
        self._duration = Histogram(
            "modeldrop_request_duration_seconds",
            "Time from a request's last byte to its response, of predictions that succeeded.",
            model,
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._rows = Counter("modeldrop_rows", "Rows predicted.", model, registry=self._registry)
        self._responses = Counter(
            "modeldrop_responses", "Responses by status.", ("protocol", "status"), registry=self._registry
        )
        self._queue = Histogram(
            "modeldrop_queue_seconds",
            "Time that a request waited for a thread.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch_rows = Histogram(
            "modeldrop_batch_rows",
            "Rows of a run, where requests ran together.",
            buckets=_ROWS,
            registry=self._registry,
        )
        self.in_flight = Gauge("modeldrop_requests_in_flight", "Open requests.", registry=self._registry)
        self._series: dict[tuple[str, str, str], tuple[Any, Any]] = {}
        self._counters: dict[tuple[str, str], Any] = {}

    def record(self, protocol: str, status: str, seconds: float, facts: Mapping[str, Any]) -> None:
        """Record a response.

        Args:
            protocol: ``http`` or ``grpc``.
            status: HTTP status, or gRPC code.
            seconds: Duration of the request.
            facts: ``model``, ``version`` and ``rows`` of a prediction; empty for other responses.
        """
        counter = self._counters.get((protocol, status))
        if counter is None:
            counter = self._counters[protocol, status] = self._responses.labels(protocol, status)
        counter.inc()
        if "rows" not in facts:
            return
        key = (protocol, facts["model"], str(facts["version"]))
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= _MAX_SERIES:
                key = (protocol, "", "")
            series = self._series[key] = (self._duration.labels(*key), self._rows.labels(*key))
        series[0].observe(seconds)
        series[1].inc(facts["rows"])

    def record_queue(self, seconds: float) -> None:
        """Record the time that a request waited for a thread."""
        self._queue.observe(seconds)

    def record_batch(self, rows: int) -> None:
        """Record a run of several requests together."""
        self._batch_rows.observe(rows)

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
