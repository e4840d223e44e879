"""How candidates are compared: by one metric, within a tie."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.contracts.spec.metrics import greater_is_better

__all__ = ["TIE", "is_tied", "ranking_score"]

TIE = 1e-3  # relative: candidates whose metric differs by no more are told apart by their bytes


def ranking_score(quality: Mapping[str, float], metric: str) -> float:
    """Return the metric so that greater is better."""
    return quality[metric] if greater_is_better(metric) else -quality[metric]


def is_tied(value: float, best: float) -> bool:
    """Whether ``value`` is within 0.1 % of ``best``, of the same metric."""
    return abs(value - best) <= TIE * abs(best)
