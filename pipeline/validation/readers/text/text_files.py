"""Text files that are read as batches of rows: delimited text, or JSON lines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import polars as pl

from pipeline.validation.columns.names import check_cells, name_columns
from pipeline.validation.readers.dialects.detect import detect_dialect
from pipeline.validation.readers.dialects.dialect import Dialect
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.table_file import Read, TableFile
from pipeline.validation.readers.text.chunks import BLOCK_BYTES, Block, Lines, blocks_of, heads_of
from pipeline.validation.readers.text.delimited_rows import read_rows
from pipeline.validation.readers.text.json_lines import collect_keys, read_json_lines
from pipeline.validation.readers.text.line_repair import repair_lines
from pipeline.validation.readers.text.plain_text import PlainText
from pipeline.validation.rejected_rows import RejectedRows
from pipeline.validation.words import counted

__all__ = ["DelimitedFile", "JsonLinesFile"]

_JSON_ROW = 'one JSON object per line, such as {"age": 38}'
_HEAD_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class _TextFile(TableFile):
    """A UTF-8 text file, whose rows are in the bytes from ``start`` to ``end`` of ``path``."""

    path: Path
    start: int
    end: int
    first_line: int  # line number of the first row
    block_bytes: int = BLOCK_BYTES

    @property
    def size(self) -> int:
        return self.end - self.start

    def read_all(self, rejected: RejectedRows) -> pl.DataFrame:
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start)
            data = file.read(self.end - self.start)
        check_cells(self.name, len(self.names.names) * data.count(b"\n"))
        return self._read(Block(self.start, data, self._lines), (), rejected)

    def batches(self) -> Iterator[Read]:
        for block in blocks_of(self.name, self._lines, self.start, self.block_bytes, end=self.end):
            yield partial(self._read, block)

    def sample(self, fraction: float, rejected: RejectedRows) -> tuple[pl.DataFrame, int]:
        data = b"".join(heads_of(self.name, self._lines, self.start, self.block_bytes, fraction, end=self.end))
        return self._read(Block(self.start, data, self._lines), (), rejected), len(data)

    @property
    def _lines(self) -> Lines:
        return Lines(self.path, self.start, self.first_line)

    def _read(self, block: Block, numbers: Collection[str], rejected: RejectedRows) -> pl.DataFrame:
        data, repaired = repair_lines(block.data)
        for line, reason in repaired:
            rejected.add_repaired(block.line + line, reason)
        return self._parse(replace(block, data=data) if repaired else block, numbers, rejected)

    @abstractmethod
    def _parse(self, block: Block, numbers: Collection[str], rejected: RejectedRows) -> pl.DataFrame:
        """Read whole rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DelimitedFile(_TextFile):
    """A file of delimited text."""

    dialect: Dialect

    @classmethod
    def open(cls, text: PlainText, delimiter: str | None, options: ReadOptions, block_bytes: int) -> Self:
        """Detect the dialect from the first and last rows.

        Raises:
            UnreadableDatasetError: The header has an unclosed or misplaced quote.
            InvalidColumnsError: There is one column, or a name is too long.
        """
        dialect = detect_dialect(text.name, text.path, text.start, delimiter=delimiter, options=options)
        names = name_columns(("", *dialect.fields) if dialect.index_field else dialect.fields)
        header_line = dialect.header_line if dialect.has_header else None
        described = {"delimiter": dialect.delimiter, "header_line": header_line}
        return cls(
            name=text.name,
            names=names,
            fields=names.names,
            expected=f"{counted(len(names.names), 'field')}, as in the header",
            facts={"encoding": text.encoding.name, "dialect": described},
            header="auto" if dialect.has_header else "none",
            warnings=(*text.warnings, *dialect.warnings, *names.warnings),
            path=text.path,
            start=dialect.start,
            end=dialect.end,
            first_line=_line_at(text.path, dialect.start),
            block_bytes=block_bytes,
            dialect=dialect,
        )

    def _parse(self, block: Block, numbers: Collection[str], rejected: RejectedRows) -> pl.DataFrame:
        rows = read_rows(block, self.dialect, self.names.names, numbers, rejected)
        return _drop_blank_rows(rows, rejected)


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonLinesFile(_TextFile):
    """A file with one JSON object per line. ``known_keys``: keys that are columns of a known model."""

    known_keys: frozenset[str] = frozenset()

    @classmethod
    def open(cls, text: PlainText, options: ReadOptions, scratch: Path, block_bytes: int) -> Self:
        """Collect the keys, which reads all lines once.

        Raises:
            MalformedRowsError: No line is a JSON object.
            InvalidColumnsError: There are too many or too few keys.
        """
        size = text.path.stat().st_size
        keys = collect_keys(text.path, text.start)
        if not keys:
            _check_first_lines(text, scratch)
        names = name_columns(keys)
        return cls(
            name=text.name,
            names=names,
            fields=keys,
            expected=_JSON_ROW,
            facts={"encoding": text.encoding.name},
            is_keyed=True,
            warnings=(*text.warnings, *names.warnings),
            path=text.path,
            start=text.start,
            end=size,
            first_line=1,
            block_bytes=block_bytes,
            known_keys=frozenset(key for key, name in zip(keys, names.names, strict=True) if name in options.names),
        )

    def _parse(self, block: Block, numbers: Collection[str], rejected: RejectedRows) -> pl.DataFrame:
        rows = read_json_lines(block.data, rejected, first_line=block.line, names=self.known_keys)
        return pl.DataFrame([rows[key] for key in self.fields if key in rows.columns])


def _check_first_lines(text: PlainText, scratch: Path) -> None:
    """Raise MalformedRowsError for a file in which no line is a JSON object."""
    rejected = RejectedRows(scratch / "first_lines.jsonl")
    with text.path.open("rb") as file:
        file.seek(text.start)
        rows = read_json_lines(file.read(_HEAD_BYTES), rejected)
    rejected.check(valid=rows.height, expected=_JSON_ROW)


def _drop_blank_rows(rows: pl.DataFrame, rejected: RejectedRows) -> pl.DataFrame:
    """Drop rows that have only delimiters, which spreadsheets write below a table."""
    if rows.width == 1 or rows[rows.columns[-1]].null_count() == 0:
        return rows
    filled = [column.is_not_null().alias(str(number)) for number, column in enumerate(rows)]
    nonblank = rows.filter(pl.DataFrame(filled).select(pl.any_horizontal(pl.all())).to_series())
    rejected.blank += rows.height - nonblank.height
    return nonblank


def _line_at(path: Path, byte: int) -> int:
    with path.open("rb") as file:
        return 1 + file.read(byte).count(b"\n")
