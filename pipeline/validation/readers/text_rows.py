"""The rows of one text file: csv and its kin, or a JSON object a line."""

from __future__ import annotations

import codecs
import csv
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import polars as pl

from pipeline.parsing.missing import MISSING
from pipeline.validation.readers.chunks import BLOCK_BYTES, Block, blocks_of, heads_of, line_at
from pipeline.validation.readers.delimited import header_of, read_block, tell_delimiter
from pipeline.validation.readers.json_lines import read_json_lines
from pipeline.validation.readers.source import File
from pipeline.validation.readers.text_file import TextFile, check_start, unpack
from pipeline.validation.rejected_rows import SetAside

__all__ = ["Delimited", "JsonLines", "TextRows"]

_LOOK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRows(ABC):
    """``path`` is plain text; its rows begin at byte ``start``. ``scratch``: a folder of its own."""

    name: str
    path: Path
    scratch: Path
    names: tuple[str, ...]
    start: int = 0
    delimiter: str = ""
    fixed: bool = True  # a header says which columns there are
    block_bytes: int = BLOCK_BYTES

    @property
    def decimal_comma(self) -> bool:
        return self.delimiter not in ("", ",")

    def blocks(self) -> Iterator[Block]:
        return blocks_of(self.name, self.path, self.start, self.block_bytes)

    def heads(self, share: float) -> list[Block]:
        return heads_of(self.name, self.path, self.start, self.block_bytes, share)

    def sample(self, names: Sequence[str], share: float) -> tuple[pl.DataFrame, int]:
        """Rows from the head of each block, and how many bytes they have."""
        heads = self.heads(share)
        for head in heads:
            head.check(self.name, self.path)
        together = Block(heads[0].offset if heads else self.start, b"".join(head.data for head in heads))
        return self.read(together, names, (), SetAside(self.scratch / "aside")), len(together.data)

    @abstractmethod
    def read(self, block: Block, names: Sequence[str], numbers: Collection[str], aside: SetAside) -> pl.DataFrame:
        """The columns ``names`` of the rows that can be read: String, or of ``numbers`` perhaps Float64."""

    def _alone(self, block: Block) -> TextFile:
        """The block as a file of its own."""
        path = self.scratch / f"block-{block.offset}"
        path.write_bytes(block.data)
        return TextFile(name=self.name, path=path, counts=Counter({"\n": block.data.count(b"\n")}))


class Delimited(TextRows):
    """With a header, which says which columns there are."""

    @classmethod
    def of(cls, file: File, workdir: Path, most_bytes: int, block_bytes: int) -> Self | None:
        """None of an empty file. Raise UnreadableDatasetError or InvalidColumnsError for what its first rows tell."""
        text, scratch = _plain(file, workdir, most_bytes)
        if text is None:
            return None
        delimiter = file.form.delimiter or tell_delimiter(text)
        names, start = tuple(header_of(text, delimiter)), _header_bytes(text.path, delimiter)
        return cls(
            name=file.name,
            path=text.path,
            scratch=scratch,
            names=names,
            start=start,
            delimiter=delimiter,
            block_bytes=block_bytes,
        )

    def read(self, block: Block, names: Sequence[str], numbers: Collection[str], aside: SetAside) -> pl.DataFrame:
        block.check(self.name, self.path)
        frame = self._regular(block, numbers)
        if frame is None and numbers:  # a number may be missing by another word than none
            frame = self._regular(block, numbers, list(MISSING))
        if frame is None and numbers:
            frame = self._regular(block, ())
        if frame is None:
            line = line_at(self.path, block.offset)
            frame = read_block(self._alone(block), self.delimiter, list(self.names), aside, first_line=line)
        return frame.select(names)

    def _regular(self, block: Block, numbers: Collection[str], missing: list[str] | None = None) -> pl.DataFrame | None:
        """None when a row is not as wide as the header, or a cell of ``numbers`` is neither number nor missing."""
        types = {name: pl.Float64 if name in numbers else pl.String for name in self.names}
        try:
            frame = pl.read_csv(
                block.data, has_header=False, separator=self.delimiter, schema=types, null_values=missing
            )
        except pl.exceptions.PolarsError:
            return None
        if frame[self.names[-1]].null_count() == 0:
            return frame
        # polars fills a short row with nulls, and a blank line: what is left is whole, if all adds up
        rows = frame.filter(~pl.all_horizontal(pl.all().is_null()))
        whole = b'"' not in block.data
        whole = whole and block.data.count(self.delimiter.encode()) == (len(self.names) - 1) * rows.height
        return rows if whole else None


class JsonLines(TextRows):
    """The columns are the keys of the first rows of each block; another that comes later is not read."""

    @classmethod
    def of(cls, file: File, workdir: Path, most_bytes: int, block_bytes: int) -> Self | None:
        """None of an empty file.

        Raise UnreadableDatasetError, InvalidColumnsError or MalformedRowsError for what its first rows tell.
        """
        text, scratch = _plain(file, workdir, most_bytes)
        if text is None:
            return None
        rows = cls(
            name=file.name,
            path=text.path,
            scratch=scratch,
            names=(),
            start=_bom(text.path),
            fixed=False,
            block_bytes=block_bytes,
        )
        keys: dict[str, None] = {}
        for block in rows.heads(0.0):
            keys.update(dict.fromkeys(rows._read(block, SetAside(scratch / "aside")).columns))
        return replace(rows, names=tuple(keys))

    def read(self, block: Block, names: Sequence[str], numbers: Collection[str], aside: SetAside) -> pl.DataFrame:
        frame = self._read(block, aside)
        none = (pl.lit(None, dtype=pl.String).alias(name) for name in names if name not in frame.columns)
        return frame.with_columns(none).select(names)

    def _read(self, block: Block, aside: SetAside) -> pl.DataFrame:
        block.check(self.name, self.path)
        text = self._alone(block)
        frame = read_json_lines(text, aside)
        text.path.unlink()
        return frame


def _plain(file: File, workdir: Path, most_bytes: int) -> tuple[TextFile | None, Path]:
    """The file as plain text, its first bytes checked (None: it is empty), and a folder for what is made of it."""
    scratch = workdir / f"{file.path.name}-scratch"
    scratch.mkdir()
    path = file.path
    if file.form.gzipped:
        path = file.path.with_suffix(".plain")
        for _ in unpack(file.name, file.path, path, most_bytes):
            pass
    with path.open("rb") as opened:
        first = opened.read(_LOOK_BYTES)
    check_start(file.name, first)
    if not first.removeprefix(codecs.BOM_UTF8).strip() and len(first) < _LOOK_BYTES:
        return None, scratch
    next(blocks_of(file.name, path, 0, _LOOK_BYTES)).check(file.name, path)
    return TextFile(name=file.name, path=path, counts=Counter()), scratch


def _bom(path: Path) -> int:
    with path.open("rb") as file:
        return len(codecs.BOM_UTF8) if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0


def _header_bytes(path: Path, delimiter: str) -> int:
    """Where the rows begin: the header ends with the line with which the csv module ends it."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        next(row for row in reader if row)
        lines = reader.line_num
    with path.open("rb") as opened:
        return sum(len(opened.readline()) for _ in range(lines))
