"""A model card as a person reads it: first the warnings, then how good it is, why, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pipeline.cli.views.candidates import reason_lines, served_lines, tried_lines
from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.cli.views.leaderboard import leaderboard_columns
from pipeline.cli.views.tables import duration, interval, size
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
from pipeline.contracts.records.variant_report import VariantReport
from pipeline.evaluation.metric_names import SKLEARN_NAMES
from pipeline.evaluation.number_format import format_number

__all__ = ["card_view"]

_BAR = 24  # characters
_MAX_CLASSES = 10  # of a confusion matrix in a terminal
_MAX_COLUMNS = 15
_MAX_CLUSTER_COLUMNS = 8


def card_view(version: ModelVersion, card: ModelCard, *, live: bool) -> RenderableType:
    """All that is known of a version, in sections; those that the card does not have are left out."""
    return Group(_title(version, card, live=live), *_sections(card))


def _sections(card: ModelCard) -> Iterator[RenderableType]:
    if card.warnings:
        yield _heading("Warnings")
        yield from (Text(f"! {warning}", style="yellow") for warning in card.warnings)
    yield _heading(f"Quality on {card.test_rows:,} test rows, used for no choice")
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
        yield _heading(f"Permutation importance: {card.metric} lost when the column is shuffled")
        yield _importance(card.importance)
    if card.segments:
        yield _heading(f"{card.metric} by segment of the test rows")
        yield _segments(card.segments)
    yield _heading("Data")
    yield _data(card)
    yield _heading("Candidates")
    yield _tried(card)
    yield _jobs(card.jobs)
    yield Text(f"{_dollars(card.dollars)} in total; {card.prices}" if card.prices else "", style="dim")


def _title(version: ModelVersion, card: ModelCard, *, live: bool) -> Text:
    target = f"predicts {card.target}" if card.target else "predicts clusters"
    return Text.assemble(
        (f"{version.model} version {version.version}", "bold"),
        ("  live" if live else f"  {version.status.lower()}", "green" if live else "dim"),
        f"  {card.algorithm} {card.precision}, {card.task}, {target}",
        (f"  {card.created_at:%Y-%m-%d %H:%M} run {card.run}", "dim"),
    )


def _heading(text: str) -> RenderableType:
    return Group(Text(""), Rule(Text(text, style="bold"), align="left", style="dim"))


def _quality(card: ModelCard) -> RenderableType:
    chosen_by = "cross-validation" if card.by_folds else "validation"
    unweighted = ["unweighted"] if card.unweighted_quality else []
    names = ("metric", "test", "95 % interval", chosen_by, *unweighted)
    table = _table(*names, right=tuple(range(1, len(names))))
    for metric, value in card.test_quality.items():
        low, high = card.test_interval.get(metric, (value, value))
        seen = card.validation_quality.get(metric)
        table.add(
            metric,
            format_number(value, 5),
            f"{format_number(low, 5)} – {format_number(high, 5)}",
            "" if seen is None else format_number(seen, 5),
            *(format_number(card.unweighted_quality[metric], 5) for _ in unweighted),
            style="bold" if metric == card.metric else None,
        )
    return table


def _definitions(metrics: Iterable[str]) -> str:
    """``by scikit-learn's definitions: auc is roc_auc_score; ...``."""
    named = [f"{metric} is {SKLEARN_NAMES[metric]}" for metric in metrics if metric in SKLEARN_NAMES]
    return f"by scikit-learn's definitions: {'; '.join(named)}" if named else ""


def _by_target(found: Sequence[TargetQuality]) -> RenderableType:
    metrics = list(found[0].quality)
    table = FittedTable(
        columns=[
            FittedColumn(name="target", wraps=True),
            FittedColumn(name="rows", right=True),
            *(FittedColumn(name=metric, right=True, drop=number) for number, metric in enumerate(metrics)),
        ]
    )
    for target in found:
        numbers = (format_number(target.quality[metric], 4) for metric in metrics)
        table.add(Text(target.target), f"{target.rows:,}", *numbers)
    return table


def _clusters(found: Sequence[Cluster]) -> RenderableType:
    columns = list(dict.fromkeys(column for one in found for column in one.middle))[:_MAX_CLUSTER_COLUMNS]
    table = _table("cluster", "rows", *columns, right=tuple(range(1, len(columns) + 2)))
    for one in found:
        cells = [one.middle.get(column, "") for column in columns]
        told = [Text(format_number(cell) if isinstance(cell, float) else cell) for cell in cells]
        table.add(Text(one.name, style="bold"), f"{one.rows:,}", *told)
    return table


def _decision(card: ModelCard) -> Iterator[RenderableType]:
    """How labels and probabilities come about, and what that changed."""
    found = card.decision
    if found is None:
        return
    if found.threshold is not None:
        own = next((one for one in card.by_class if one.label == card.positive_class), None)
        plain = found.by_most_probable
        told = f"'{card.positive_class}' is predicted from a probability of {found.threshold:.4g} on"
        if own is not None and plain is not None:
            told += (
                f": F1 {own.f1:.4f}, precision {own.precision:.1%}, recall {own.recall:.1%}; from 0.5 on it would be "
                f"F1 {plain.f1:.4f}, {plain.precision:.1%}, {plain.recall:.1%}"
            )
        yield Text(told)
    if found.temperature != 1:
        before, after = found.log_loss
        worse, better = found.calibration_error
        yield Text(
            f"Probabilities are calibrated (temperature {found.temperature:.3g}): log loss {before:.4f} → {after:.4f}, "
            f"expected calibration error {worse:.4f} → {better:.4f} on the test rows"
        )


def _by_class(card: ModelCard) -> RenderableType:
    """The classes with the most test rows, the positive one in bold."""
    table = _table("class", "rows", "labeled so", "precision", "recall", "F1", right=(1, 2, 3, 4, 5))
    for one in sorted(card.by_class, key=lambda one: -one.rows)[:_MAX_CLASSES]:
        shares = (f"{share:.1%}" for share in (one.precision, one.recall))
        style = "bold" if one.label == card.positive_class else None
        table.add(Text(one.label), f"{one.rows:,}", f"{one.labeled:,}", *shares, f"{one.f1:.4f}", style=style)
    if len(card.by_class) > _MAX_CLASSES:
        table.add(Text(f"and {len(card.by_class) - _MAX_CLASSES:,} more with fewer rows", style="dim"))
    return table


def _confusion(found: Confusion) -> Iterator[RenderableType]:
    """Rows are the truth. In a terminal a matrix of many classes says less than its most frequent mistakes."""
    names = [*found.classes, *(["(others)"] if found.others else [])]
    if len(names) > _MAX_CLASSES:
        mistakes = [
            (count, names[i], names[j]) for i, row in enumerate(found.counts) for j, count in enumerate(row) if i != j
        ]
        yield _heading("The most frequent mistakes")
        table = _table("rows", "truth", "prediction", right=(0,))
        for count, truth, answer in sorted(mistakes, reverse=True)[:_MAX_CLASSES]:
            if count:
                table.add(f"{count:,}", Text(truth), Text(answer))
        yield table
        return
    yield _heading("Confusion matrix: rows are the truth, columns the predictions")
    table = _table("", *names, "right", right=tuple(range(1, len(names) + 2)))
    for index, row in enumerate(found.counts):
        total = sum(row)
        cells = [
            Text(f"{count:,}" if count else "·", style="green" if index == at else "red" if count else "dim")
            for at, count in enumerate(row)
        ]
        table.add(Text(names[index]), *cells, f"{row[index] / total:.1%}" if total else "")
    yield table


def _calibration(found: Calibration) -> Iterator[RenderableType]:
    brier = SKLEARN_NAMES["brier"]
    yield _heading(f"Calibration: expected error {found.error:.3f}, {brier} {found.brier:.3f}")
    table = _table("confidence", "accuracy", "", "rows", right=(0, 1, 3))
    for one in found.bins:
        table.add(f"{one.confidence:.1%}", f"{one.accuracy:.1%}", _bar(one.accuracy, "blue"), f"{one.rows:,}")
    yield table


def _coverage(found: IntervalCoverage) -> RenderableType:
    told = ", ".join(f"{share:.1%} below the {quantile:g} quantile" for quantile, share in found.below)
    if not found.wanted:
        return Text(f"Quantiles: {told}")
    return Text(
        f"Prediction intervals: {found.within:.1%} of the rows lie inside, {found.wanted:.0%} expected; {told}; "
        f"mean width {format_number(found.width)}"
    )


def _importance(found: Sequence[PermutationImportance]) -> RenderableType:
    table = _table("column", "lost", "±", "", right=(1, 2))
    most = max(found[0].drop, 1e-12)
    telling = [column for column in found if column.drop > 0][:_MAX_COLUMNS]
    for column in telling:
        bar = _bar(column.drop / most, "cyan")
        table.add(Text(column.column), format_number(column.drop, 4), format_number(column.spread, 4), bar)
    left = len(found) - len(telling)
    return Group(table, *([Text(f"and {left:,} more with less effect or none", style="dim")] if left else []))


def _segments(found: Sequence[Segment]) -> RenderableType:
    table = _table("column", "value", "rows", "quality", "95 % interval", right=(2, 3, 4))
    before = ""
    for one in found:
        low, high = one.interval
        table.add(
            Text(one.column if one.column != before else "", style="bold"),
            Text(one.value),
            f"{one.rows:,}",
            format_number(one.quality),
            f"{format_number(low)} – {format_number(high)}",
            style="yellow" if one.worse else None,
        )
        before = one.column
    return table


def _data(card: ModelCard) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    splits = ", ".join(f"{rows:,} {name}" for name, rows in card.rows.items())
    total = card.rows["train"] if card.by_target else sum(card.classes.values())  # a row has any number of labels
    facts = {
        "rows": splits + (f", {card.set_aside:,} rejected" if card.set_aside else ""),
        "columns": f"{card.columns:,} read"
        + "".join(f"; {one['name']} dropped: {one['reason']}" for one in card.left_out[:_MAX_COLUMNS]),
        "classes": ", ".join(f"{name} {rows / total:.1%}" for name, rows in list(card.classes.items())[:_MAX_COLUMNS]),
        "drift": ", ".join(f"{one.column} ({one.split}, {one.index:.2f})" for one in card.drift)
        or "no significant drift between splits",
        "privacy": ", ".join(f"{name} {value:g}" for name, value in card.privacy.items()),
        "file": f"sha256 {card.upload_sha256[:16]}…" if card.upload_sha256 else "",
    }
    for name, fact in facts.items():
        if fact:
            table.add_row(Text(name, style="dim"), Text(fact, overflow="fold"))
    return table


def _tried(card: ModelCard) -> RenderableType:
    """The files that were made, by their rank; then why each candidate was tried, or not."""
    table = FittedTable(columns=[column for column in leaderboard_columns(card.metric) if column.name != "agrees"])
    applicable = [row for row in card.leaderboard if row.status != "not_applicable"]
    for row in applicable:
        quality = row.quality.get(card.metric)
        table.add(
            Text(row.candidate),
            row.display_name.removeprefix(f"{row.candidate}/"),
            "" if quality is None else f"{quality:.4f}",
            interval(row.interval.get(card.metric)),
            duration(row.train_seconds),
            "" if row.latency_us is None else f"{row.latency_us:.0f} µs",
            "" if row.bytes is None else size(row.bytes),
            _verdict(row),
            style="bold green" if row.winner else "yellow" if row.status == "rejected" else None,
        )
    reasons = reason_lines(
        (row.display_name.replace("/", " ", 1), row.status, row.reason)
        for row in applicable
        if row.reason and not row.winner
    )
    served = [line for row in applicable if row.winner and row.outcome is None for line in served_lines(row.reason)]
    return Group(table, *reasons, *served, *tried_lines(card.tried, card.metric, card.plan_notes))


def _verdict(row: VariantReport) -> str:
    if row.winner:
        return "★ winner"
    return "rejected" if row.status == "rejected" else "● front" if row.on_front else ""


def _jobs(jobs: Sequence[JobCost]) -> RenderableType:
    table = _table("job", "device", "time", "list price", right=(2, 3))
    for one in jobs:
        table.add(one.job, Text(one.device), duration(one.seconds), _dollars(one.dollars))
    return table


def _dollars(amount: float | None) -> str:
    return "" if amount is None else f"${amount:.4f}"


def _bar(share: float, style: str) -> Text:
    return Text("█" * max(0, min(_BAR, round(share * _BAR))), style=style)


def _table(*columns: str, right: tuple[int, ...] = ()) -> FittedTable:
    """Text columns wrap at their words; numbers are never broken."""
    return FittedTable(
        columns=[
            FittedColumn(name=name, right=index in right, wraps=index not in right)
            for index, name in enumerate(columns)
        ]
    )
