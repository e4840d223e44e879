"""The Pareto front over quality, latency and size, which is shown; and over quality and size, which is chosen from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.contracts.records.variant import Variant
from pipeline.evaluation.ranking import ranking_score

__all__ = ["costs", "dominates", "front", "repeatable_costs"]

Costs = Callable[[Variant, str], tuple[float, ...]]


def repeatable_costs(variant: Variant, metric: str) -> tuple[float, ...]:
    """Return quality (the less the better here) and bytes: what two machines agree on."""
    assert variant.artifact is not None, "a variant that is ok was made"
    return -ranking_score(variant.quality, metric), float(variant.artifact.bytes)


def costs(variant: Variant, metric: str) -> tuple[float, ...]:
    """Return quality (the less the better here), latency in microseconds, bytes."""
    assert variant.latency_us is not None, "a variant that is ok was measured"
    quality, size = repeatable_costs(variant, metric)
    return quality, variant.latency_us, size


def dominates(variant: Variant, other: Variant, metric: str, of: Costs = costs) -> bool:
    """Whether ``variant`` is as good as ``other`` in everything and better in something."""
    mine, theirs = of(variant, metric), of(other, metric)
    return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))


def front(variants: Sequence[Variant], metric: str, of: Costs = costs) -> list[Variant]:
    """Return those that no other dominates, in their order."""
    return [variant for variant in variants if not any(dominates(other, variant, metric, of) for other in variants)]
