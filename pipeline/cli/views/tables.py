"""Render records: pure functions from contracts to rich renderables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cli.views.estimate import describe_estimate
from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.cli.views.target import learning_lines
from pipeline.contracts.records.model_version import ModelSummary, ModelVersion
from pipeline.contracts.records.run import Run, Stage
from pipeline.contracts.stack import StackStatus
from pipeline.evaluation.number_format import format_number

__all__ = [
    "STYLES",
    "duration",
    "interval",
    "models_table",
    "plain_stage",
    "run_panel",
    "size",
    "status_table",
]

STYLES = {"RUNNING": "cyan", "SUCCEEDED": "green", "FAILED": "red", "NEEDS_DECISION": "yellow", "PENDING": "dim"}
_MARKS = {"SUCCEEDED": "✓", "FAILED": "✗", "PENDING": "·", "RUNNING": "▸"}
_UNITS = ("B", "kB", "MB", "GB")


def duration(seconds: float | None) -> str:
    """Format seconds: ``0.42 s``, ``12.3 s``, ``3 min 05 s``; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def size(count: float) -> str:
    """Format bytes in decimal units."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def interval(bounds: Sequence[float] | None) -> str:
    """Format bounds: ``0.8612–0.9``, ``44111–46222``; nothing for None."""
    return "" if bounds is None else "–".join(map(format_number, bounds))


def run_panel(run: Run, *, now: datetime, mark: RenderableType = "▸") -> RenderableType:
    """Return the stages of one run, one line each; ``mark`` stands beside the stage that is running."""
    table = Table.grid(padding=(0, 2))
    for stage in run.stages:
        marker = mark if stage.status == "RUNNING" else _MARKS[stage.status]
        seconds = stage.seconds if stage.status != "RUNNING" else _elapsed(run, now)
        style = STYLES[stage.status]
        table.add_row(
            marker,
            Text(stage.name.replace("_", " "), style=style),
            Text(duration(seconds), style="dim", justify="right"),
            Text(stage.progress or "", style="italic", overflow="ellipsis", no_wrap=True),
            style="dim" if stage.status == "PENDING" else None,
        )
    events = [Text(f"  {event.at:%H:%M:%S} {event.text}", style="yellow") for event in run.events]
    estimate = [Text(f"estimated at {describe_estimate(run.estimate)}", style="dim")] if run.estimate else []
    return Group(_title(run), *learning_lines(run.learning), *estimate, table, *events)


def plain_stage(stage: Stage) -> str:
    """Format a stage in one line, for a log."""
    took = f" in {duration(stage.seconds)}" if stage.seconds is not None else ""
    return f"{stage.name}: {stage.status.lower()}{took}"


def models_table(models: Sequence[tuple[ModelSummary, ModelVersion | None]]) -> RenderableType:
    """Render models, each with its live version."""
    if not models:
        return Text("no models yet: 'modeldrop drop FILE' makes one")
    table = FittedTable(
        columns=[
            FittedColumn(name="tenant", drop=1),
            FittedColumn(name="model"),
            FittedColumn(name="live", right=True),
            FittedColumn(name="of", drop=3, right=True),
            FittedColumn(name="predicts", drop=2, wraps=True),
            FittedColumn(name="serves", drop=4),
            FittedColumn(name="test quality"),
            FittedColumn(name="size", drop=5, right=True),
        ]
    )
    for summary, live in models:
        table.add(
            Text(summary.tenant),
            Text(summary.model),
            _live_version(summary),
            str(summary.latest_version),
            *(_live_cells(live) if live else ("", "", "", "")),
        )
    return table


def status_table(status: StackStatus) -> RenderableType:
    """Render the addresses of a stack, one per line, which are never wrapped, so that they can be copied."""
    facts: Mapping[str, Any] = {
        "running": "yes" if status.running else "no",
        "endpoint": status.endpoint_url or ("AWS" if status.running else None),
        "region": status.region,
        "uploads": f"s3://{status.uploads_bucket}/{status.tenant}/MODEL/FILE" if status.uploads_bucket else None,
        "artifacts": f"s3://{status.artifacts_bucket}" if status.artifacts_bucket else None,
        "API": status.api_url,
        "tenant": status.tenant,
        "API key": status.api_key,
        "data": status.home,
        "logs": status.logs,
    }
    lines = [
        Text.assemble((f"{name:<10}", "dim"), str(value), no_wrap=True, overflow="ignore")
        for name, value in facts.items()
        if value is not None
    ]
    return Group(*lines)


def _title(run: Run) -> Text:
    status = run.status.replace("_", " ").lower()
    version = f" version {run.version}" if run.version else ""
    return Text.assemble(
        (run.model, "bold"), f"{version}  ", (status, STYLES[run.status]), (f"  {run.file}  run {run.run}", "dim")
    )


def _elapsed(run: Run, now: datetime) -> float:
    """Return the seconds of the running stage, which began when the one before it finished."""
    before = sum(stage.seconds or 0 for stage in run.stages)
    return max(0.0, (now - run.started_at).total_seconds() - before)


def _live_version(summary: ModelSummary) -> Text:
    """Return the live version, and beside it the one that is rolled out."""
    if not summary.live_version:
        return Text("none", style="yellow")
    number = Text(str(summary.live_version), style="green")
    if rollout := summary.rollout:
        number.append(f"\n{rollout.version}: {rollout.mode} {rollout.percent:g} %", style="cyan")
    return number


def _live_cells(live: ModelVersion) -> tuple[RenderableType, ...]:
    quality = live.quality.get(live.metric)
    return (
        Text("\n".join(filter(None, (live.signature.target, live.signature.task)))),
        Text(live.variant_name),
        f"{live.metric} {quality:.6g}" if quality is not None else "",
        size(live.artifact.bytes),
    )
