"""The gates of a compressed file: what it may lose against the fp32 file, and what it must win."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.contracts.spec.job_spec import Compression
from pipeline.contracts.spec.metrics import greater_is_better

__all__ = ["Measured", "failed_gates", "relative_drop"]

_EPSILON = 1e-12  # below this an error is no error, and a share of it says nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A served file on the validation rows. ``latency_us``: one row, one thread, median."""

    bytes: int
    quality: Mapping[str, float]
    latency_us: float


def failed_gates(
    full: Measured, small: Measured, *, agreement: float, metric: str, limits: Compression
) -> tuple[str, ...]:
    """One sentence a gate that ``small`` does not keep, with the numbers; none when it keeps them all.

    ``agreement`` is the share of rows with the label of ``full``; for regression the correlation with its values.
    """
    failed = []
    if small.bytes >= full.bytes:
        failed.append(f"it is not smaller: {small.bytes} bytes, fp32 has {full.bytes}")
    drop = relative_drop(full.quality[metric], small.quality[metric], metric)
    if drop > limits.max_quality_drop:
        failed.append(
            f"{metric} {small.quality[metric]:.6g} is {drop:.2%} worse than fp32's {full.quality[metric]:.6g}, "
            f"at most {limits.max_quality_drop:.2%} is allowed"
        )
    if agreement < limits.min_agreement:
        failed.append(f"its agreement with fp32 is {agreement:.4f}, at least {limits.min_agreement:.4f} is expected")
    slowdown = small.latency_us / full.latency_us
    if limits.max_slowdown is not None and slowdown > limits.max_slowdown:
        failed.append(
            f"one row takes {small.latency_us:.0f} us, {slowdown:.2f} times fp32's {full.latency_us:.0f} us, "
            f"at most {limits.max_slowdown:g} times is allowed"
        )
    return tuple(failed)


def relative_drop(full: float, small: float, metric: str) -> float:
    """Return how much worse ``small`` is, as a share of ``full``; negative when it is better.

    Of the log loss, which may be near 0, it is the share that the (geometric) mean probability of the truth loses.
    """
    if metric == "log_loss":
        return 1 - math.exp(full - small)
    loss = full - small if greater_is_better(metric) else small - full
    return loss / max(abs(full), _EPSILON)
