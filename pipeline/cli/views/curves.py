"""Render the learning curves of candidates in training, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.training_curves import CURVES, TrainingCurves
from pipeline.contracts.spec.metrics import Metric

__all__ = ["curves_of", "curves_table", "sparkline"]

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24
_METRICS = get_args(Metric)


def curves_of(run: str, artifacts: ObjectStore) -> Callable[[], Sequence[TrainingCurves]]:
    """Return a function that reads the run's current training curves."""
    prefix = RunKeys(run).candidate("", "")

    def read() -> list[TrainingCurves]:
        curves = []
        for key in artifacts.keys(prefix.rstrip("/") + "/"):
            if key.endswith(f"/{CURVES}"):
                try:
                    curves.append(TrainingCurves.from_bytes(artifacts.get(key)))
                except ObjectNotFoundError:
                    continue
        return curves

    return read


def curves_table(curves: Sequence[TrainingCurves]) -> RenderableType:
    """Return the validation loss (without one, the metric) as a line of bars, and the last point's other numbers."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()  # a narrow terminal truncates only this column
    drawn_curves = [curve for curve in curves if curve.points]
    for curve, numbers in zip(
        drawn_curves, _align([_numbers(curve.points[-1]) for curve in drawn_curves]), strict=True
    ):
        drawn = next((name for name in ("validation_loss", *_METRICS) if name in curve.points[-1]), "")
        table.add_row(
            Text(f"  {curve.candidate}", style="dim"),
            Text(sparkline([point[drawn] for point in curve.points if drawn in point]), style="cyan"),
            Text(numbers, style="dim", no_wrap=True, overflow="ellipsis"),
        )
    return table


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return each row as one text whose fields begin where those of the other rows do."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = ([field.ljust(width) for field, width in zip(row, widths, strict=True) if width] for row in rows)
    return ["  ".join(fields).rstrip() for fields in aligned]


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """Return at most ``width`` bars, each the mean of a chunk of the values."""
    if not values:
        return ""
    count = min(width, len(values))
    chunks = [values[len(values) * n // count : len(values) * (n + 1) // count] for n in range(count)]
    means = [sum(chunk) / len(chunk) for chunk in chunks]
    low, span = min(means), max(means) - min(means)
    return "".join(_BARS[round((mean - low) / span * (len(_BARS) - 1)) if span else 0] for mean in means)


def _numbers(point: Mapping[str, float]) -> list[str]:
    where = "epoch" if "epoch" in point else "tree"
    fold = f"fold {point['fold']:.0f}, " if "fold" in point else ""
    metric = next((f"{name} {point[name]:.4f}" for name in _METRICS if name in point), "")
    return [
        f"{fold}{where} {point.get(where, 0):.0f}",
        f"loss {point['validation_loss']:.4f}" if "validation_loss" in point else "",
        metric,
        f"rate {point['learning_rate']:.2g}" if "learning_rate" in point else "",
        f"{point['rows_per_second']:,.0f} rows/s" if "rows_per_second" in point else "",
        f"{point['memory_mb']:,.0f} MB" if "memory_mb" in point else "",
    ]
