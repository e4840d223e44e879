"""Render the leaderboard of a selection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.cli.views.candidates import candidate_lines, reason_lines, served_lines, short_lines
from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.cli.views.tables import duration, interval, size
from pipeline.contracts.records.variant import Selection
from pipeline.contracts.records.variant_report import VariantReport

__all__ = ["leaderboard", "leaderboard_columns", "leaderboard_table", "variant_style", "variant_verdict"]


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
        selection: Selection of the run.
        details: The command that shows the rest: variants that do not apply, and why each candidate was tried or is
            missing. None shows all of it here.
        card: The command that shows the card of the run's version; empty if the run has no version.
    """
    metric, second_metric = selection.metric, selection.quality_metric
    second_metric = "" if second_metric == metric else second_metric
    reports = [VariantReport.of(row) for row in selection.leaderboard]
    shown = [report for report in reports if details is None or report.status != "not_applicable"]
    if details is None:
        notes = _details(selection, reports)
    else:
        notes = short_lines(selection.tried, selection.notes, details, card)
    return Group(
        leaderboard_table(shown, metric, second_metric),
        Text(f"{_quality_of(selection)}; ● on the Pareto front", style="dim"),
        Text(f"★ {selection.reason}", style="green"),
        *([] if selection.prefer else served_lines(selection.winner.reason)),
        *(Text(f"! {unmet}", style="yellow") for unmet in selection.unmet),
        *notes,
    )


def leaderboard_table(
    reports: Iterable[VariantReport], metric: str, second_metric: str = "", *, with_agreement: bool = True
) -> FittedTable:
    """Return the table of a leaderboard.

    Args:
        reports: The variants, one per row.
        metric: Metric of the leaderboard.
        second_metric: Another metric to show; empty for none.
        with_agreement: Whether to show how well the predictions agree with those of the fp32 file.
    """
    columns = leaderboard_columns(metric, second_metric)
    table = FittedTable(columns=[column for column in columns if with_agreement or column.name != "agrees"])
    for report in reports:
        agreement = "" if report.agreement is None else f"{report.agreement:.1%}"
        table.add(
            Text(report.candidate),
            report.display_name.removeprefix(f"{report.candidate}/"),
            _number(report.quality.get(metric)),
            interval(report.interval.get(metric)),
            *([_number(report.quality.get(second_metric))] if second_metric else []),
            "" if report.status == "not_applicable" else duration(report.train_seconds),
            "" if report.latency_us is None else f"{report.latency_us:.0f} µs",
            "" if report.bytes is None else size(report.bytes),
            *([agreement] if with_agreement else []),
            variant_verdict(report),
            style=variant_style(report),
        )
    return table


def variant_verdict(report: VariantReport) -> str:
    """Return whether a variant is the winner, on the Pareto front, rejected or not applicable; else an empty text."""
    if report.winner:
        return "★ winner"
    if report.status == "ok":
        return "● front" if report.on_front else ""
    return {"rejected": "rejected", "not_applicable": "n/a"}[report.status]


def variant_style(report: VariantReport) -> str | None:
    """Return the style of a variant's row."""
    if report.winner:
        return "bold green"
    return {"ok": None, "rejected": "yellow", "not_applicable": "dim"}[report.status]


def _details(selection: Selection, reports: Sequence[VariantReport]) -> Iterator[RenderableType]:
    """Yield why variants are missing, and why each candidate was tried."""
    yield from reason_lines(
        (report.display_name.replace("/", " ", 1), report.status, report.reason)
        for report in reports
        if not report.winner and (report.reason or report.status != "ok")
    )
    yield from candidate_lines(selection.tried, selection.metric, selection.notes)


def _quality_of(selection: Selection) -> str:
    metric, by_folds = selection.metric, selection.by_folds
    return f"{metric} {'by cross-validation' if by_folds else 'on the validation rows'}"


def _number(quality: float | None) -> str:
    return "" if quality is None else f"{quality:.4f}"
