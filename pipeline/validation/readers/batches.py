"""Open a source of any format; its rows are read at once, or in batches with a sample from the whole source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.contracts.signature import Task
from pipeline.validation.columns.names import NamedColumns, check_cells, check_names
from pipeline.validation.limits import MAX_BYTES
from pipeline.validation.readers.open_file import open_file
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import Source, check_same_columns
from pipeline.validation.readers.table_file import Read, TableFile
from pipeline.validation.readers.text.chunks import BLOCK_BYTES
from pipeline.validation.readers.text.json_lines import KeyOrder
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["RowBatch", "TableRows", "open_rows", "rows_of_frame"]

_SAMPLE_FRACTION = 1 / 6  # size of the sample divided by the size of a block, both in bytes of text


@dataclass(frozen=True, slots=True)
class RowBatch:
    """A batch of rows; ``read`` is called in a thread."""

    read: Read
    file: str = ""  # name of the file if there are several


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRows:
    """Rows of a source.

    Attributes:
        sample: All rows if they are in memory; else some rows from the whole source.
        names: Names of the columns.
        batches: Yields all rows, and may be called repeatedly; None if ``sample`` has all rows.
        expected: Approximate number of rows in the batches.
        header: Whether the first file has a header.
        is_keyed: Whether rows have keys, so that a row may lack some.
        image: Height, width and channels of images.
        task: Task that the file's format implies; None: it implies none.
        facts: Encoding and dialect of the first file.
        warnings: Warnings of all files.
    """

    sample: pl.DataFrame
    names: NamedColumns
    batches: Callable[[], Iterator[RowBatch]] | None = None
    expected: int = 0
    header: Literal["auto", "none"] = "auto"
    is_keyed: bool = False
    image: tuple[int, ...] = ()
    task: Task | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def is_in_memory(self) -> bool:
        """Return whether all rows are in memory."""
        return self.batches is None

    @property
    def by_sample(self) -> str:
        """Return the end of a warning that is based on a sample; empty if all rows are in memory."""
        return "" if self.is_in_memory else f" (by a sample of {self.sample.height:,} rows)"


def open_rows(  # noqa: PLR0913 - a source, and limits of the machine
    source: Source,
    workdir: Path,
    options: ReadOptions,
    rejected: RejectedRows,
    *,
    is_large: bool = False,
    max_bytes: int = MAX_BYTES,
    block_bytes: int = BLOCK_BYTES,
    image: tuple[int, ...] = (),
) -> TableRows:
    """Open a source.

    Args:
        source: Files of the data set.
        workdir: Folder for temporary files.
        options: Options for reading the files.
        rejected: Collects unreadable rows, if all rows are read at once.
        is_large: Whether rows are read in batches.
        max_bytes: Maximum unpacked size of a file.
        block_bytes: Bytes of text in a batch.
        image: Height, width and channels that images are resized to; empty: chosen from the images.

    Raises:
        DatasetError: The source cannot be read; the subclass says why.
    """
    files: list[TableFile] = []
    for file in source.files:
        opened = open_file(
            file,
            workdir,
            options,
            rejected,
            max_bytes=max_bytes,
            block_bytes=block_bytes,
            image=files[0].image if files else image,
        )
        if opened is not None:
            files.append(opened)
    if not files:
        raise UnreadableDatasetError(f"'{source.name}' is empty: a header line and rows are expected")
    if is_large:
        return _sample_files(files, workdir, block_bytes)
    return _read_files(files, rejected, min_columns=options.min_columns)


def rows_of_frame(frame: pl.DataFrame, *, image: tuple[int, ...] = ()) -> TableRows:
    """Return the rows of a table that is in memory."""
    return TableRows(sample=frame, names=NamedColumns(names=tuple(frame.columns)), image=image)


def _read_files(files: Sequence[TableFile], rejected: RejectedRows, *, min_columns: int) -> TableRows:
    """Read all rows, in the order of the files."""
    frames: list[pl.DataFrame] = []
    cells = 0
    for file in files:
        file_rejected = RejectedRows(rejected.path, file=file.name) if len(files) > 1 else rejected
        frame = file.read_all(file_rejected)
        file_rejected.check(valid=frame.height, expected=file.expected)
        frame = file.rename(frame)
        if file_rejected is not rejected:
            rejected.absorb(file_rejected)
        if frames and not file.is_keyed:
            check_same_columns(file.name, frame.schema, files[0].name, frames[0].schema)
            frame = pl.DataFrame([frame[name] for name in frames[0].columns])
        check_cells(file.name, cells := cells + frame.width * frame.height)
        frames.append(frame)
    frame = pl.concat(frames, how="diagonal_relaxed" if files[0].is_keyed else "vertical_relaxed")
    if files[0].is_keyed and len(frames) > 1:
        frame = pl.DataFrame([frame[name] for name in _order_names(files) if name in frame.columns])
    check_names(frame.columns, min_columns=min_columns)
    return _make_rows(files, frame)


def _sample_files(files: Sequence[TableFile], workdir: Path, block_bytes: int) -> TableRows:
    """Sample rows from the whole of each file."""
    names = _order_names(files)
    check_names(names)
    size = sum(file.size for file in files)
    fraction = block_bytes * _SAMPLE_FRACTION / max(1, size)
    sampled: list[pl.DataFrame] = []
    read = 0
    for file in files:
        file_rejected = RejectedRows(workdir / "sample.jsonl", file=file.name if len(files) > 1 else "")
        frame, length = file.sample(fraction, file_rejected)
        if frame.is_empty():
            file_rejected.check(valid=0, expected=file.expected)
        sampled.append(_align(frame, file, names))
        read += length
        if not file.is_keyed:
            check_same_columns(file.name, sampled[-1].schema, files[0].name, sampled[0].schema)
    sample = pl.concat(sampled, how="vertical_relaxed")

    def batches() -> Iterator[RowBatch]:
        for file in files:
            for work in file.batches():
                yield RowBatch(partial(_read_aligned, work, file, names), file=file.name if len(files) > 1 else "")

    return _make_rows(files, sample, batches, expected=int(sample.height * max(1.0, size / max(1, read))))


def _order_names(files: Sequence[TableFile]) -> list[str]:
    if not files[0].is_keyed:
        return list(dict.fromkeys(name for file in files for name in file.names.names))
    order = KeyOrder()
    for file in files:
        order.add(file.names.names)
    return list(order.keys)


def _read_aligned(
    work: Read, file: TableFile, names: Sequence[str], numbers: Collection[str], rejected: RejectedRows
) -> pl.DataFrame:
    return _align(work(numbers, rejected), file, names)


def _align(frame: pl.DataFrame, file: TableFile, names: Sequence[str]) -> pl.DataFrame:
    """Return the columns ``names`` in this order; a key that no row of the batch has becomes a column of nulls."""
    columns = {column.name: column for column in file.rename(frame)}
    return pl.DataFrame(
        [
            columns[name] if name in columns
            else pl.Series(name, [None], dtype=pl.String).new_from_index(0, frame.height)
            for name in names
            if file.is_keyed or name in columns
        ]
    )  # fmt: skip


def _make_rows(
    files: Sequence[TableFile],
    sample: pl.DataFrame,
    batches: Callable[[], Iterator[RowBatch]] | None = None,
    *,
    expected: int = 0,
) -> TableRows:
    first = files[0]
    aliases = {name: aliases for file in reversed(files) for name, aliases in file.names.aliases.items()}
    warnings = [
        f"'{file.name}': {warning}" if file is not first else warning for file in files for warning in file.warnings
    ]
    return TableRows(
        sample=sample,
        names=NamedColumns(names=tuple(sample.columns), aliases=aliases, unnamed=first.names.unnamed),
        batches=batches,
        expected=expected,
        header=first.header,
        is_keyed=first.is_keyed,
        image=first.image,
        task=first.task,
        facts=first.facts,
        warnings=tuple(dict.fromkeys(warnings)),
    )
