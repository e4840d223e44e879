"""Count rows and cells while the rows are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.contracts.errors import TooFewRowsError
from pipeline.validation.columns.target import TargetRule
from pipeline.validation.limits import MIN_ROWS
from pipeline.validation.rejected_rows import RejectedRows
from pipeline.validation.schema import Schema
from pipeline.validation.statistics import Statistics
from pipeline.validation.words import counted

__all__ = ["ReadRows", "Tally", "check_rows"]


@dataclass(slots=True)
class Tally:
    """Counts of rows and cells."""

    rows: Counter[str] = field(default_factory=Counter)  # split -> rows
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (split, class) -> rows
    dropped: Counter[str] = field(default_factory=Counter)  # reason -> rejected rows
    invalid: Counter[str] = field(default_factory=Counter)  # column -> cells that are not of the column's kind
    read: int = 0

    def add(self, batch: Tally) -> None:
        """Add the counts of another batch."""
        self.rows.update(batch.rows)
        self.classes.update(batch.classes)
        self.dropped.update(batch.dropped)
        self.invalid.update(batch.invalid)
        self.read += batch.read

    def count(self, frames: Mapping[str, pl.DataFrame], target: TargetRule) -> None:
        """Count the rows of each split, and of each class in it."""
        for split, frame in frames.items():
            self.rows[split] += frame.height
            if target.task == "classification":
                counts = frame[target.name].rename("class").value_counts(name="rows")
                self.classes.update({(split, label): rows for label, rows in counts.iter_rows()})


@dataclass(frozen=True, kw_only=True)
class ReadRows:
    """All rows, read by ``schema``.

    ``splits`` has the rows by split. Training rows that came in batches are in the file ``train`` instead, with their
    ``statistics``; both are None if all rows are in memory.
    """

    schema: Schema
    tally: Tally
    splits: Mapping[str, Sequence[pl.DataFrame]]
    rejected: RejectedRows
    train: Path | None = None
    statistics: Statistics | None = None
    warnings: tuple[str, ...] = ()


def check_rows(rows: int, rejected: RejectedRows) -> None:
    """Check that there are enough rows to train, validate and test.

    Args:
        rows: Number of usable rows.
        rejected: The rejected rows.

    Raises:
        TooFewRowsError: There are fewer than MIN_ROWS.
    """
    if rows < MIN_ROWS:
        without = f" ({rejected.rows:,} more are rejected)" if rejected.rows else ""
        raise TooFewRowsError(
            f"the file has {counted(rows, 'row')} to learn from{without}: at least {MIN_ROWS} are expected, so that "
            "some can select the model and some can test it"
        )
