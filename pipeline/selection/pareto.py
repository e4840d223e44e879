"""The Pareto front over quality, latency and size."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.records.variant import Variant
from pipeline.evaluation.ranking import ranking_score

__all__ = ["costs", "dominates", "front"]


def costs(variant: Variant, metric: str, *, by_folds: bool = False) -> tuple[float, float, float]:
    """Quality (the less the better here), latency in microseconds, bytes. ``by_folds``: as evaluation.ranking."""
    assert variant.artifact is not None, "a variant that is ok was made"
    assert variant.latency_us is not None, "and measured"
    return -ranking_score(variant.quality, metric, by_folds=by_folds), variant.latency_us, float(variant.artifact.bytes)


def dominates(one: Variant, other: Variant, metric: str, *, by_folds: bool = False) -> bool:
    """Whether ``one`` is as good in everything and better in something."""
    mine, theirs = (costs(variant, metric, by_folds=by_folds) for variant in (one, other))
    return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))


def front(variants: Sequence[Variant], metric: str, *, by_folds: bool = False) -> list[Variant]:
    """Those that no other dominates, in their order."""
    return [one for one in variants if not any(dominates(other, one, metric, by_folds=by_folds) for other in variants)]
