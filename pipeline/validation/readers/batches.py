"""All rows of a source, some at a time, whatever its format; and a sample of them from all over it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.validation.readers.chunks import BLOCK_BYTES, Block
from pipeline.validation.readers.parquet import damaged, scan_parquet
from pipeline.validation.readers.source import Source, check_agree
from pipeline.validation.readers.text_rows import Delimited, JsonLines, TextRows
from pipeline.validation.rejected_rows import SetAside

__all__ = ["Batch", "Rows", "rows_of"]

_SAMPLE_SHARE = 0.25  # of a block, in bytes of text
_SAMPLE_ROWS = 60_000
_CELL_BYTES = 8  # of text, in the mean: so many of a block's are as many cells of parquet
_STRETCHES = 25  # of parquet files, that are sampled

Read = Callable[[Collection[str], SetAside], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Batch:
    """``read`` is the work of a thread. Columns of text are String, those that it is told of as numbers also Float64.

    The SetAside gets the rows that cannot be read.
    """

    read: Read
    file: str = ""  # of which it is, where there are several


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """``sample``: rows from all over the source, which has about ``expected``. ``batches``: all, as often as asked."""

    sample: pl.DataFrame
    expected: int
    decimal_comma: bool
    batches: Callable[[], Iterator[Batch]]


def rows_of(source: Source, workdir: Path, most_bytes: int, block_bytes: int = BLOCK_BYTES) -> Rows:
    """Raise DatasetError kin for what a look at the source tells; ``most_bytes`` may be unpacked of a file."""
    kind = source.files[0].form.kind
    if kind == "parquet":
        return _of_parquet(source, block_bytes // _CELL_BYTES)
    reader = Delimited if kind == "delimited" else JsonLines
    read = (reader.of(file, workdir, most_bytes, block_bytes) for file in source.files)
    texts: list[TextRows] = [text for text in read if text is not None]
    if not texts:
        raise UnreadableDatasetError(f"'{source.name}' is empty: a header line and rows are expected")
    return _of_texts(texts, block_bytes)


def _of_texts(texts: list[TextRows], block_bytes: int) -> Rows:
    first = texts[0]
    for text in texts[1:]:
        if text.fixed:
            there, wanted = (pl.Schema(dict.fromkeys(one.names, pl.String())) for one in (text, first))
            check_agree(text.name, there, first.name, wanted)
    names = list(dict.fromkeys(name for text in texts for name in text.names))
    size = sum(text.path.stat().st_size for text in texts)
    share = block_bytes * _SAMPLE_SHARE / size
    sampled = [text.sample(names, share) for text in texts]
    sample, read = pl.concat([frame for frame, _ in sampled]), sum(length for _, length in sampled)

    def batches() -> Iterator[Batch]:
        for text in texts:
            for block in text.blocks():
                yield Batch(partial(_read_block, text, block, names), file=text.name if len(texts) > 1 else "")

    return Rows(
        sample=sample,
        expected=int(sample.height * max(1.0, size / max(1, read))),
        decimal_comma=any(text.decimal_comma for text in texts),
        batches=batches,
    )


def _of_parquet(source: Source, batch_cells: int) -> Rows:
    scans = [(file.name, *scan_parquet(file.name, file.path)) for file in source.files]
    first, schema = scans[0][0], scans[0][1].collect_schema()
    for name, scan, _ in scans[1:]:
        check_agree(name, scan.collect_schema(), first, schema)
    rows = sum(height for _, _, height in scans)
    length = max(1, _SAMPLE_ROWS // _STRETCHES)
    stretches = []
    for name, scan, height in scans:
        step = max(length, height * max(1, rows // _SAMPLE_ROWS) * length // max(1, height))
        with damaged(name):
            stretches += [scan.select(schema.names()).slice(at, length).collect() for at in range(0, height, step)]
    chunk = max(1, batch_cells // len(schema))

    def batches() -> Iterator[Batch]:
        for name, scan, _ in scans:
            with damaged(name):
                for frame in scan.select(schema.names()).collect_batches(chunk_size=chunk):
                    yield Batch(partial(_as_it_is, frame))

    return Rows(
        sample=pl.concat(stretches, how="vertical_relaxed"),
        expected=rows,
        decimal_comma=False,
        batches=batches,
    )


def _read_block(
    text: TextRows, block: Block, names: list[str], numbers: Collection[str], aside: SetAside
) -> pl.DataFrame:
    return text.read(block, names, numbers, aside)


def _as_it_is(frame: pl.DataFrame, numbers: Collection[str], aside: SetAside) -> pl.DataFrame:
    return frame
