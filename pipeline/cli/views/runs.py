"""Render runs: one line each in a list, or one run in detail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.cli.views.tables import STYLES, duration
from pipeline.contracts.records.run import Run

__all__ = ["error_text", "runs_table"]


def runs_table(runs: Sequence[Run], *, now: datetime) -> RenderableType:
    """Render one line per run; its name is never wrapped, so that it can be copied."""
    table = FittedTable(
        columns=[
            FittedColumn(name="run"),
            FittedColumn(name="status"),
            FittedColumn(name="version", drop=3, right=True),
            FittedColumn(name="began", drop=1),
            FittedColumn(name="took", drop=4, right=True),
            FittedColumn(name="stage or error", drop=2),
        ]
    )
    for run in runs:
        table.add(
            Text(run.run),
            Text(run.status, style=STYLES[run.status]),
            Text(str(run.version or "")),
            Text(f"{run.started_at.astimezone():%m-%d %H:%M}"),
            Text(duration(((run.ended_at or now) - run.started_at).total_seconds())),
            Text(_stage_or_error(run)),
        )
    if any(run.status in ("FAILED", "NEEDS_DECISION") for run in runs):
        return Group(table, Text("'modeldrop runs RUN' shows a run's error or reason", style="dim"))
    return table


def error_text(run: Run) -> Text | None:
    """Return what went wrong, or what waits for a decision."""
    if run.error:
        return Text(f"{run.error.message} ({run.error.type})", style="red")
    return Text(run.reason, style="yellow") if run.reason else None


def _stage_or_error(run: Run) -> str:
    if run.error:
        return run.error.type
    return next((stage.name for stage in run.stages if stage.status == "RUNNING"), "")
