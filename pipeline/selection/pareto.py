"""The Pareto front over quality, latency and size."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.job_spec import greater_is_better
from pipeline.contracts.variant import Variant

__all__ = ["costs", "dominates", "front"]


def costs(variant: Variant, metric: str) -> tuple[float, float, float]:
    """Quality (its sign turned where greater is better), latency in microseconds, bytes: less is better in each."""
    assert variant.artifact is not None, "a variant that is ok was made"
    assert variant.latency_us is not None, "and measured"
    quality = variant.quality[metric]
    return -quality if greater_is_better(metric) else quality, variant.latency_us, float(variant.artifact.bytes)


def dominates(one: Variant, other: Variant, metric: str) -> bool:
    """Whether ``one`` is as good in everything and better in something."""
    mine, theirs = costs(one, metric), costs(other, metric)
    return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))


def front(variants: Sequence[Variant], metric: str) -> list[Variant]:
    """Those that no other dominates, in their order."""
    return [one for one in variants if not any(dominates(other, one, metric) for other in variants)]
