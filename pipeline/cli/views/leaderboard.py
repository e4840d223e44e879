"""Render the leaderboard of a selection."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.cli.views.candidates import reason_lines, served_lines, short_lines, tried_lines
from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.cli.views.tables import duration, interval, size
from pipeline.contracts.records.variant import LeaderboardRow, Selection

__all__ = ["leaderboard", "leaderboard_columns"]


def leaderboard_columns(metric: str, second_metric: str = "") -> list[FittedColumn]:
    """Return the columns of a leaderboard, with ``second_metric`` if it is given; a narrow terminal drops some."""
    return [
        FittedColumn(name="candidate"),
        FittedColumn(name="precision"),
        FittedColumn(name=metric, right=True),
        FittedColumn(name="95 %", drop=1, right=True),
        *([FittedColumn(name=second_metric, drop=3, right=True)] if second_metric else []),
        FittedColumn(name="trained", drop=4, right=True),
        FittedColumn(name="one row", drop=2, right=True),
        FittedColumn(name="size", drop=3, right=True),
        FittedColumn(name="agrees", drop=5, right=True),
        FittedColumn(name=""),
    ]


def leaderboard(selection: Selection, *, details: str | None = None, card: str = "") -> RenderableType:
    """Return a table of the candidates: quality with its 95 % interval, training time, latency of one row, size.

    The winner and the Pareto front are marked.

    Args:
        selection: The run's.
        details: The command that shows the rest: files that do not apply, and why each candidate was tried or is not
            there. None shows all of it here.
        card: The command that shows the card of the run's version; "" where there is none.
    """
    metric, second_metric = selection.metric, selection.quality_metric
    second_metric = "" if second_metric == metric else second_metric
    table = FittedTable(columns=leaderboard_columns(metric, second_metric))
    for row in selection.leaderboard:
        if details is None or row.variant.status != "not_applicable":
            table.add(*_cells(row, metric, second_metric), style=_style(row))
    return Group(
        table,
        Text(f"{_quality_of(selection)}; ● on the Pareto front", style="dim"),
        Text(f"★ {selection.reason}", style="green"),
        *([] if selection.prefer else served_lines(selection.winner.reason)),
        *(Text(f"! {unmet}", style="yellow") for unmet in selection.unmet),
        *(_details(selection) if details is None else short_lines(selection.tried, selection.notes, details, card)),
    )


def _details(selection: Selection) -> Iterator[RenderableType]:
    """Why files are not there, and why each candidate was tried."""
    yield from reason_lines(
        (row.variant.display_name.replace("/", " ", 1), row.variant.status, row.reason or row.variant.reason)
        for row in selection.leaderboard
        if not row.winner and (row.reason or row.variant.status != "ok")
    )
    yield from tried_lines(selection.tried, selection.metric, selection.notes)


def _quality_of(selection: Selection) -> str:
    metric, by_folds = selection.metric, selection.by_folds
    return f"{metric} {'by cross-validation' if by_folds else 'on the validation rows'}"


def _cells(row: LeaderboardRow, metric: str, second_metric: str) -> tuple[RenderableType, ...]:
    variant = row.variant
    return (
        Text(variant.candidate),
        variant.display_name.removeprefix(f"{variant.candidate}/"),
        _number(variant.quality.get(metric)),
        interval(variant.interval.get(metric)),
        *([_number(variant.quality.get(second_metric))] if second_metric else []),
        duration(variant.train_seconds) if variant.artifact else "",
        f"{variant.latency_us:.0f} µs" if variant.latency_us is not None else "",
        size(variant.artifact.bytes) if variant.artifact else "",
        f"{variant.agreement:.1%}" if variant.agreement is not None else "",
        _verdict(row),
    )


def _number(quality: float | None) -> str:
    return "" if quality is None else f"{quality:.4f}"


def _verdict(row: LeaderboardRow) -> str:
    if row.winner:
        return "★ winner"
    if row.on_front:
        return "● front"
    return {"ok": "", "rejected": "rejected", "not_applicable": "n/a"}[row.variant.status]


def _style(row: LeaderboardRow) -> str | None:
    if row.winner:
        return "bold green"
    return {"ok": None, "rejected": "yellow", "not_applicable": "dim"}[row.variant.status]
