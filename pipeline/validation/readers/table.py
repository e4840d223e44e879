"""A data file -> one table, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.contracts.signature import Task
from pipeline.validation.readers.delimited import read_delimited, tell_delimiter
from pipeline.validation.readers.formats import Format
from pipeline.validation.readers.json_lines import read_json_lines
from pipeline.validation.readers.parquet import read_parquet
from pipeline.validation.readers.text_file import check_text
from pipeline.validation.rejected_rows import SetAside

__all__ = ["Table", "read_table"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The rows that could be read. Columns of text files are String; others have the types that the file gives them.

    Of images the column 'image' is Binary, as contracts.dataset has it.
    """

    frame: pl.DataFrame
    decimal_comma: bool = False  # fields are not separated by commas, so that a number may have one
    image: tuple[int, ...] = ()  # height, width, channels, where they are images
    task: Task | None = None  # where the file itself says it
    warnings: tuple[str, ...] = ()


def read_table(name: str, path: Path, form: Format, aside: SetAside, *, image: tuple[int, ...] = ()) -> Table:
    """Read all of the file ``path``, which a user calls ``name``; raise DatasetError kin.

    ``image``: what its images are made to be, where others have said so.
    """
    if form.kind == "parquet":
        return Table(frame=read_parquet(name, path))
    if form.kind in ("arrays", "folders"):
        from pipeline.validation.readers.image_zip import read_image_folders  # noqa: PLC0415 - the same
        from pipeline.validation.readers.npz import read_image_arrays  # noqa: PLC0415 - tables need no Pillow

        arrays = form.kind == "arrays"
        read = read_image_arrays(name, path, image) if arrays else read_image_folders(name, path, aside, image)
        return Table(
            frame=read.frame, image=read.shape, warnings=read.warnings, task=None if arrays else "classification"
        )
    text = check_text(name, path, gzipped=form.gzipped)
    if form.kind == "json_lines":
        return Table(frame=read_json_lines(text, aside))
    delimiter = form.delimiter or tell_delimiter(text)
    return Table(frame=read_delimited(text, delimiter, aside), decimal_comma=delimiter != ",")
