"""Records as a person sees them: pure functions from contracts to rich renderables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cli.learning_views import learning_lines
from pipeline.cli.tried_views import reason_lines, served_lines, tried_lines
from pipeline.contracts.model_version import ModelSummary, ModelVersion
from pipeline.contracts.run import Run, Stage
from pipeline.contracts.stack import StackStatus
from pipeline.contracts.variant import LeaderboardRow, Selection
from pipeline.evaluation.figures import figures
from pipeline.evaluation.standing import compared_by
from pipeline.registry.api_keys import ApiKey

__all__ = [
    "duration",
    "interval",
    "keys_table",
    "leaderboard",
    "models_table",
    "plain_stage",
    "run_panel",
    "runs_table",
    "size",
    "status_table",
]

STYLES = {"RUNNING": "cyan", "SUCCEEDED": "green", "FAILED": "red", "NEEDS_DECISION": "yellow", "PENDING": "dim"}
_MARKS = {"SUCCEEDED": "✓", "FAILED": "✗", "PENDING": "·", "RUNNING": "▸"}
_UNITS = ("B", "kB", "MB", "GB")


def duration(seconds: float | None) -> str:
    """``0.42 s``, ``12.3 s``, ``3 min 05 s``; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def size(count: float) -> str:
    """Bytes in decimal units."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def interval(bounds: Sequence[float] | None) -> str:
    """``0.8612–0.9``, ``44111–46222``; nothing for None."""
    return "" if bounds is None else "–".join(map(figures, bounds))


def run_panel(run: Run, *, now: datetime, mark: RenderableType = "▸") -> RenderableType:
    """The stages of one run, one line each; ``mark`` stands beside the stage that is running."""
    table = Table.grid(padding=(0, 2))
    for stage in run.stages:
        beside = mark if stage.status == "RUNNING" else _MARKS[stage.status]
        seconds = stage.seconds if stage.status != "RUNNING" else _elapsed(run, now)
        style = STYLES[stage.status]
        table.add_row(
            beside,
            Text(stage.name.replace("_", " "), style=style),
            Text(duration(seconds), style="dim", justify="right"),
            Text(stage.progress or "", style="italic", overflow="ellipsis", no_wrap=True),
            style="dim" if stage.status == "PENDING" else None,
        )
    events = [Text(f"  {event.at:%H:%M:%S} {event.text}", style="yellow") for event in run.events]
    return Group(_title(run), *learning_lines(run.learning), table, *events)


def plain_stage(stage: Stage) -> str:
    """One stage in one line, for a log."""
    took = f" in {duration(stage.seconds)}" if stage.seconds is not None else ""
    return f"{stage.name}: {stage.status.lower()}{took}"


def runs_table(runs: Sequence[Run], *, now: datetime) -> RenderableType:
    """One line a run; under the table, what went wrong and what waits for a decision."""
    if not runs:
        return Text("no runs yet: 'modeldrop drop FILE' starts one")
    table = _table("run", "status", "version", "began", "took", "stage")
    for run in runs:
        table.add_row(
            Text(run.run),
            Text(run.status, style=STYLES[run.status]),
            str(run.version or ""),
            f"{run.started_at.astimezone():%m-%d %H:%M:%S}",
            duration(((run.ended_at or now) - run.started_at).total_seconds()),
            next((s.name for s in run.stages if s.status in ("RUNNING", "FAILED")), ""),
        )
    return Group(table, *(note for run in runs for note in _notes(run)))


def leaderboard(selection: Selection) -> RenderableType:
    """What was tried: quality with its 95 % interval, seconds of training, latency of one row, size; the winner and the
    front are marked."""
    table = _table("candidate", "precision", selection.metric, "95 %", "trained", "one row", "size", "agrees", "")
    for column in table.columns[2:8]:
        column.justify = "right"
    for row in selection.leaderboard:
        table.add_row(*_leaderboard_cells(row, selection.metric), style=_leaderboard_style(row))
    return Group(
        table,
        *reason_lines(
            (f"{variant.candidate} {variant.precision}", variant.status, variant.reason)
            for variant in (row.variant for row in selection.leaderboard)
            if variant.status != "ok"
        ),
        Text(f"{_quality_of(selection)}; ● front: none is better in quality, speed and size at once", style="dim"),
        Text(f"★ {selection.reason}", style="green"),
        *served_lines(selection.winner.reason),
        *(Text(f"! {unmet}", style="yellow") for unmet in selection.unmet),
        *tried_lines(selection.tried, selection.metric, selection.notes),
    )


def models_table(models: Sequence[tuple[ModelSummary, ModelVersion | None]]) -> RenderableType:
    """Models, each with the version that is live."""
    if not models:
        return Text("no models yet: 'modeldrop drop FILE' makes one")
    table = _table("tenant", "model", "live", "of", "predicts", "serves", "test quality", "size")
    table.columns[4].min_width = len("classification")
    for summary, live in models:
        table.add_row(
            Text(summary.tenant),
            Text(summary.model),
            Text(str(summary.live_version), style="green") if summary.live_version else Text("none", style="yellow"),
            str(summary.latest_version),
            *(_live_cells(live) if live else ("", "", "", "")),
        )
    return table


def keys_table(keys: Sequence[ApiKey]) -> RenderableType:
    if not keys:
        return Text("no keys yet: 'modeldrop keys create TENANT' makes one")
    table = _table("key", "tenant", "principal", "may", "made", "")
    for key in keys:
        table.add_row(
            Text(f"{key.prefix}…"),
            Text(key.tenant),
            Text(key.principal),
            ", ".join(key.permissions),
            key.created_at[:16].replace("T", " "),
            Text("revoked", style="red") if key.revoked_at else Text("valid", style="green"),
            style="dim" if key.revoked_at else None,
        )
    return table


def status_table(status: StackStatus) -> RenderableType:
    """Where the stack is, a line a fact."""
    table = Table.grid(padding=(0, 2))
    facts: Mapping[str, Any] = {
        "running": "yes" if status.running else "no",
        "endpoint": status.endpoint_url or ("AWS" if status.running else None),
        "region": status.region,
        "uploads": f"s3://{status.uploads_bucket}/{status.tenant}/MODEL/FILE" if status.uploads_bucket else None,
        "artefacts": f"s3://{status.artifacts_bucket}" if status.artifacts_bucket else None,
        "API": status.api_url,
        "tenant": status.tenant,
        "API key": status.api_key,
        "data": status.home,
        "logs": status.logs,
    }
    for name, value in facts.items():
        if value is not None:
            table.add_row(Text(name, style="dim"), Text(str(value), overflow="fold"))
    return table


def _title(run: Run) -> Text:
    status = run.status.replace("_", " ").lower()
    version = f" version {run.version}" if run.version else ""
    return Text.assemble(
        (run.model, "bold"), f"{version}  ", (status, STYLES[run.status]), (f"  {run.file}  run {run.run}", "dim")
    )


def _elapsed(run: Run, now: datetime) -> float:
    """Of the running stage: a stage begins when the one before it finishes."""
    before = sum(stage.seconds or 0 for stage in run.stages)
    return max(0.0, (now - run.started_at).total_seconds() - before)


def _notes(run: Run) -> Iterator[Text]:
    if run.error:
        yield Text(f"{run.run}: {run.error.message} ({run.error.type})", style="red")
    elif run.reason:
        yield Text(f"{run.run}: {run.reason}", style="yellow")


def _quality_of(selection: Selection) -> str:
    metric, by_folds = selection.metric, selection.by_folds
    by = compared_by(metric, by_folds=by_folds)
    ranked = f", ranked by {by}" if by != metric else ""
    return f"{metric} {'by cross-validation' if by_folds else 'on the validation rows'}{ranked}"


def _leaderboard_cells(row: LeaderboardRow, metric: str) -> tuple[RenderableType, ...]:
    variant = row.variant
    quality = variant.quality.get(metric)
    return (
        Text(variant.candidate),
        variant.precision,
        f"{quality:.4f}" if quality is not None else "",
        interval(variant.interval.get(metric)),
        duration(variant.train_seconds) if variant.artifact else "",
        f"{variant.latency_us:.0f} µs" if variant.latency_us is not None else "",
        size(variant.artifact.bytes) if variant.artifact else "",
        f"{variant.agreement:.1%}" if variant.agreement is not None else "",
        _verdict(row),
    )


def _verdict(row: LeaderboardRow) -> str:
    if row.winner:
        return "★ winner"
    if row.on_front:
        return "● front"
    return {"ok": "", "rejected": "rejected", "not_applicable": "n/a"}[row.variant.status]


def _leaderboard_style(row: LeaderboardRow) -> str | None:
    if row.winner:
        return "bold green"
    return {"ok": None, "rejected": "yellow", "not_applicable": "dim"}[row.variant.status]


def _live_cells(live: ModelVersion) -> tuple[RenderableType, ...]:
    quality = live.quality.get(live.metric)
    return (
        Text("\n".join(filter(None, (live.signature.target, live.signature.task)))),
        f"{live.algorithm} {live.precision}",
        f"{live.metric} {quality:.6g}" if quality is not None else "",
        size(live.artifact.bytes),
    )


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
