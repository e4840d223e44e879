"""The Pareto front, drawn in a terminal: quality over stored bytes and over the latency of one row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from pipeline.cli.views.tables import size
from pipeline.contracts.records.variant_report import VariantReport
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.number_format import format_number

__all__ = ["FrontChart"]

_ROWS = 9
_MAX_COLUMNS = 72
_MIN_COLUMNS = 20
_MARKS = {"winner": ("★", "bold green"), "front": ("●", "cyan"), "beaten": ("○", "dim")}


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontChart:
    """Two charts, the better quality at the top and the cheaper variants on the left, on a logarithmic scale."""

    variants: Sequence[VariantReport]
    metric: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if len(self._comparable) < 2:
            return
        width = max(_MIN_COLUMNS, min(_MAX_COLUMNS, options.max_width - 14))
        yield from self._chart("stored bytes", lambda variant: float(variant.bytes or 0), size, width)
        yield from self._chart("one row", lambda variant: variant.latency_us or 0.0, _microseconds, width)
        yield Text("★ winner  ● on the Pareto front  ○ beaten by another", style="dim")

    @property
    def _comparable(self) -> list[VariantReport]:
        """Return the variants whose metric is finite."""
        return [variant for variant in self.variants if self.metric in variant.quality]

    def _chart(
        self, title: str, cost: Callable[[VariantReport], float], label: Callable[[float], str], width: int
    ) -> RenderResult:
        costs = _Scale.of([math.log(max(cost(variant), 1e-9)) for variant in self._comparable])
        qualities = _Scale.of([variant.quality[self.metric] for variant in self._comparable])
        grid: dict[tuple[int, int], tuple[str, str]] = {}
        for variant in sorted(self._comparable, key=_importance):
            height = qualities.position(variant.quality[self.metric])
            row = 1 - height if greater_is_better(self.metric) else height
            column = costs.position(math.log(max(cost(variant), 1e-9)))
            grid[round(row * (_ROWS - 1)), round(column * (width - 1))] = _mark(variant)
        top, bottom = (
            (qualities.high, qualities.low) if greater_is_better(self.metric) else (qualities.low, qualities.high)
        )
        labels = {0: format_number(top, 4), _ROWS - 1: format_number(bottom, 4)}
        yield Text(f"{self.metric} over {title}", style="bold")
        for row in range(_ROWS):
            line = Text(f"{labels.get(row, ''):>10} │", style="dim")
            for column in range(width):
                line.append(*grid.get((row, column), (" ", "")))
            yield line
        cheapest, costliest = (label(math.exp(value)) for value in (costs.low, costs.high))
        yield Text(f"{'':>10} └{'─' * width}", style="dim")
        yield Text(f"{'':>12}{cheapest}{costliest:>{width - len(cheapest)}}", style="dim")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scale:
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Scale:
        return cls(low=min(values), high=max(values))

    def position(self, value: float) -> float:
        """Return where ``value`` lies: 0 at the lowest value, 1 at the highest."""
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5


def _microseconds(value: float) -> str:
    return f"{value:.0f} µs"


def _mark(variant: VariantReport) -> tuple[str, str]:
    return _MARKS["winner" if variant.winner else "front" if variant.on_front else "beaten"]


def _importance(variant: VariantReport) -> tuple[bool, bool]:
    """Return the order of drawing: later marks cover earlier ones."""
    return variant.winner, variant.on_front
