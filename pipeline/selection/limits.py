"""Which limits of the JobSpec a variant misses, and by how much."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.contracts.records.variant import Variant
from pipeline.contracts.spec.job_spec import Limits
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.ranking import is_as_good_as
from pipeline.selection.pareto import latency_of, quality_of, size_of

__all__ = ["excess", "violations"]

_EPSILON = 1e-12


def violations(variant: Variant, metric: str, limits: Limits) -> tuple[str, ...]:
    """Return one sentence a missed limit; none when ``variant`` keeps them all.

    Args:
        variant: One that is ok.
        metric: Metric of ``limits.min_quality``.
        limits: Limits of the JobSpec.
    """
    return tuple(sentence for sentence, _ in _missed(variant, metric, limits))


def excess(variant: Variant, metric: str, limits: Limits) -> float:
    """Return by which ratio ``variant`` exceeds the limit that it misses by most; 0 when it keeps them all.

    Args:
        variant: One that is ok.
        metric: Metric of ``limits.min_quality``.
        limits: Limits of the JobSpec.
    """
    return max((ratio for _, ratio in _missed(variant, metric, limits)), default=0.0)


def _missed(variant: Variant, metric: str, limits: Limits) -> Iterator[tuple[str, float]]:
    size, latency, quality = size_of(variant), latency_of(variant), quality_of(variant, metric)
    if limits.max_bytes is not None and size > limits.max_bytes:
        yield f"the file has {size} bytes; limits.max_bytes is {limits.max_bytes}", size / limits.max_bytes - 1
    if limits.max_latency_us is not None and latency > limits.max_latency_us:
        sentence = f"one row takes {latency:.0f} us; limits.max_latency_us is {limits.max_latency_us:g}"
        yield sentence, latency / limits.max_latency_us - 1
    if limits.min_quality is not None and not is_as_good_as(quality, limits.min_quality, metric):
        ratio = abs(quality - limits.min_quality) / max(abs(limits.min_quality), _EPSILON)
        bound = "requires at least" if greater_is_better(metric) else "allows at most"
        yield f"{metric} is {quality:.6g}; limits.min_quality {bound} {limits.min_quality:g}", ratio
