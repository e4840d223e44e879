"""Profile the columns of the first rows, to decide whether a line is a header, a data row or a footer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.validation.readers.dialects.cells import MISSING_CELLS, CellKind, kind_of

__all__ = ["ColumnEvidence", "profile_columns"]

_MIN_AGREEMENT = 0.9  # minimum fraction of a column's values that must be of the same kind
_MIN_CATEGORY_ROWS = 10
_MAX_CATEGORIES = 0.2  # maximum distinct values per row
_SENTENCE_WORDS = 3
_MAX_SAMPLE = 250  # values whose kinds are checked, spread evenly over the column


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnEvidence:
    """The kind of a column's values, and properties of texts."""

    kind: Literal["number", "measure", "date", "text", "empty"]
    values: frozenset[str]  # distinct values of the profiled rows
    categories: bool = False  # whether few values repeat
    sentences: bool = False  # whether nearly all values have several words
    codes: bool = False  # whether nearly all values have a digit

    @property
    def typed(self) -> bool:
        """Return whether the values are numbers or dates."""
        return self.kind in ("number", "measure", "date")

    def holds(self, kind: CellKind) -> bool:
        """Return whether a cell of that kind could be a value of this column of numbers or dates."""
        return kind == self.kind or (self.kind == "measure" and kind == "number")


def profile_columns(rows: Sequence[Sequence[str]], width: int) -> tuple[ColumnEvidence, ...]:
    """Profile the columns of ``rows``, each of which has ``width`` cells."""
    columns = zip(*rows, strict=True) if rows else [()] * width
    return tuple(_profile(cells) for cells in columns)


def _profile(cells: Sequence[str]) -> ColumnEvidence:
    values = [cell for cell in cells if cell not in MISSING_CELLS]
    if not values:
        return ColumnEvidence(kind="empty", values=frozenset(cells))
    sample = values[:: 1 + len(values) // _MAX_SAMPLE]
    kinds = Counter(map(kind_of, sample))
    needed = _MIN_AGREEMENT * len(sample)
    distinct = frozenset(cells)
    if kinds["date"] >= needed:
        return ColumnEvidence(kind="date", values=distinct)
    if kinds["number"] >= needed:
        return ColumnEvidence(kind="number", values=distinct)
    if kinds["number"] + kinds["measure"] >= needed:
        return ColumnEvidence(kind="measure", values=distinct)
    counts = Counter(sample).items()
    sentences = sum(count for value, count in counts if len(value.split()) >= _SENTENCE_WORDS) >= needed
    return ColumnEvidence(
        kind="text",
        values=distinct,
        categories=len(values) >= _MIN_CATEGORY_ROWS and len(set(values)) <= max(2, _MAX_CATEGORIES * len(values)),
        sentences=sentences,
        codes=not sentences and sum(count for value, count in counts if any(map(str.isdigit, value))) >= needed,
    )
