"""Latency and throughput at one number of clients, and the tally that they come from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["LoadLevel", "LoadTally"]

_BOUND_BY_CLIENT = 0.85  # of one core: above it, the client may be what is measured


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadLevel:
    """Latency and throughput at one number of clients, each with one open request at any time.

    Attributes:
        clients: Number of connections.
        seconds: Time in which the counted requests ended.
        requests: Successful ones.
        errors: Reason -> number of failed requests: a status, or a fault of the connection.
        per_second: Successful requests a second.
        rows_per_second: Their rows a second.
        p50_ms: Median latency of a successful request, as p90, p99 and the maximum; None without one.
        client_cpu: CPU seconds of the client a second; it has one core.
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
        """Tell whether the client had little CPU left, so that the server may be faster than measured."""
        return self.client_cpu > _BOUND_BY_CLIENT


@dataclass(kw_only=True, slots=True)
class LoadTally:
    """Requests of a level as they end, on the clients' clock.

    Attributes:
        warm_up: Seconds from the start; requests that were sent in them are not counted.
        seconds: Measured time after them; requests that ended later are not counted.
        begin: When the measured time begins; known after the start.
    """

    warm_up: float
    seconds: float
    begin: float = math.inf
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def end(self) -> float:
        """When the measured time ends."""
        return self.begin + self.seconds

    def start(self, now: float) -> None:
        """Start the warm-up; all clients are connected."""
        self.begin = now + self.warm_up

    def count(self, sent: float, ended: float, error: str | None) -> None:
        """Count a request.

        Args:
            sent: When it was sent, in seconds.
            ended: When its response was complete.
            error: Why it failed; None for a success.
        """
        if sent < self.begin or ended > self.end:
            return
        if error is None:
            self.latencies.append(ended - sent)
        else:
            self.errors[error] += 1

    def summarize(self, *, clients: int, rows: int, cpu_seconds: float, seconds: float) -> LoadLevel:
        """Return the level.

        Args:
            clients: Number of connections.
            rows: Rows of a request.
            cpu_seconds: CPU time of the client, warm-up included.
            seconds: Time in which it was used.
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
