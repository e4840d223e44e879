"""Moves of aliases, and differences between versions, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from pipeline.cli.views.fitted_table import FittedColumn, FittedTable
from pipeline.evaluation.number_format import format_number

if TYPE_CHECKING:
    from pipeline.contracts.records.alias_move import AliasMove

__all__ = ["difference_table", "history_table"]

_SECTIONS = ("data", "spec", "metrics", "size", "latency")


def history_table(moves: Sequence[AliasMove]) -> RenderableType:
    """Return a table of moves, one per row, in their order."""
    table = FittedTable(
        columns=[
            FittedColumn(name="at (UTC)"),
            FittedColumn(name="alias"),
            FittedColumn(name="version", right=True),
            FittedColumn(name="before", drop=1, right=True),
            FittedColumn(name="by", drop=3, wraps=True),
            FittedColumn(name="reason", drop=2, wraps=True),
        ]
    )
    for move in moves:
        table.add(
            f"{move.at:%Y-%m-%d %H:%M:%S}",
            Text(move.alias, style="green" if move.alias == "live" else ""),
            str(move.version),
            str(move.previous or ""),
            Text(move.by),
            Text(move.reason),
        )
    return table


def difference_table(differences: Mapping[str, Any]) -> RenderableType:
    """Return a table of the differences between two versions, one per row."""
    first, second = differences["versions"]
    table = FittedTable(
        columns=[
            FittedColumn(name=""),
            FittedColumn(name="name"),
            FittedColumn(name=f"version {first}", wraps=True),
            FittedColumn(name=f"version {second}", wraps=True),
        ]
    )
    for section in _SECTIONS:
        for position, (name, pair) in enumerate(differences[section].items()):
            table.add(
                Text(section if position == 0 else "", style="dim"),
                Text(name),
                Text(_cell(pair["before"])),
                Text(_cell(pair["after"])),
            )
    return table


def _cell(value: object) -> str:
    if value is None:
        return "none"
    return format_number(value) if isinstance(value, float) else str(value)
