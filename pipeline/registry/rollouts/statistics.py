"""Statistics of a rollout, computed from its counters."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pipeline.contracts.promotion.counters import latency_quantile
from pipeline.contracts.record import Record

__all__ = ["RolloutStatistics", "wilson_lower_bound"]

_Z = 1.645  # normal quantile, one-sided 95 %
_P95 = 0.95


class RolloutStatistics(Record):
    """Measurements of a rollout.

    Attributes:
        live_requests: Requests that the live version responded to while it was measured.
        new_requests: Requests that the new version received.
        new_failed: Requests that failed with the new version but not with the live version.
        live_p95: 95th percentile of the live version's latency in seconds; None if it is not measured.
        new_p95: 95th percentile of the new version's latency in seconds; None if it is not measured.
        compared: Rows whose predictions were compared.
        different: Rows whose labels differ; None for values.
        disagreement: Share of different labels, or root mean square difference of values in standard deviations of the
            live version's; None if nothing was compared.
        dropped: Comparisons that a busy server skipped.
    """

    live_requests: int = 0
    new_requests: int = 0
    new_failed: int = 0
    live_p95: float | None = None
    new_p95: float | None = None
    compared: int = 0
    different: int | None = None
    disagreement: float | None = None
    dropped: int = 0

    @classmethod
    def of(cls, counters: Mapping[str, float]) -> RolloutStatistics:
        """Read the counters of a rollout."""
        numbers = {
            name: int(counters.get(name, 0))
            for name in ("live_requests", "new_requests", "new_failed", "compared", "dropped")
        }
        return cls(
            **numbers,
            live_p95=latency_quantile(counters, "live", _P95),
            new_p95=latency_quantile(counters, "new", _P95),
            different=int(counters["different"]) if "different" in counters else None,
            disagreement=_disagreement(counters),
        )

    @property
    def sentence(self) -> str:
        """Return the measurements as the history shows them."""
        figures = [
            f"{self.new_requests:,} {'request' if self.new_requests == 1 else 'requests'}",
            f"{self.new_failed:,} failed",
        ]
        if self.new_p95 is not None and self.live_p95 is not None:
            figures.append(f"p95 {1e3 * self.new_p95:.3g} ms beside {1e3 * self.live_p95:.3g} ms")
        if self.disagreement is not None:
            figures.append(f"disagreement {self.disagreement:.3g} on {self.compared:,} rows")
        return ", ".join(figures)


def wilson_lower_bound(count: int, total: int) -> float:
    """Return the lower 95 % bound of a proportion (Wilson 1927), one-sided."""
    rate, squared = count / total, _Z * _Z
    center = rate + squared / (2 * total)
    margin = _Z * math.sqrt(rate * (1 - rate) / total + squared / (4 * total * total))
    return max(0.0, (center - margin) / (1 + squared / total))


def _disagreement(counters: Mapping[str, float]) -> float | None:
    if "different" in counters:
        return counters["different"] / counters["compared"]
    if not counters.get("values"):
        return None
    count = counters["values"]
    mean = counters["live_sum"] / count
    variance = counters["live_squares"] / count - mean * mean
    difference = counters["difference_squares"] / count
    if variance <= 1e-12 * mean * mean:  # the live values are constant: take the relative difference
        return math.sqrt(difference) / abs(mean) if mean else float(difference > 0)
    return math.sqrt(difference / variance)
