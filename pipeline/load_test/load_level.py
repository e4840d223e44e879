"""Latency and throughput at one number of clients, and the tally of requests that they are computed from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["LoadLevel", "LoadTally"]

_BOUND_BY_CLIENT = 0.85  # fraction of one core; above it, the load generator may be the bottleneck


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadLevel:
    """Latency and throughput at one number of clients, each with one open request at any time.

    Attributes:
        clients: Number of connections.
        seconds: Measured time, in which the counted requests ended.
        requests: Number of successful requests.
        errors: Reason (a status, or an error of the connection) -> number of failed requests.
        per_second: Successful requests per second.
        rows_per_second: Rows of successful requests per second.
        p50_ms: Median latency of successful requests; None if there are none.
        p90_ms: 90th percentile of their latency.
        p99_ms: 99th percentile of their latency.
        max_ms: Maximum latency.
        client_cpu: CPU seconds of the load generator per second; it uses one core.
    """

    clients: int
    seconds: float
    requests: int
    errors: dict[str, int]
    per_second: float
    rows_per_second: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    client_cpu: float

    @property
    def is_bound_by_client(self) -> bool:
        """Return whether the load generator had little CPU left, so that the server may be faster than measured."""
        return self.client_cpu > _BOUND_BY_CLIENT


@dataclass(kw_only=True, slots=True)
class LoadTally:
    """Counts the requests of a level as they end. Times are seconds of one clock.

    Attributes:
        warm_up: Seconds after the start; requests sent in this time are not counted.
        seconds: Measured time after the warm-up; requests that end later are not counted.
        begin: Time at which the measured time begins; infinity before the start.
        latencies: Seconds that each successful request took.
        errors: Reason -> number of failed requests.
    """

    warm_up: float
    seconds: float
    begin: float = math.inf
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def end(self) -> float:
        """Return the time at which the measured time ends."""
        return self.begin + self.seconds

    def start(self, now: float) -> None:
        """Start the warm-up, once all clients are connected."""
        self.begin = now + self.warm_up

    def count(self, sent: float, ended: float, error: str | None) -> None:
        """Count a request.

        Args:
            sent: Time at which the request was sent.
            ended: Time at which its response was complete.
            error: Reason of a failure; None for a success.
        """
        if sent < self.begin or ended > self.end:
            return
        if error is None:
            self.latencies.append(ended - sent)
        else:
            self.errors[error] += 1

    def summarize(self, *, clients: int, rows: int, cpu_seconds: float, seconds: float) -> LoadLevel:
        """Return the latency and throughput of the counted requests.

        Args:
            clients: Number of connections.
            rows: Rows per request.
            cpu_seconds: CPU time of the load generator, including the warm-up.
            seconds: Elapsed time in which this CPU time was used.
        """
        p50, p90, p99, highest = _percentiles(self.latencies)
        return LoadLevel(
            clients=clients,
            seconds=self.seconds,
            requests=len(self.latencies),
            errors=dict(self.errors),
            per_second=round(len(self.latencies) / self.seconds, 1),
            rows_per_second=round(len(self.latencies) * rows / self.seconds, 1),
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            max_ms=highest,
            client_cpu=round(cpu_seconds / seconds, 2),
        )


def _percentiles(latencies: Sequence[float]) -> tuple[float | None, ...]:
    if not latencies:
        return (None,) * 4
    return tuple(round(float(value) * 1e3, 3) for value in np.percentile(latencies, [50, 90, 99, 100]))
