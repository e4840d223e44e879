"""The levels of a load test as a table, with a bar for the throughput of each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.evaluation.number_format import format_number
from pipeline.load_test.load_level import LoadLevel

__all__ = ["describe_level", "levels_view"]

_BAR = 24  # columns
_COLUMNS = (
    FittedColumn(name="clients", right=True),
    FittedColumn(name="requests/s", right=True),
    FittedColumn(name="rows/s", drop=3, right=True),
    FittedColumn(name="p50", right=True),
    FittedColumn(name="p90", drop=4, right=True),
    FittedColumn(name="p99", right=True),
    FittedColumn(name="failed", drop=1, right=True),
    FittedColumn(name="throughput", drop=2),
)


def describe_level(level: LoadLevel) -> str:
    """Return one line of progress for a level that has ended."""
    failed = f", {sum(level.errors.values())} failed" if level.errors else ""
    noun = "client" if level.clients == 1 else "clients"
    return f"{level.clients} {noun}: {level.per_second:,.0f} requests/s, p99 {_milliseconds(level.p99_ms)}{failed}"


def levels_view(levels: Sequence[LoadLevel], *, title: str) -> RenderableType:
    """Show every level, why requests failed, and whether the client was the limit."""
    table = FittedTable(columns=_COLUMNS)
    highest = max((level.per_second for level in levels), default=0.0)
    for level in levels:
        table.add(*_cells(level, highest))
    return Group(Text(title, style="bold"), table, *(Text(note, style="dim") for note in _notes(levels)))


def _cells(level: LoadLevel, highest: float) -> list[RenderableType]:
    failed = sum(level.errors.values())
    bar = "█" * round(_BAR * level.per_second / highest) if highest else ""
    return [
        f"{level.clients:,}",
        f"{level.per_second:,.0f}",
        f"{level.rows_per_second:,.0f}",
        _milliseconds(level.p50_ms),
        _milliseconds(level.p90_ms),
        _milliseconds(level.p99_ms),
        Text(f"{failed:,}", style="red") if failed else "",
        Text(bar, style="cyan"),
    ]


def _notes(levels: Sequence[LoadLevel]) -> list[str]:
    errors: dict[str, int] = {}
    for level in levels:
        for reason, number in level.errors.items():
            errors[reason] = errors.get(reason, 0) + number
    notes = [f"failed: {number:,} requests: {reason}" for reason, number in errors.items()]
    bound = [str(level.clients) for level in levels if level.is_bound_by_client]
    if bound:
        notes.append(
            f"at {', '.join(bound)} clients this command used all of its core: the server may be faster than that"
        )
    return notes


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{format_number(value, 3)} ms"
