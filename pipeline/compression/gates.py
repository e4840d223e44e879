"""The gates of a compressed file: limits of its loss in quality against the fp32 file, and of its cost.

Each comparison states what is allowed and is negated, so that NaN misses every gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.contracts.spec.job_spec import Compression
from pipeline.evaluation.ranking import is_as_good_as, is_faster, relative_drop, worse_end

__all__ = ["MAX_BATCH_DIFFERENCE", "FileCost", "Predicted", "failed_cost_gates", "failed_quality_gates"]

# Largest change of a probability, or of a value in standard deviations, with the rows of the batch. The rounding of a
# quantized activation may flip with the batch size; a scale computed over the batch changes predictions by more.
MAX_BATCH_DIFFERENCE = 0.005


@dataclass(frozen=True, kw_only=True, slots=True)
class Predicted:
    """What a served file predicts for the validation rows.

    Attributes:
        quality: Metric -> value.
        interval: Metric -> 95 % interval.
        agreement: Share of rows with fp32's label; for regression the correlation with its values.
        batch_difference: Largest difference between a row's predictions alone and in a batch.
    """

    quality: Mapping[str, float]
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    agreement: float = 1.0
    batch_difference: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FileCost:
    """The cost of a served file.

    Attributes:
        bytes: Size of the stored file.
        latency_us: Median latency of one row on one thread, in microseconds.
        columns: Columns of a request; a file that reads fewer than fp32 need be neither smaller nor faster.
    """

    bytes: int
    latency_us: float
    columns: int = 0


def failed_quality_gates(full: Predicted, small: Predicted, *, metric: str, limits: Compression) -> tuple[str, ...]:
    """Return a sentence for each quality gate that ``small`` misses.

    Args:
        full: The fp32 file.
        small: The compressed file.
        metric: Metric that candidates are compared by.
        limits: Limits of the JobSpec.
    """
    failed = []
    quality, reference = small.quality[metric], full.quality[metric]
    drop = relative_drop(reference, quality, metric)
    if not math.isfinite(quality) and quality != reference:
        failed.append(f"{metric} is not finite: some row has no finite prediction")
    elif not drop <= limits.max_quality_drop:
        failed.append(
            f"{metric} {quality:.6g} is {drop:.2%} worse than fp32's {reference:.6g}, "
            f"at most {limits.max_quality_drop:.2%} is allowed"
        )
    if metric in full.interval and not is_as_good_as(quality, worse_end(full.interval[metric], metric), metric):
        low, high = full.interval[metric]
        failed.append(f"{metric} {quality:.6g} is outside fp32's 95 % interval, {low:.6g} to {high:.6g}")
    if not small.agreement >= limits.min_agreement:
        failed.append(
            f"its agreement with fp32 is {small.agreement:.4f}, at least {limits.min_agreement:.4f} is expected"
        )
    if not small.batch_difference <= MAX_BATCH_DIFFERENCE:
        failed.append(
            f"its prediction for a row depends on the other rows of the batch: by {small.batch_difference:.3g}, "
            f"at most {MAX_BATCH_DIFFERENCE:g} is allowed"
        )
    return tuple(failed)


def failed_cost_gates(full: FileCost, small: FileCost, *, limits: Compression) -> tuple[str, ...]:
    """Return a sentence for each cost gate that ``small`` misses."""
    failed = []
    is_cheaper = small.bytes < full.bytes or is_faster(small.latency_us, full.latency_us)
    if not is_cheaper and small.columns >= full.columns:
        failed.append(
            f"it is neither smaller nor faster: {small.bytes} bytes and {small.latency_us:.0f} us for one row, "
            f"fp32 has {full.bytes} and {full.latency_us:.0f}"
        )
    slowdown = small.latency_us / full.latency_us
    if limits.max_slowdown is not None and not slowdown <= limits.max_slowdown:
        failed.append(
            f"one row takes {small.latency_us:.0f} us, {slowdown:.2f} times fp32's {full.latency_us:.0f} us, "
            f"at most {limits.max_slowdown:g} times is allowed"
        )
    return tuple(failed)
