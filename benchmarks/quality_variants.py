"""The table of a selection's variants, and the promises that its winner does not keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.contracts.records.variant import LeaderboardRow, Selection, Variant
from pipeline.contracts.spec.job_spec import Compression
from pipeline.evaluation.ranking import relative_drop
from pipeline.selection.pareto import dominates

__all__ = ["describe_variants", "failed_promises", "full_precision", "print_table"]


def describe_variants(selection: Selection) -> dict[str, dict[str, Any]]:
    """Return the measurements of each variant, and why it is served or not, by name."""
    return {row.variant.display_name: _describe(row, selection.metric) for row in selection.leaderboard}


def failed_promises(selection: Selection, limits: Compression) -> list[str]:
    """Return the faults of the winner: gates that it misses by its record, and variants that beat it."""
    passed = [row.variant for row in selection.leaderboard if row.variant.status == "ok"]
    winner, metric = selection.winner, selection.metric
    failed = [f"it is {winner.status}: {winner.reason}"] if winner not in passed else []
    failed += [f"{variant.display_name} beats it" for variant in passed if dominates(variant, winner, metric)]
    drop = relative_drop(full_precision(selection).quality[metric], winner.quality[metric], metric)
    if drop > limits.max_quality_drop:
        failed.append(f"it costs {drop:.2%} of fp32's {metric}")
    if winner.agreement is not None and winner.agreement < limits.min_agreement:
        failed.append(f"its agreement with fp32 is {winner.agreement:.4f}")
    return failed


def full_precision(selection: Selection) -> Variant:
    """Return the fp32 file of the winner's candidate."""
    candidate = selection.winner.candidate
    variants = [row.variant for row in selection.leaderboard if row.variant.candidate == candidate]
    return next(variant for variant in variants if variant.precision == "fp32" and not variant.passes)


def print_table(variants: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a text table with one line per variant."""
    width = max(34, 2 + max(map(len, variants)))
    lines = [
        f"{'variant':<{width}}{'quality':>11}{'bytes':>11}{'1 row us':>10}{'64 rows':>10}{'agrees':>8} front  outcome"
    ]
    for name, variant in variants.items():
        cells = (
            f"{_number(variant['quality'], '.5g'):>11}{_number(variant['bytes'], ','):>11}"
            f"{_number(variant['latency_us'], '.0f'):>10}{_number(variant['latency_us_64'], '.0f'):>10}"
            f"{_number(variant['agreement'], '.4f'):>8}{'*' if variant['pareto'] else '':>6}"
        )
        lines.append(f"{name:<{width}}{cells}  {variant['outcome']}: {variant['reason']}")
    return "\n".join(lines)


def _describe(row: LeaderboardRow, metric: str) -> dict[str, Any]:
    variant = row.variant
    latencies = {size: latency.p50 for size, latency in variant.latencies.items()}
    return {
        "quality": variant.quality.get(metric),
        "bytes": variant.artifact.bytes if variant.artifact else None,
        "onnx_bytes": variant.artifact.onnx_bytes if variant.artifact else None,
        "latency_us": latencies.get("1"),
        "latency_us_64": latencies.get("64"),
        "load_ms": variant.load_ms,
        "memory_bytes": variant.memory_bytes,
        "agreement": variant.agreement,
        "pareto": row.on_front,
        "outcome": row.outcome,
        "reason": row.reason,
    }


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
