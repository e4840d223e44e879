"""Count responses and predictions with a few additions per request; Prometheus's metrics are made when it scrapes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

__all__ = ["SECONDS", "PredictionCounts"]

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BOUNDS = tuple(map(floatToGoString, (*SECONDS, float("inf"))))
_MODEL = ("protocol", "model", "version")
_MAX_SERIES = 1_000  # label sets; a registry may have many models


class _Series:
    """Counts of one version's predictions over one protocol."""

    __slots__ = ("buckets", "rows", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * len(_BOUNDS)
        self.rows = 0
        self.seconds = 0.0


class PredictionCounts(Collector):
    """Responses by status, and rows and durations of predictions by version. Used in the thread of the event loop.

    prometheus-client's own counters, each with a lock, would take a tenth of the time of a small model's request.
    """

    def __init__(self) -> None:
        self._responses: dict[tuple[str, str], int] = {}
        self._series: dict[tuple[str, str, int], _Series] = {}

    def record(self, protocol: str, status: str, seconds: float, facts: Mapping[str, Any]) -> None:
        """Count a response.

        Args:
            protocol: ``http`` or ``grpc``.
            status: HTTP status, or gRPC code.
            seconds: Duration of the request.
            facts: ``model``, ``version`` and ``rows`` of a prediction; empty for other responses.
        """
        response = (protocol, status)
        self._responses[response] = self._responses.get(response, 0) + 1
        if not facts:
            return
        series = self._series.get((protocol, facts["model"], facts["version"]))
        if series is None:
            series = self._add_series(protocol, facts["model"], facts["version"])
        series.buckets[bisect_left(SECONDS, seconds)] += 1
        series.seconds += seconds
        series.rows += facts["rows"]

    def collect(self) -> Iterator[Metric]:
        """Return the metrics."""
        duration = HistogramMetricFamily(
            "modeldrop_request_duration_seconds",
            "Time from a request's last byte to its response, for successful predictions.",
            labels=_MODEL,
        )
        rows = CounterMetricFamily("modeldrop_rows", "Rows predicted.", labels=_MODEL)
        for (protocol, model, version), series in self._series.items():
            labels = (protocol, model, str(version) if model else "")
            counts = zip(_BOUNDS, accumulate(series.buckets), strict=True)
            duration.add_metric(labels, list(counts), series.seconds)
            rows.add_metric(labels, series.rows)
        responses = CounterMetricFamily("modeldrop_responses", "Responses by status.", labels=("protocol", "status"))
        for response, number in self._responses.items():
            responses.add_metric(response, number)
        yield from (duration, rows, responses)

    def _add_series(self, protocol: str, model: str, version: int) -> _Series:
        """Return a new series; after _MAX_SERIES, the common series of all further models."""
        name = (protocol, model, version) if len(self._series) < _MAX_SERIES else (protocol, "", 0)
        return self._series.setdefault(name, _Series())
