"""A data file -> one table, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.validation.delimited import read_delimited, tell_delimiter
from pipeline.validation.formats import Format
from pipeline.validation.json_lines import read_json_lines
from pipeline.validation.parquet import read_parquet
from pipeline.validation.set_aside import SetAside
from pipeline.validation.text import check_text

__all__ = ["Table", "read_table"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The rows that could be read. Columns of text files are String; others have the types that the file gives them."""

    frame: pl.DataFrame
    decimal_comma: bool = False  # fields are not separated by commas, so that a number may have one


def read_table(name: str, path: Path, form: Format, aside: SetAside) -> Table:
    """Read all of the file ``path``, which a user calls ``name``; raise DatasetError kin."""
    if form.kind == "parquet":
        return Table(frame=read_parquet(name, path))
    text = check_text(name, path, gzipped=form.gzipped)
    if form.kind == "json_lines":
        return Table(frame=read_json_lines(text, aside))
    delimiter = form.delimiter or tell_delimiter(text)
    return Table(frame=read_delimited(text, delimiter, aside), decimal_comma=delimiter != ",")
