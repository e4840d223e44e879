"""The variants of a version: a table, the Pareto front in the terminal, and the JSON of ``modeldrop variants``."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.cli.views.candidates import reason_lines
from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.cli.views.front_chart import FrontChart
from pipeline.cli.views.leaderboard import variant_style, variant_verdict
from pipeline.cli.views.tables import interval, size
from pipeline.contracts.records.model_version import ModelCard
from pipeline.contracts.records.variant import Latency
from pipeline.contracts.records.variant_report import VariantReport
from pipeline.evaluation.golden.comparison import GoldenComparison
from pipeline.evaluation.number_format import format_number

__all__ = ["comparison_document", "describe_comparison", "variant_documents", "variants_view"]

_NOTE = (
    "p50 / p99 of one call, one thread; loads (a column of wide terminals): to unpack the file and create its session"
)


def variant_documents(card: ModelCard) -> list[dict[str, Any]]:
    """Return what ``modeldrop variants --json`` prints; null and {} stand for what was not measured."""
    return [_document(variant, card.metric) for variant in card.leaderboard]


def variants_view(card: ModelCard, *, title: str) -> RenderableType:
    """Show every variant with its measures, the front, and why the others are not served."""
    table = FittedTable(columns=_columns(card.metric))
    for variant in card.leaderboard:
        if variant.status != "not_applicable":
            table.add(*_cells(variant, card.metric), style=variant_style(variant))
    measured = [variant for variant in card.leaderboard if variant.status == "ok"]
    reasons = reason_lines(
        (variant.display_name, variant.status, variant.reason)
        for variant in card.leaderboard
        if variant.reason and not variant.winner
    )
    return Group(
        Text(title, style="bold"),
        table,
        Text(_NOTE, style="dim"),
        FrontChart(variants=measured, metric=card.metric),
        *reasons,
    )


def comparison_document(comparison: GoldenComparison) -> dict[str, Any]:
    """Return what ``modeldrop verify --json`` prints; the difference is null where a number is missing on one side."""
    return {"rows": comparison.rows, "equal": comparison.equal, "max_difference": comparison.max_difference}


def describe_comparison(comparison: GoldenComparison, version: str, tolerance: float) -> str:
    """Say whether the golden rows are predicted as they were when the version was evaluated."""
    largest = (
        "" if comparison.max_difference is None else f"; the largest difference is {comparison.max_difference:.3g}"
    )
    return (
        f"{version} predicts {comparison.equal} of {comparison.rows} golden rows as at evaluation "
        f"(tolerance {tolerance:g}){largest}"
    )


def _document(variant: VariantReport, metric: str) -> dict[str, Any]:
    is_baseline = variant.precision == "fp32" and not variant.passes and variant.status == "ok"
    return {
        "name": variant.display_name,
        "candidate": variant.candidate,
        "passes": list(variant.passes),
        "precision": variant.precision,
        "bytes": variant.bytes,
        "onnx_bytes": variant.onnx_bytes,
        "quality": variant.quality,
        "interval": variant.interval.get(metric),
        "agreement": 1.0 if is_baseline else variant.agreement,
        "latency_us": {size: latency.model_dump() for size, latency in _latencies(variant).items()},
        "load_ms": variant.load_ms,
        "memory_bytes": variant.memory_bytes,
        "pareto": variant.on_front,
        "winner": variant.winner,
        "status": variant.status,
        "reason": variant.reason,
    }


def _latencies(variant: VariantReport) -> dict[str, Latency]:
    """Return latencies by number of rows; cards of earlier releases have only the median of one row."""
    if variant.latencies or variant.latency_us is None:
        return variant.latencies
    return {"1": Latency(p50=variant.latency_us, p99=None)}


def _columns(metric: str) -> list[FittedColumn]:
    return [
        FittedColumn(name="variant"),
        FittedColumn(name=metric, right=True),
        FittedColumn(name="95 %", drop=6, right=True),
        FittedColumn(name="agrees", drop=4, right=True),
        FittedColumn(name="1 row", drop=1, right=True),
        FittedColumn(name="64 rows", drop=3, right=True),
        FittedColumn(name="stored", right=True),
        FittedColumn(name="ONNX", drop=5, right=True),
        FittedColumn(name="loads", drop=7, right=True),
        FittedColumn(name="memory", drop=8, right=True),
        FittedColumn(name=""),
    ]


def _cells(variant: VariantReport, metric: str) -> list[RenderableType]:
    quality, latencies = variant.quality.get(metric), _latencies(variant)
    return [
        Text(variant.display_name),
        "" if quality is None else f"{quality:.4f}",
        interval(variant.interval.get(metric)),
        "" if variant.agreement is None else f"{variant.agreement:.1%}",
        _microseconds(latencies.get("1")),
        _microseconds(latencies.get("64")),
        "" if variant.bytes is None else size(variant.bytes),
        "" if variant.onnx_bytes is None else size(variant.onnx_bytes),
        "" if variant.load_ms is None else f"{format_number(variant.load_ms, 2)} ms",
        "" if variant.memory_bytes is None else size(variant.memory_bytes),
        variant_verdict(variant),
    ]


def _microseconds(latency: Latency | None) -> str:
    if latency is None:
        return ""
    tail = "" if latency.p99 is None else f" / {latency.p99:.0f}"
    return f"{latency.p50:.0f}{tail} µs"
