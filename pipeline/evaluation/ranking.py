"""Compare models and their files: by a metric, with ties, and by latency, with a margin for noise."""

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

TIE = 1e-3  # relative difference of the metric up to which candidates are tied, and compared by file size
SAME_LATENCY = 0.1  # relative difference up to which latencies count as equal
_EPSILON = 1e-12  # lower bound of the reference that a drop is divided by


def ranking_score(quality: Mapping[str, float], metric: str) -> float:
    """Return the metric, negated if lower is better, so that greater is better."""
    return quality[metric] if greater_is_better(metric) else -quality[metric]


def is_as_good_as(quality: float, reference: float, metric: str) -> bool:
    """Return whether ``quality`` is at least as good as ``reference``; False if one of them is NaN."""
    return quality >= reference if greater_is_better(metric) else quality <= reference


def worse_end(interval: tuple[float, float], metric: str) -> float:
    """Return the worse end of a metric's interval: the low one if greater is better, else the high one."""
    low, high = interval
    return low if greater_is_better(metric) else high


def is_tied(value: float, best: float) -> bool:
    """Return whether two values of a metric are tied: ``value`` is within 0.1 % of ``best``."""
    return abs(value - best) <= TIE * abs(best)


def is_faster(latency: float, reference: float) -> bool:
    """Return whether ``latency`` is below ``reference`` by more than the noise of measurements."""
    return latency * (1 + SAME_LATENCY) < reference


def relative_drop(reference: float, quality: float, metric: str) -> float:
    """Return how much worse ``quality`` is than ``reference``, as a fraction of it; negative if it is better.

    The drop between equal qualities is 0, even if they are infinite; it is NaN if one of them is NaN. For the log loss,
    which may be near 0, it is the relative decrease of the geometric mean probability of the truth.
    """
    if quality == reference:
        return 0.0
    if metric == "log_loss":
        return 1 - math.exp(reference - quality)
    loss = reference - quality if greater_is_better(metric) else quality - reference
    return loss / max(abs(reference), _EPSILON) if math.isfinite(reference) else loss
