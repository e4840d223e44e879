"""Metrics of a server, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0 as CONTENT_TYPE

from pipeline.server.telemetry.prediction_counts import SECONDS, PredictionCounts

__all__ = ["CONTENT_TYPE", "ServerMetrics"]

_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class ServerMetrics:
    """Counts and measures requests.

    Attributes:
        record: Counts a response (``PredictionCounts.record``). Call it only in the thread of the event loop.
        record_queue: Records the seconds that a request waited for a thread. Thread-safe.
        record_batch: Records the number of rows of one batch of requests. Thread-safe.
        in_flight: Gauge of open requests.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        counts = PredictionCounts()
        self._registry.register(counts)
        self.record = counts.record
        queue = Histogram(
            "modeldrop_queue_seconds",
            "Time that a request waited for a thread.",
            buckets=SECONDS,
            registry=self._registry,
        )
        batch_rows = Histogram(
            "modeldrop_batch_rows",
            "Rows per batch of several requests.",
            buckets=_ROWS,
            registry=self._registry,
        )
        self.record_queue = queue.observe
        self.record_batch = batch_rows.observe
        self.in_flight = Gauge("modeldrop_requests_in_flight", "Open requests.", registry=self._registry)

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
