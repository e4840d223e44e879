"""Which limits of the JobSpec a variant misses."""

from __future__ import annotations

from pipeline.contracts.records.variant import Variant
from pipeline.contracts.spec.job_spec import Limits
from pipeline.contracts.spec.metrics import greater_is_better

__all__ = ["violations"]


def violations(variant: Variant, metric: str, limits: Limits) -> tuple[str, ...]:
    """Return one sentence a missed limit; none when ``variant`` keeps them all.

    Args:
        variant: One that is ok.
        metric: What ``limits.min_quality`` is of.
        limits: Of the JobSpec.
    """
    assert variant.artifact is not None, "a variant that is ok was made"
    assert variant.latency_us is not None, "and measured"
    sentences = []
    if limits.max_bytes is not None and variant.artifact.bytes > limits.max_bytes:
        sentences.append(f"the file has {variant.artifact.bytes} bytes; limits.max_bytes is {limits.max_bytes}")
    if limits.max_latency_us is not None and variant.latency_us > limits.max_latency_us:
        sentences.append(
            f"one row takes {variant.latency_us:.0f} us; limits.max_latency_us is {limits.max_latency_us:g}"
        )
    if limits.min_quality is not None and _worse(variant.quality[metric], limits.min_quality, metric):
        sentences.append(f"{metric} is {variant.quality[metric]:.6g}; limits.min_quality is {limits.min_quality:g}")
    return tuple(sentences)


def _worse(quality: float, bound: float, metric: str) -> bool:
    return quality < bound if greater_is_better(metric) else quality > bound
