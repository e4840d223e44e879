"""Read JSON lines: one object per line.

Each line is parsed separately, so that a broken line affects only itself, and rows without common keys cannot exhaust
the memory. Values become text, whose type is inferred like that of a csv file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import polars as pl

from pipeline.parsing.numbers import write_number
from pipeline.validation.limits import MAX_COLUMNS
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["KeyOrder", "collect_keys", "parse_object", "read_json_lines"]

_NESTED = pl.Struct({"nested": pl.String})
_MAX_NESTED_FRACTION = 0.01  # maximum fraction of a column's cells with arrays or objects that are read as missing


@dataclass(slots=True)
class _Cells:
    """Cells by key, in the order of the keys' first rows; ``nested`` counts arrays and objects by key."""

    columns: dict[str, list[str | None]] = field(default_factory=dict)
    nested: Counter[str] = field(default_factory=Counter)
    rows: int = 0

    def add(self, row: dict[str, object]) -> None:
        for key, value in row.items():
            column = self.columns.get(key)
            if column is None:
                column = self.columns[key] = [None] * self.rows
            column.append(value if isinstance(value, str) else self._as_text(key, value))
        self.rows += 1
        if len(row) < len(self.columns):
            for column in self.columns.values():
                if len(column) < self.rows:
                    column.append(None)

    def _as_text(self, key: str, value: object) -> str | None:
        if value is None:
            return None
        if isinstance(value, dict | list):
            self.nested[key] += 1
            return None
        if isinstance(value, float) and value.is_integer():
            return str(int(value))  # a request's 1.0 is converted to the same category
        if isinstance(value, float):
            return write_number(value)
        return str(value).lower() if isinstance(value, bool) else str(value)


class KeyOrder:
    """Finds one order for the keys of all rows.

    Keys follow their order in the rows. The last key of most rows comes last, since it is the default target.
    """

    def __init__(self) -> None:
        """Start without keys."""
        self._order: list[str] = []
        self._seen: set[str] = set()
        self._last: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._order)

    def add(self, keys: Sequence[str]) -> None:
        """Add the keys of a row."""
        if not keys:
            return
        self._last[keys[-1]] += 1
        if self._seen.issuperset(keys):
            return
        known_keys = [key for key in keys if key in self._seen]
        position = self._order.index(known_keys[0]) if known_keys else len(self._order)
        for key in keys:
            if key in self._seen:
                position = self._order.index(key) + 1
            else:
                self._order.insert(position, key)
                self._seen.add(key)
                position += 1

    @property
    def keys(self) -> tuple[str, ...]:
        """Return all keys in their order."""
        if not self._last:
            return ()
        latest = max(self._last.values())
        last = next(key for key in reversed(self._order) if self._last[key] == latest)
        return (*(key for key in self._order if key != last), last)


def read_json_lines(
    data: bytes, rejected: RejectedRows, *, first_line: int = 1, names: Collection[str] = ()
) -> pl.DataFrame:
    """Read rows as columns of String; a Struct column holds arrays or objects.

    Args:
        data: UTF-8 text, whole lines.
        rejected: Collects lines that are not a JSON object.
        first_line: Number of the first line in the file.
        names: Keys whose columns are String, however many of their cells are arrays or objects.
    """
    cells = _Cells()
    for number, line in enumerate(data.split(b"\n"), first_line):
        if not line.strip():
            continue
        row = parse_object(line)
        if row is None or len(cells.columns) > MAX_COLUMNS:
            rejected.add_broken(line=number, reason="is not a JSON object", text=line.decode(errors="replace"))
        else:
            cells.add(row)
    return pl.DataFrame([_column(name, values, cells, rejected, names) for name, values in cells.columns.items()])


def parse_object(line: bytes) -> dict[str, object] | None:
    """Parse a line; None if it is not a JSON object. NaN, Infinity and integers of any length are accepted."""
    try:
        row = orjson.loads(line)
    except ValueError:
        row = _parse_slowly(line)
    if isinstance(row, dict) and any(type(value) is float and abs(value) >= 2**53 for value in row.values()):
        row = _parse_slowly(line)  # orjson reads integers of more than 64 bits as float
    return row if isinstance(row, dict) else None


def collect_keys(path: Path, start: int) -> tuple[str, ...]:
    """Collect all keys of a file that may be larger than memory."""
    order = KeyOrder()
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            order.add(tuple(parse_object(line) or ()))
            if len(order) > MAX_COLUMNS:
                break
    return order.keys


def _parse_slowly(line: bytes) -> object:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode()  # fails for half a surrogate pair, which is not text
    except (ValueError, RecursionError):
        return None
    return row


def _column(
    name: str, values: list[str | None], cells: _Cells, rejected: RejectedRows, names: Collection[str]
) -> pl.Series:
    nested = cells.nested[name]
    if nested > len(values) * _MAX_NESTED_FRACTION and name not in names:
        return pl.Series(name, [None], dtype=_NESTED).new_from_index(0, len(values))
    if nested:
        rejected.add_nested(name, nested)
    return pl.Series(name, values, dtype=pl.String)
