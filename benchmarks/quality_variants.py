"""The table of a selection's variants, and whether the choice keeps its promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.contracts.records.variant import LeaderboardRow, Selection
from pipeline.selection.pareto import dominates

__all__ = ["describe_variants", "is_sound", "print_table"]


def describe_variants(selection: Selection) -> dict[str, dict[str, Any]]:
    """Return each variant's measures, and why it is served or not."""
    return {row.variant.display_name: _describe(row, selection.metric) for row in selection.leaderboard}


def is_sound(selection: Selection) -> bool:
    """Whether the winner passed its gates, and no variant that did beats it in quality, latency and size."""
    passed = [row.variant for row in selection.leaderboard if row.variant.status == "ok"]
    winner = selection.winner
    return winner in passed and not any(dominates(variant, winner, selection.metric) for variant in passed)


def print_table(variants: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the variants as lines, one each."""
    lines = [f"{'variant':<34}{'quality':>11}{'bytes':>11}{'1 row us':>10}{'64 rows':>10}{'agrees':>8}  outcome"]
    for name, variant in variants.items():
        cells = (
            f"{_number(variant['quality'], '.5g'):>11}{_number(variant['bytes'], ','):>11}"
            f"{_number(variant['latency_us'], '.0f'):>10}{_number(variant['latency_us_64'], '.0f'):>10}"
            f"{_number(variant['agreement'], '.4f'):>8}"
        )
        lines.append(f"{name:<34}{cells}  {variant['outcome']}: {variant['reason']}")
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
