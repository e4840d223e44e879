"""Read delimited text like validation, with its detected dialect and warnings."""

from __future__ import annotations

import codecs
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.validation.readers.dialects.detect import detect_dialect
from pipeline.validation.readers.dialects.dialect import Dialect
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.text.chunks import Block, Lines
from pipeline.validation.readers.text.delimited_rows import read_rows
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["HEADER", "Read", "join_lines", "make_lines", "read_text"]

HEADER = "temp,count,place,day"  # the columns of ``make_lines``


@dataclass
class Read:
    """A file's dialect and rows."""

    dialect: Dialect
    frame: pl.DataFrame
    rejected: RejectedRows

    @property
    def told(self) -> str:
        return " | ".join(self.dialect.warnings)

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        return self.frame.rows()


def read_text(folder: Path, body: str | bytes, *, delimiter=None, numbers=(), columns=None, **options: Any) -> Read:
    """Write ``body`` to a file in ``folder``, find its dialect and read its rows."""
    path = folder / "a.csv"
    data = body if isinstance(body, bytes) else body.encode()
    path.write_bytes(data)
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    dialect = detect_dialect("a.csv", path, start, delimiter=delimiter, options=ReadOptions(**options))
    rejected = RejectedRows(folder / "aside")
    names = columns or [f"c{position}" for position in range(dialect.width)]
    lines = Lines(path, dialect.start, data[: dialect.start].count(b"\n") + 1)
    block = Block(dialect.start, data[dialect.start : dialect.end], lines)
    frame = read_rows(block, dialect, names, numbers, rejected)
    return Read(dialect, frame, rejected)


def make_lines(rows: int = 40, delimiter: str = ",", decimal: str = ".", seed: int = 1) -> list[str]:
    """Return lines of a table with a decimal number, an integer, a word and a date, without a header."""
    rng = random.Random(seed)
    return [
        delimiter.join(
            [
                f"{rng.uniform(-9, 99):.2f}".replace(".", decimal),
                str(rng.randrange(900)),
                rng.choice(["north", "south", "west side"]),
                f"2024-0{rng.randrange(1, 9)}-1{rng.randrange(9)}",
            ]
        )
        for _ in range(rows)
    ]


def join_lines(*lines: str, end: str = "\n") -> str:
    return end.join(lines) + end
