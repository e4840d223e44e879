"""The Pareto front over quality, latency and size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.contracts.records.variant import Variant
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.ranking import is_faster

__all__ = ["dominates", "front", "latency_of", "quality_of", "score_of", "size_of"]


def quality_of(variant: Variant, metric: str) -> float:
    """Return a variant's metric; if it is missing or NaN, return the worst value, which loses each comparison."""
    value = variant.quality.get(metric, math.nan)
    worst = -math.inf if greater_is_better(metric) else math.inf
    return worst if math.isnan(value) else value


def score_of(variant: Variant, metric: str) -> float:
    """Return a variant's metric, negated if lower is better."""
    quality = quality_of(variant, metric)
    return quality if greater_is_better(metric) else -quality


def size_of(variant: Variant) -> int:
    """Return the size of a variant's stored file, in bytes."""
    assert variant.artifact is not None, "a variant that is ok was made"
    return variant.artifact.bytes


def latency_of(variant: Variant) -> float:
    """Return the median latency of one row, in microseconds."""
    assert variant.latency_us is not None, "a variant that is ok was measured"
    return variant.latency_us


def dominates(variant: Variant, competitor: Variant, metric: str) -> bool:
    """Return whether ``variant`` is as good as ``competitor`` in quality, latency and size, and better in one of them.

    Latencies within 10 % count as equal, so that the noise of measurements decides nothing. The relation has no cycles,
    but it is not transitive: a variant that dominates the competitor may be dominated by one that does not.
    """
    quality, reference = score_of(variant, metric), score_of(competitor, metric)
    size, competing_size = size_of(variant), size_of(competitor)
    if quality < reference or size > competing_size or is_faster(latency_of(competitor), latency_of(variant)):
        return False
    return quality > reference or size < competing_size or is_faster(latency_of(variant), latency_of(competitor))


def front(variants: Sequence[Variant], metric: str) -> list[Variant]:
    """Return the variants that no other variant dominates, in their order."""
    return [
        variant for variant in variants if not any(dominates(competitor, variant, metric) for competitor in variants)
    ]
