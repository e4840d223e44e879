"""Rows that are left out of the data set, kept as they were, with their places and the reasons."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.contracts.errors import MalformedRowsError
from pipeline.validation.limits import limit_broken_rows
from pipeline.validation.words import counted

__all__ = ["RejectedRows"]

_NAMED = 5  # places that a message names
_MAX_TEXT = 10_000  # characters kept of one row
_MAX_KEPT = 100_000  # rows


@dataclass(slots=True)
class RejectedRows:
    """One JSON object a row in ``path``: ``line`` and ``text`` of what could not be read, ``row`` of what could.

    ``image`` says which of an archive's.

    ``file``: of which they are, where it is not the data's own; two may share a ``path``.
    """

    path: Path
    file: str = ""
    broken: int = 0
    dropped: int = 0
    repaired: int = 0
    _repairs: list[str] = field(default_factory=list)
    _cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    _places: list[str] = field(default_factory=list)
    _reasons: list[str] = field(default_factory=list)
    _kept: int = 0
    _noun: str = "row"

    @property
    def rows(self) -> int:
        return self.broken + self.dropped

    def add_broken(self, *, line: int, reason: str, text: str, lines: int = 1) -> None:
        """A row that could not be read. A quote that is never closed takes many ``lines``: each counts."""
        self.broken += lines
        if len(self._places) < _NAMED:
            self._places.append(f"line {line:,} {reason}")
        self._keep([{"line": line, "reason": reason, "text": text[:_MAX_TEXT]}])

    def add_repaired(self, line: int, reason: str) -> None:
        """A line that was read after a repair: it is not rejected."""
        self.repaired += 1
        if len(self._repairs) < _NAMED:
            self._repairs.append(f"line {line:,} {reason}")

    def add_cells(self, column: str, reason: str, cells: int) -> None:
        """Cells of a column that were taken for missing, though their rows are read."""
        self._cells[column, reason] += cells

    def add_file(self, name: str, reason: str) -> None:
        """An image of an archive that could not be read."""
        self._noun = "image"
        self.broken += 1
        if len(self._places) < _NAMED:
            self._places.append(f"'{name}' {reason}")
        self._keep([{"image": name, "reason": reason}])

    def add_counted(self, dropped: int, of: int, reason: str) -> None:
        """Rows of data that is too large to keep them: they are told alone."""
        if dropped:
            self.dropped += dropped
            self._reasons.append(f"{dropped:,} of {counted(of, 'row')} set aside: {reason}")

    def add_dropped(self, which: pl.Series, reason: str) -> None:
        """Rows that were read and cannot be used; they are numbered from 1, the header and broken rows not counted."""
        rows = which.arg_true()
        if len(rows):
            self.dropped += len(rows)
            self._reasons.append(f"{len(rows):,} of {counted(len(which), 'row')} set aside: {reason}")
            self._keep([{"row": row + 1, "reason": reason} for row in rows.head(_MAX_KEPT)])

    def absorb(self, part: RejectedRows) -> None:
        """Count what was set aside of one file of several; it is in the same ``path`` already."""
        self.broken += part.broken
        self.dropped += part.dropped
        self._kept += part._kept
        room = max(0, _NAMED - len(self._places))
        self._places += [f"'{part.file}' {place}" if part.file else place for place in part._places[:room]]
        self._reasons += part._reasons
        self.repaired += part.repaired
        self._repairs += [f"'{part.file}' {place}" if part.file else place for place in part._repairs]
        del self._repairs[_NAMED:]
        self._cells.update(part._cells)

    def check(self, *, good: int, expected: str) -> None:
        """Raise MalformedRowsError when the broken rows are more than a small share."""
        rows = good + self.broken
        if self.broken > (allowed := limit_broken_rows(rows)):
            raise MalformedRowsError(
                f"{self._of}{self.broken:,} of {counted(rows, self._noun)} cannot be read: {self._named()}; "
                f"{expected} expected (at most {allowed:,} such {self._noun}s are set aside)"
            )

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self._tell_broken(), *self._tell_repaired(), *self._tell_cells(), *self._tell_dropped())

    def _tell_broken(self) -> Iterator[str]:
        if self.broken:
            yield f"{self._of}{counted(self.broken, self._noun)} set aside that cannot be read: {self._named()}"

    def _tell_repaired(self) -> Iterator[str]:
        if self.repaired:
            more = "; ..." if self.repaired > len(self._repairs) else ""
            yield f"{self._of}{counted(self.repaired, 'line')} repaired: {'; '.join(self._repairs)}{more}"

    def _tell_cells(self) -> Iterator[str]:
        for (column, reason), cells in self._cells.items():
            yield f"{self._of}column '{column}': {counted(cells, 'cell')} {reason}, taken as missing"

    def _tell_dropped(self) -> Iterator[str]:
        return (f"{self._of}{reason}" for reason in self._reasons)

    @property
    def _of(self) -> str:
        return f"'{self.file}': " if self.file else ""

    def _named(self) -> str:
        return "; ".join(self._places) + ("; ..." if self.broken > len(self._places) else "")

    def _keep(self, rows: list[dict[str, object]]) -> None:
        about = {"file": self.file} if self.file else {}
        room = _MAX_KEPT - self._kept
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({**about, **row}) + "\n" for row in rows[:room])
        self._kept += len(rows[:room])
