"""Collect the original text of rejected rows, with their line numbers and the reasons."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.contracts.errors import MalformedRowsError
from pipeline.validation.limits import MAX_NAMED, limit_broken_rows
from pipeline.validation.words import counted

__all__ = ["RejectedRows"]

_MAX_TEXT = 10_000  # characters of a row that are written
_MAX_KEPT = 100_000  # maximum rows that are written


@dataclass(slots=True)
class RejectedRows:
    """Rejected rows of one file, written to ``path`` as one JSON object per row.

    An object has ``line`` and ``text`` for a row that could not be read, ``row`` for a row that was read, or ``image``
    for a file of an archive. ``file`` is the name of the file if it is not the data file itself; several files may
    share a ``path``.
    """

    path: Path
    file: str = ""
    broken: int = 0
    dropped: int = 0
    repaired: int = 0
    blank: int = 0  # skipped rows of empty cells, which are not counted as rejected
    _repairs: list[str] = field(default_factory=list)
    _nested: Counter[str] = field(default_factory=Counter)  # column -> number of cells that hold arrays or objects
    _examples: list[str] = field(default_factory=list)
    _reasons: list[str] = field(default_factory=list)
    _written: int = 0
    _noun: str = "row"

    @property
    def rows(self) -> int:
        """Return the number of rejected rows."""
        return self.broken + self.dropped

    def add_broken(self, *, line: int, reason: str, text: str, lines: int = 1) -> None:
        """Reject a row that could not be read. An unclosed quote may span many ``lines``, each of which counts."""
        self.broken += lines
        if len(self._examples) < MAX_NAMED:
            self._examples.append(f"line {line:,} {reason}")
        self._write([{"line": line, "reason": reason, "text": text[:_MAX_TEXT]}])

    def add_repaired(self, line: int, reason: str) -> None:
        """Count a line that was read after a repair; it is not rejected."""
        self.repaired += 1
        if len(self._repairs) < MAX_NAMED:
            self._repairs.append(f"line {line:,} {reason}")

    def add_nested(self, column: str, cells: int) -> None:
        """Count cells that hold arrays or objects, which are read as missing."""
        self._nested[column] += cells

    def add_file(self, name: str, reason: str) -> None:
        """Reject an image of an archive that could not be read."""
        self._noun = "image"
        self.broken += 1
        if len(self._examples) < MAX_NAMED:
            self._examples.append(f"'{name}' {reason}")
        self._write([{"image": name, "reason": reason}])

    def add_counted(self, dropped: int, of: int, reason: str) -> None:
        """Count rejected rows without writing them, for data that is read in batches.

        Args:
            dropped: Number of rejected rows.
            of: Number of all rows.
            reason: Why they are rejected.
        """
        if dropped:
            self.dropped += dropped
            self._reasons.append(f"{dropped:,} of {counted(of, 'row')} rejected: {reason}")

    def add_dropped(self, mask: pl.Series, reason: str) -> None:
        """Reject rows that were read and cannot be used.

        Args:
            mask: True for each rejected row. Rows are numbered from 1, without the header and broken rows.
            reason: Why they are rejected.
        """
        rows = mask.arg_true()
        if len(rows):
            self.dropped += len(rows)
            self._reasons.append(f"{len(rows):,} of {counted(len(mask), 'row')} rejected: {reason}")
            self._write([{"row": row + 1, "reason": reason} for row in rows.head(_MAX_KEPT)])

    def absorb(self, other_file: RejectedRows) -> None:
        """Add the counts of one of several files; its rejected rows are already in the same ``path``."""
        self.broken += other_file.broken
        self.dropped += other_file.dropped
        self._written += other_file._written
        prefix = f"'{other_file.file}' " if other_file.file else ""
        room = max(0, MAX_NAMED - len(self._examples))
        self._examples += [f"{prefix}{line}" for line in other_file._examples[:room]]
        self._reasons += other_file._reasons
        self.repaired += other_file.repaired
        self.blank += other_file.blank
        self._repairs += [f"{prefix}{line}" for line in other_file._repairs]
        del self._repairs[MAX_NAMED:]
        self._nested.update(other_file._nested)

    def check(self, *, valid: int, expected: str) -> None:
        """Check that few rows are broken.

        Args:
            valid: Number of rows that were read.
            expected: Description of a valid row, for the message.

        Raises:
            MalformedRowsError: More rows are broken than ``limit_broken_rows`` allows.
        """
        rows = valid + self.broken
        if self.broken > (allowed := limit_broken_rows(rows)):
            limit = f"at most {allowed:,} may be rejected" if allowed else "none may be rejected"
            raise MalformedRowsError(
                f"{self._prefix}{self.broken:,} of {counted(rows, self._noun)} cannot be read, and {limit}: "
                f"{self._name()} (expected: {expected})"
            )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return warnings about rejected and repaired rows."""
        return tuple(f"{self._prefix}{sentence}" for sentence in self._describe())

    def _describe(self) -> Iterator[str]:
        if self.broken:
            yield f"{counted(self.broken, f'unreadable {self._noun}')} rejected: {self._name()}"
        if self.repaired:
            more = "; ..." if self.repaired > len(self._repairs) else ""
            yield f"{counted(self.repaired, 'line')} repaired: {'; '.join(self._repairs)}{more}"
        for column, cells in self._nested.items():
            yield f"column '{column}': {counted(cells, 'cell')} that hold arrays or objects, read as missing"
        if self.blank:
            yield f"{counted(self.blank, 'row')} of empty cells skipped"
        yield from self._reasons

    @property
    def _prefix(self) -> str:
        return f"'{self.file}': " if self.file else ""

    def _name(self) -> str:
        return "; ".join(self._examples) + ("; ..." if self.broken > len(self._examples) else "")

    def _write(self, rows: list[dict[str, object]]) -> None:
        origin = {"file": self.file} if self.file else {}
        room = _MAX_KEPT - self._written
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({**origin, **row}) + "\n" for row in rows[:room])
        self._written += len(rows[:room])
