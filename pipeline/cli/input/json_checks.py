"""Check JSON rows against the model's signature: non-finite numbers, absent keys, names in two spellings."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.contracts.errors import InvalidRequestError

if TYPE_CHECKING:
    from pipeline.contracts.signature import Signature

__all__ = ["check_cells", "check_files"]

_BOM = "\ufeff".encode()
_SURROGATE = "is half of a surrogate pair (\\ud800 to \\udfff), which is not text: complete characters are expected"
_NOT_FINITE = "is NaN or beyond the numbers that JSON and float64 have: null is expected for a missing value"


def check_cells(row: dict[str, Any], where: str, *, nan: bool = False) -> None:
    """Check that a row can be written as JSON.

    Args:
        row: Cells by column.
        where: Name of the row in messages.
        nan: Whether NaN is a missing value.

    Raises:
        InvalidRequestError: A number is not finite, or a text has half of a surrogate pair; the column is named.
    """
    for column, cell in row.items():
        if not _is_text(column):
            raise InvalidRequestError(f"{where}: the name of a column {_SURROGATE}")
        if not _is_text(cell):
            raise InvalidRequestError(f"{where}, column '{column}': a letter {_SURROGATE}")
        if not _is_finite(cell) and not (nan and isinstance(cell, float) and math.isnan(cell)):
            raise InvalidRequestError(f"{where}, column '{column}': the number {_NOT_FINITE}")


def _is_text(cell: object) -> bool:
    if cell is None or isinstance(cell, int | float):
        return True
    text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_finite(cell: object) -> bool:
    if isinstance(cell, float):
        return math.isfinite(cell)
    if not isinstance(cell, list | dict):
        return True
    try:
        json.dumps(cell, allow_nan=False)
    except ValueError:
        return False
    return True


def check_files(
    files: Sequence[tuple[str, Path]], signature: Signature, limit: int | None, scratch: Path
) -> tuple[list[tuple[str, Path]], list[str]]:
    """Check the files with one JSON object per line.

    Args:
        files: Name and path of each file.
        signature: Signature of the model.
        limit: Maximum number of rows to predict; None for all.
        scratch: Folder for files that are rewritten because they spell names differently from the model.

    Returns:
        The files to read, and warnings.

    Raises:
        InvalidRequestError: A row lacks a column that the model needs and other rows have, or has one twice.
    """
    checked: list[tuple[str, Path]] = []
    warnings: list[str] = []
    for index, (name, path) in enumerate(files):
        if limit == 0 or not _has_objects(path):
            checked.append((name, path))
            continue
        check = _JsonLines(name=name, signature=signature)
        file_warnings = check.check(path, limit)
        warnings += [f"'{name}': {warning}" for warning in file_warnings] if len(files) > 1 else file_warnings
        limit = None if limit is None else limit - check.rows
        if check.has_other_spellings:
            respelled = scratch / str(index) / "rows.jsonl"
            respelled.parent.mkdir()
            check.respell(path, respelled)
            path = respelled  # noqa: PLW2901 - the rewritten file replaces the user's
        checked.append((name, path))
    return checked, warnings


def _has_objects(path: Path) -> bool:
    """Return whether a file has JSON lines, even if its name is that of a text table."""
    from pipeline.validation.readers.formats import find_format

    kind = find_format(path.name).kind
    if kind != "delimited":
        return kind == "json_lines"
    line = next(_lines(path), b"")
    return line.lstrip().startswith(b'{"') and _parse(line) is not None


@dataclass(kw_only=True, slots=True)
class _JsonLines:
    """One pass over a file of JSON lines, up to the last row to predict.

    ``name`` is the user's name of the file. Lines without an object are skipped: the reader reports them.
    """

    name: str
    signature: Signature
    rows: int = 0
    absent: Counter[str] = field(default_factory=Counter)
    first_absent: dict[str, int] = field(default_factory=dict)
    infinite: Counter[str] = field(default_factory=Counter)
    first_infinite: dict[str, int] = field(default_factory=dict)
    has_other_spellings: bool = False

    def check(self, path: Path, limit: int | None) -> tuple[str, ...]:
        """Read the first ``limit`` rows and return warnings.

        Raises:
            InvalidRequestError: A row lacks a column that the model needs and other rows have, or has one twice.
        """
        spelled = self._spell()
        for number, row in enumerate(islice(self._objects(path), limit), 1):
            self.rows = number
            self._add(spelled(row, f"'{self.name}', row {number:,}"), number)
            self.has_other_spellings = self.has_other_spellings or spelled.renamed
        self._check_absent(is_complete=limit is None)
        return tuple(
            f"column '{column}': {cells:,} {'number is' if cells == 1 else 'numbers are'} beyond float64, taken as "
            f"missing, the first in row {self.first_infinite[column]:,}"
            for column, cells in self.infinite.items()
        )

    def respell(self, path: Path, target: Path) -> None:
        """Write the file with the model's column names; lines keep their numbers."""
        spelled = self._spell()
        with target.open("wb") as file:
            for number, line in enumerate(_lines(path), 1):
                row = _parse(line)
                if row is not None:
                    row = spelled(row, f"'{self.name}', line {number:,}")
                file.write((line if row is None else json.dumps(row, ensure_ascii=False).encode()) + b"\n")

    def _spell(self) -> _Speller:
        from pipeline.serving.names import ColumnNames

        return _Speller(ColumnNames(self.signature).find, self.signature.target_columns)

    def _objects(self, path: Path) -> Iterator[dict[str, Any]]:
        return (row for line in _lines(path) if (row := _parse(line)) is not None)

    def _add(self, row: dict[str, Any], number: int) -> None:
        for column in self.signature.columns:
            if column.name not in row:
                self.absent[column.name] += 1
                self.first_absent.setdefault(column.name, number)
            elif isinstance(cell := row[column.name], float) and math.isinf(cell):
                self.infinite[column.name] += 1
                self.first_infinite.setdefault(column.name, number)

    def _check_absent(self, *, is_complete: bool) -> None:
        """Refuse a column that only some rows lack; the reader reports a column that all rows lack."""
        optional = {column.name for column in self.signature.columns if column.is_optional}
        for column, rows in self.absent.items():
            if column not in optional and not (is_complete and rows == self.rows):
                raise InvalidRequestError(
                    f"'{self.name}', row {self.first_absent[column]:,} lacks '{column}' (absent in {rows:,} of "
                    f"{self.rows:,} rows): every row is expected to have it, with null where its value is missing"
                )


@dataclass(slots=True)
class _Speller:
    """Renames a row's keys to the model's columns; other keys stay."""

    find: Callable[[str], str | None]
    targets: tuple[str, ...]
    names: dict[str, str] = field(default_factory=dict)
    renamed: bool = False

    def __call__(self, row: dict[str, Any], where: str) -> dict[str, Any]:
        spelled: dict[str, Any] = {}
        for key, cell in row.items():
            name = self.names.get(key) or self._name(key)
            if name in spelled:
                raise InvalidRequestError(f"{where} has '{name}' twice, in two spellings: one is expected")
            spelled[name] = cell
            self.renamed = self.renamed or name != key
        return spelled

    def _name(self, key: str) -> str:
        from pipeline.parsing.text import clean_text

        clean = clean_text(key)
        name = self.find(key) or (clean if clean in self.targets else key)
        self.names[key] = name
        return name


def _lines(path: Path) -> Iterator[bytes]:
    is_gzip = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            for number, line in enumerate(file):
                yield (line if number else line.removeprefix(_BOM)).rstrip(b"\n")
    except (gzip.BadGzipFile, EOFError, zlib.error):  # the reader reports a damaged file
        return


def _parse(line: bytes) -> dict[str, Any] | None:
    from pipeline.validation.readers.text.json_lines import parse_object

    return parse_object(line) if line.lstrip().startswith(b"{") else None
