"""Compare models and their files: by one metric up to ties, and by latency up to noise."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pipeline.contracts.spec.metrics import greater_is_better

__all__ = [
    "SAME_LATENCY",
    "TIE",
    "is_as_good_as",
    "is_faster",
    "is_tied",
    "ranking_score",
    "relative_drop",
    "worse_end",
]

TIE = 1e-3  # relative: candidates whose metric differs by no more are compared by their bytes
SAME_LATENCY = 0.1  # relative: latencies that differ by no more count as equal
_EPSILON = 1e-12  # the smallest reference that a drop is divided by


def ranking_score(quality: Mapping[str, float], metric: str) -> float:
    """Return the metric so that greater is better."""
    return quality[metric] if greater_is_better(metric) else -quality[metric]


def is_as_good_as(quality: float, reference: float, metric: str) -> bool:
    """Return whether ``quality`` is at least as good as ``reference``; NaN is as good as nothing."""
    return quality >= reference if greater_is_better(metric) else quality <= reference


def worse_end(interval: tuple[float, float], metric: str) -> float:
    """Return the end of a metric's interval that a worse quality lies beyond."""
    low, high = interval
    return low if greater_is_better(metric) else high


def is_tied(value: float, best: float) -> bool:
    """Return whether ``value`` is within 0.1 % of ``best``, of the same metric."""
    return abs(value - best) <= TIE * abs(best)


def is_faster(latency: float, reference: float) -> bool:
    """Return whether ``latency`` is less than ``reference`` by more than the noise of measuring them."""
    return latency * (1 + SAME_LATENCY) < reference


def relative_drop(reference: float, quality: float, metric: str) -> float:
    """Return how much worse ``quality`` is, as a share of ``reference``; negative when it is better.

    The drop between equal qualities is 0, even if they are infinite; it is NaN if one of them is. For the log loss,
    which may be near 0, it is the share that the geometric mean probability of the truth loses.
    """
    if quality == reference:
        return 0.0
    if metric == "log_loss":
        return 1 - math.exp(reference - quality)
    loss = reference - quality if greater_is_better(metric) else quality - reference
    return loss / max(abs(reference), _EPSILON) if math.isfinite(reference) else loss
