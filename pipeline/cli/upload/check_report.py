"""Render how a file would be read, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cli.upload.check import Check
from pipeline.cli.views.estimate import describe_estimate
from pipeline.planning.estimates import ESTIMATE_TOLERANCE, PRICE_SOURCE

__all__ = ["check_view"]

_MAX_COLUMNS = 60
_MAX_REJECTED = 5
_FACT_WIDTH = 9  # width of the longest name, for alignment
_NAMED_DELIMITERS = {"\t": "tab", " ": "space"}
_NAMED_TASKS = {"regression": "a regression", "classification": "a classification", "clustering": "clusters"}


def check_view(check: Check) -> RenderableType:
    """Render columns, facts, warnings, and the candidates of a run."""
    return Group(*_sections(check))


def _sections(check: Check) -> Iterator[RenderableType]:
    report = check.report
    yield _title(check)
    yield _columns(report["columns"], report["targets"] or [report["target"]])
    yield _grid({**_reading(check), "learns": _task(report), "with": ", ".join(check.companions)})
    yield _warnings([*report["warnings"], ""])
    yield _grid(_plan(check))
    if check.plan is not None:
        yield _warnings(check.plan.notes)


def _title(check: Check) -> Text:
    kinds = Counter("dropped" if column["dropped"] else column["kind"] for column in check.report["columns"])
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    return Text.assemble((check.name, "bold"), f"  {len(check.report['columns']):,} columns: {counts}")


def _columns(columns: list[Mapping[str, Any]], targets: Sequence[str | None]) -> RenderableType:
    reasons = any(column["dropped"] for column in columns)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("column", overflow="fold", ratio=3 if reasons else None)
    table.add_column("kind", no_wrap=True)
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("examples", overflow="fold", ratio=4 if reasons else None)
    if reasons:
        table.add_column("why it is dropped", overflow="fold", ratio=4)
    shown = _choose_columns(columns, targets)
    for column in shown:
        table.add_row(*_cells(column, is_target=column["name"] in targets, reasons=reasons))
    if remaining := len(columns) - len(shown):
        return Group(table, Text(f"and {remaining:,} more columns (--json lists all)", style="dim"))
    return table


def _choose_columns(columns: list[Mapping[str, Any]], targets: Sequence[str | None]) -> list[Mapping[str, Any]]:
    """Return all columns, or the first of many, and the targets."""
    if len(columns) <= _MAX_COLUMNS:
        return columns
    last = [column for column in columns[_MAX_COLUMNS - 1 :] if column["name"] in targets]
    return [*columns[: _MAX_COLUMNS - len(last)], *last]


def _cells(column: Mapping[str, Any], *, is_target: bool, reasons: bool) -> list[RenderableType]:
    dropped = column["dropped"]
    style = "dim" if dropped else "bold" if is_target else ""
    kind = Text("dropped", "yellow") if dropped else Text(column["kind"] or "")
    name = Text(_one_line(column["name"]), style)
    if is_target:
        name.append(" (target)", "green")
    cells = [
        name,
        kind,
        Text(f"{column['missing']:,}" if column["missing"] else ""),
        Text("; ".join(_one_line(example) for example in column["examples"]), "dim"),  # numbers may have commas
    ]
    return [*cells, *([Text(dropped or "", "yellow")] if reasons else [])]


def _one_line(text: str) -> str:
    return " ".join(str(text).split()) or repr(text)


def _reading(check: Check) -> dict[str, str]:
    report = check.report
    return {
        "encoding": report["encoding"] or "",
        "dialect": _dialect(report["dialect"]),
        "rows": _rows(check),
        "rejected": _rejected(report["rejected"]),
    }


def _rows(check: Check) -> str:
    tests = [name for name in check.companions if name.startswith("test.")]
    return f"{check.report['rows']:,}" + (f", those of {tests[0]} among them" if tests else "")


def _grid(facts: Mapping[str, str]) -> RenderableType:
    """Return a line for each fact that is not empty."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=_FACT_WIDTH)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        if fact:
            table.add_row(name, Text(fact))
    return table


def _warnings(warnings: Sequence[str]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for warning in warnings:
        table.add_row(Text("!" if warning else "", "yellow"), Text(warning, "yellow", overflow="fold"))
    return table


def _task(report: Mapping[str, Any]) -> str:
    task = _NAMED_TASKS[report["task"]]
    return f"'{_one_line(report['target'])}', {task}" if report["target"] else task


def _dialect(dialect: object) -> str:
    """Describe how a text file is written, such as its delimiter; empty for other files."""
    if not isinstance(dialect, Mapping):
        return "" if dialect is None else str(dialect)
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in dialect.items() if _is_set(value))


def _is_set(value: object) -> bool:
    return value not in (None, "", [], (), {}, False)


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_value(element) for element in value)
    text = str(value)
    return _NAMED_DELIMITERS.get(text, f"'{text}'" if len(text) == 1 and not text.isalnum() else text)


def _rejected(rejected: list[Mapping[str, Any]]) -> str:
    if not rejected:
        return ""
    named = "; ".join(f"{_location(row)} {row['reason']}" for row in rejected[:_MAX_REJECTED])
    return f"{len(rejected):,}: {named}{'; ...' if len(rejected) > _MAX_REJECTED else ''}"


def _location(row: Mapping[str, Any]) -> str:
    file = f"'{row['file']}' " if "file" in row else ""
    return file + next((f"{kind} {row[kind]}" for kind in ("line", "row", "image") if kind in row), "")


def _plan(check: Check) -> dict[str, str]:
    if check.plan is None or check.plan.estimate is None:
        return {"would try": "the network that training.base_model names is looked up when a run begins"}
    return {
        "would try": ", ".join(candidate.name for candidate in check.plan.candidates),
        "estimate": f"{describe_estimate(check.plan.estimate)}, by {PRICE_SOURCE}; accurate within a factor of "
        f"{ESTIMATE_TOLERANCE:g}. On this machine it costs nothing.",
    }
