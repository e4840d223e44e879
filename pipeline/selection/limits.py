"""Which limits of the JobSpec a variant misses, and by how much."""

from __future__ import annotations

from pipeline.contracts.records.variant import Variant
from pipeline.contracts.spec.job_spec import Limits
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.ranking import is_as_good_as
from pipeline.selection.pareto import latency_of, quality_of, size_of

__all__ = ["missed_limits"]

_EPSILON = 1e-12


def missed_limits(variant: Variant, metric: str, limits: Limits) -> dict[str, float]:
    """Return a sentence for each limit that a variant misses, with the relative amount by which it misses the limit.

    Args:
        variant: A variant with the status ``ok``.
        metric: Metric of ``limits.min_quality``.
        limits: Limits of the JobSpec.
    """
    size, latency, quality = size_of(variant), latency_of(variant), quality_of(variant, metric)
    missed: dict[str, float] = {}
    if limits.max_bytes is not None and size > limits.max_bytes:
        missed[f"the file has {size} bytes; limits.max_bytes is {limits.max_bytes}"] = size / limits.max_bytes - 1
    if limits.max_latency_us is not None and latency > limits.max_latency_us:
        sentence = f"one row takes {latency:.0f} us; limits.max_latency_us is {limits.max_latency_us:g}"
        missed[sentence] = latency / limits.max_latency_us - 1
    if limits.min_quality is not None and not is_as_good_as(quality, limits.min_quality, metric):
        bound = "requires at least" if greater_is_better(metric) else "allows at most"
        sentence = f"{metric} is {quality:.6g}; limits.min_quality {bound} {limits.min_quality:g}"
        missed[sentence] = abs(quality - limits.min_quality) / max(abs(limits.min_quality), _EPSILON)
    return missed
