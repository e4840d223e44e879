"""Render a model card: warnings first, then quality, decisions, and lineage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pipeline.cli.views.candidates import candidate_lines, reason_lines, served_lines
from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.cli.views.leaderboard import leaderboard_table
from pipeline.cli.views.tables import duration
from pipeline.contracts.records.evaluation_report import (
    Calibration,
    Cluster,
    Confusion,
    IntervalCoverage,
    JobCost,
    PermutationImportance,
    Segment,
    TargetQuality,
)
from pipeline.contracts.records.model_version import ModelCard, ModelVersion
from pipeline.evaluation.metric_names import SKLEARN_NAMES
from pipeline.evaluation.number_format import format_number

__all__ = ["card_view"]

_BAR = 24  # characters
_MAX_CLASSES = 10  # classes of a confusion matrix in a terminal
_MAX_COLUMNS = 15
_MAX_CLUSTER_COLUMNS = 8


def card_view(version: ModelVersion, card: ModelCard, *, live: bool) -> RenderableType:
    """Render everything that is known about a version, in sections; empty sections are left out."""
    return Group(_title(version, card, live=live), *_sections(card))


def _sections(card: ModelCard) -> Iterator[RenderableType]:
    if card.warnings:
        yield _heading("Warnings")
        yield from (Text(f"! {warning}", style="yellow") for warning in card.warnings)
    yield _heading(f"Quality on {card.test_rows:,} test rows, not used for any choice")
    yield _quality(card)
    yield Text(_definitions(card.test_quality), style="dim")
    if card.by_target:
        yield _heading("Quality by target")
        yield _by_target(card.by_target)
    if card.clusters:
        yield _heading("Clusters: median or most frequent value over the test rows")
        yield _clusters(card.clusters)
    if card.by_class:
        yield _heading("By class" + (f": '{card.positive_class}' is the positive class" if card.positive_class else ""))
        yield _by_class(card)
        yield from _decision(card)
    if card.confusion is not None:
        yield from _confusion(card.confusion)
    if card.calibration is not None:
        yield from _calibration(card.calibration)
    if card.coverage is not None:
        yield _coverage(card.coverage)
    if card.importance:
        yield _heading(f"Permutation importance: how much worse {card.metric} is when the column is shuffled")
        yield _importance(card.importance)
    if card.segments:
        yield _heading(f"{card.metric} by segment of the test rows")
        yield _segments(card.segments)
    yield _heading("Data")
    yield _data(card)
    yield _heading("Candidates")
    yield _candidates(card)
    yield _jobs(card.jobs)
    yield Text(f"{_dollars(card.dollars)} in total; {card.prices}" if card.prices else "", style="dim")


def _title(version: ModelVersion, card: ModelCard, *, live: bool) -> Text:
    target = f"predicts {card.target}" if card.target else "predicts clusters"
    return Text.assemble(
        (f"{version.model} version {version.version}", "bold"),
        ("  live" if live else f"  {version.status.lower()}", "green" if live else "dim"),
        f"  {_served_file(card)}, {card.task}, {target}",
        (f"  {card.created_at:%Y-%m-%d %H:%M} run {card.run}", "dim"),
    )


def _served_file(card: ModelCard) -> str:
    """Return the name of the served variant, such as ``blend/prune_trees+codebook``."""
    names = (report.display_name for report in card.leaderboard if report.winner)
    return next(names, f"{card.algorithm}/{card.precision}")


def _heading(text: str) -> RenderableType:
    return Group(Text(""), Rule(Text(text, style="bold"), align="left", style="dim"))


def _quality(card: ModelCard) -> RenderableType:
    chosen_by = "cross-validation" if card.by_folds else "validation"
    unweighted = ["unweighted"] if card.unweighted_quality else []
    names = ("metric", "test", "95 % interval", chosen_by, *unweighted)
    table = _table(*names, right=tuple(range(1, len(names))))
    for metric, value in card.test_quality.items():
        low, high = card.test_interval.get(metric, (value, value))
        validation = card.validation_quality.get(metric)
        table.add(
            metric,
            format_number(value, 5),
            f"{format_number(low, 5)} – {format_number(high, 5)}",
            "" if validation is None else format_number(validation, 5),
            *(format_number(card.unweighted_quality[metric], 5) for _ in unweighted),
            style="bold" if metric == card.metric else None,
        )
    return table


def _definitions(metrics: Iterable[str]) -> str:
    """Name the definitions of metrics: ``by scikit-learn's definitions: auc is roc_auc_score; ...``."""
    renamed = [metric for metric in metrics if SKLEARN_NAMES.get(metric, metric) != metric]
    named = [f"{metric} is {SKLEARN_NAMES[metric]}" for metric in renamed]
    return f"by scikit-learn's definitions: {'; '.join(named)}" if named else ""


def _by_target(targets: Sequence[TargetQuality]) -> RenderableType:
    metrics = list(targets[0].quality)
    table = FittedTable(
        columns=[
            FittedColumn(name="target", wraps=True),
            FittedColumn(name="rows", right=True),
            *(FittedColumn(name=metric, right=True, drop=number) for number, metric in enumerate(metrics)),
        ]
    )
    for target in targets:
        numbers = (format_number(target.quality[metric], 4) for metric in metrics)
        table.add(Text(target.target), f"{target.rows:,}", *numbers)
    return table


def _clusters(clusters: Sequence[Cluster]) -> RenderableType:
    columns = list(dict.fromkeys(column for cluster in clusters for column in cluster.middle))[:_MAX_CLUSTER_COLUMNS]
    table = _table("cluster", "rows", *columns, right=tuple(range(1, len(columns) + 2)))
    for cluster in clusters:
        cells = [cluster.middle.get(column, "") for column in columns]
        texts = [Text(format_number(cell) if isinstance(cell, float) else cell) for cell in cells]
        table.add(Text(cluster.name, style="bold"), f"{cluster.rows:,}", *texts)
    return table


def _decision(card: ModelCard) -> Iterator[RenderableType]:
    """Render the decision, temperature and threshold, and its effect."""
    decision = card.decision
    if decision is None:
        return
    if decision.threshold is not None:
        positive = next((quality for quality in card.by_class if quality.label == card.positive_class), None)
        plain = decision.by_most_probable
        text = f"'{card.positive_class}' is predicted at a probability of {decision.threshold:.4g} or more"
        if positive is not None and plain is not None:
            text += (
                f": F1 {positive.f1:.4f}, precision {positive.precision:.1%}, recall {positive.recall:.1%}; "
                f"at 0.5 or more it would be F1 {plain.f1:.4f}, {plain.precision:.1%}, {plain.recall:.1%}"
            )
        yield Text(text)
    if decision.temperature != 1:
        before, after = decision.log_loss
        worse, better = decision.calibration_error
        yield Text(
            f"Probabilities are calibrated (temperature {decision.temperature:.3g}): "
            f"log loss {before:.4f} → {after:.4f}, "
            f"expected calibration error {worse:.4f} → {better:.4f} on the test rows"
        )


def _by_class(card: ModelCard) -> RenderableType:
    """Return the classes with the most test rows, the positive one in bold."""
    table = _table("class", "rows", "labeled so", "precision", "recall", "F1", right=(1, 2, 3, 4, 5))
    for quality in sorted(card.by_class, key=lambda quality: -quality.rows)[:_MAX_CLASSES]:
        fractions = (f"{fraction:.1%}" for fraction in (quality.precision, quality.recall))
        style = "bold" if quality.label == card.positive_class else None
        table.add(
            Text(quality.label),
            f"{quality.rows:,}",
            f"{quality.labeled:,}",
            *fractions,
            f"{quality.f1:.4f}",
            style=style,
        )
    if len(card.by_class) > _MAX_CLASSES:
        table.add(Text(f"and {len(card.by_class) - _MAX_CLASSES:,} more with fewer rows", style="dim"))
    return table


def _confusion(confusion: Confusion) -> Iterator[RenderableType]:
    """Render the confusion matrix, with the truth in rows; for many classes, the most frequent mistakes instead."""
    names = [*confusion.classes, *(["(others)"] if confusion.others else [])]
    if len(names) > _MAX_CLASSES:
        mistakes = [
            (count, names[i], names[j])
            for i, row in enumerate(confusion.counts)
            for j, count in enumerate(row)
            if i != j
        ]
        yield _heading("The most frequent mistakes")
        table = _table("rows", "truth", "prediction", right=(0,))
        for count, truth, prediction in sorted(mistakes, reverse=True)[:_MAX_CLASSES]:
            if count:
                table.add(f"{count:,}", Text(truth), Text(prediction))
        yield table
        return
    yield _heading("Confusion matrix: rows are the truth, columns the predictions")
    table = _table("", *names, "right", right=tuple(range(1, len(names) + 2)))
    for index, row in enumerate(confusion.counts):
        total = sum(row)
        cells = [
            Text(f"{count:,}" if count else "·", style="green" if index == column else "red" if count else "dim")
            for column, count in enumerate(row)
        ]
        table.add(Text(names[index]), *cells, f"{row[index] / total:.1%}" if total else "")
    yield table


def _calibration(calibration: Calibration) -> Iterator[RenderableType]:
    brier = SKLEARN_NAMES["brier"]
    yield _heading(f"Calibration: expected error {calibration.error:.3f}, {brier} {calibration.brier:.3f}")
    table = _table("confidence", "accuracy", "", "rows", right=(0, 1, 3))
    for bucket in calibration.bins:
        table.add(
            f"{bucket.confidence:.1%}",
            f"{bucket.accuracy:.1%}",
            _bar(bucket.accuracy, "blue"),
            f"{bucket.rows:,}",
        )
    yield table


def _coverage(coverage: IntervalCoverage) -> RenderableType:
    text = ", ".join(f"{fraction:.1%} below the {quantile:g} quantile" for quantile, fraction in coverage.below)
    if not coverage.wanted:
        return Text(f"Quantiles: {text}")
    return Text(
        f"Prediction intervals: {coverage.within:.1%} of the rows lie inside, {coverage.wanted:.0%} expected; {text}; "
        f"mean width {format_number(coverage.width)}"
    )


def _importance(importances: Sequence[PermutationImportance]) -> RenderableType:
    table = _table("column", "worse by", "±", "", right=(1, 2))
    largest = max(importances[0].drop, 1e-12)
    influential = [column for column in importances if column.drop > 0][:_MAX_COLUMNS]
    for column in influential:
        bar = _bar(column.drop / largest, "cyan")
        table.add(Text(column.column), format_number(column.drop, 4), format_number(column.spread, 4), bar)
    remaining = len(importances) - len(influential)
    return Group(table, *([Text(f"and {remaining:,} more with less effect or none", style="dim")] if remaining else []))


def _segments(segments: Sequence[Segment]) -> RenderableType:
    table = _table("column", "value", "rows", "quality", "95 % interval", right=(2, 3, 4))
    before = ""
    for segment in segments:
        low, high = segment.interval
        table.add(
            Text(segment.column if segment.column != before else "", style="bold"),
            Text(segment.value),
            f"{segment.rows:,}",
            format_number(segment.quality),
            f"{format_number(low)} – {format_number(high)}",
            style="yellow" if segment.worse else None,
        )
        before = segment.column
    return table


def _data(card: ModelCard) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    splits = ", ".join(f"{rows:,} {name}" for name, rows in card.rows.items())
    total = card.rows["train"] if card.by_target else sum(card.classes.values())  # a row has any number of labels
    facts = {
        "rows": splits + (f", {card.set_aside:,} rejected" if card.set_aside else ""),
        "columns": f"{card.columns:,} read"
        + "".join(f"; {item['name']} dropped: {item['reason']}" for item in card.left_out[:_MAX_COLUMNS]),
        "classes": ", ".join(f"{name} {rows / total:.1%}" for name, rows in list(card.classes.items())[:_MAX_COLUMNS]),
        "drift": ", ".join(f"{item.column} ({item.split}, {item.index:.2f})" for item in card.drift)
        or "no significant drift between splits",
        "privacy": ", ".join(f"{name} {value:g}" for name, value in card.privacy.items()),
        "file": f"sha256 {card.upload_sha256[:16]}…" if card.upload_sha256 else "",
    }
    for name, fact in facts.items():
        if fact:
            table.add_row(Text(name, style="dim"), Text(fact, overflow="fold"))
    return table


def _candidates(card: ModelCard) -> RenderableType:
    """Return the variants by their rank; then why each candidate was tried, or not."""
    applicable = [row for row in card.leaderboard if row.status != "not_applicable"]
    table = leaderboard_table(applicable, card.metric, with_agreement=False)
    reasons = reason_lines(
        (row.display_name.replace("/", " ", 1), row.status, row.reason)
        for row in applicable
        if row.reason and not row.winner
    )
    served = [line for row in applicable if row.winner and row.outcome is None for line in served_lines(row.reason)]
    return Group(table, *reasons, *served, *candidate_lines(card.tried, card.metric, card.plan_notes))


def _jobs(jobs: Sequence[JobCost]) -> RenderableType:
    table = _table("job", "device", "time", "list price", right=(2, 3))
    for job in jobs:
        table.add(job.job, Text(job.device), duration(job.seconds), _dollars(job.dollars))
    return table


def _dollars(amount: float | None) -> str:
    return "" if amount is None else f"${amount:.4f}"


def _bar(fraction: float, style: str) -> Text:
    return Text("█" * max(0, min(_BAR, round(fraction * _BAR))), style=style)


def _table(*columns: str, right: tuple[int, ...] = ()) -> FittedTable:
    """Return an empty table. Text columns wrap between words; numbers are never broken."""
    return FittedTable(
        columns=[
            FittedColumn(name=name, right=index in right, wraps=index not in right)
            for index, name in enumerate(columns)
        ]
    )
