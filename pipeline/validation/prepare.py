"""Prepare a Dataset and its splits as files, in one pass over batches of rows.

Small data is one batch: split fractions and strata are exact, and statistics cover all training rows. Data larger than
memory comes in many batches: the schema is inferred from a sample, a seeded hash assigns rows to splits, distinct
values are estimated, and medians are those of the sample. If a column contradicts the schema, the pass is repeated with
the column as categories.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.processors import count_processors
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.validation.columns.target import check_distinct
from pipeline.validation.companions.test_file import CompanionTest
from pipeline.validation.dataset_builder import PreparedFiles, build_dataset
from pipeline.validation.limits import MAX_CLASSES
from pipeline.validation.readers.batches import RowBatch, TableRows
from pipeline.validation.rejected_rows import RejectedRows
from pipeline.validation.schema import Schema, infer_schema
from pipeline.validation.splitting.assignment import SPLITS
from pipeline.validation.splitting.splitters import ExactSplitter, HashSplitter, Splitter
from pipeline.validation.statistics import BatchStatistics, Statistics
from pipeline.validation.tally import ReadRows, Tally, check_rows

__all__ = ["PreparedFiles", "prepare"]

_MAX_THREADS = 4  # each holds a chunk and its polars frame
# Maximum fraction of cells that are not of the column's kind, as in the inference; with more, the column is read as
# categories.
_MAX_INVALID = {"numeric": 0.05, "datetime": 0.1, "boolean": 0.0, "categorical": 1.0, "text": 1.0, "image": 1.0}
_MAX_COUNTED_CLASSES = 10 * MAX_CLASSES  # distinct values of a target after which reading stops


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """Inputs for processing a batch."""

    schema: Schema
    splitter: Splitter
    statistics: Statistics | None  # None: all rows are in memory
    rejected: RejectedRows


@dataclass(frozen=True, kw_only=True, slots=True)
class _ReadBatch:
    """The processed rows of one batch, by split."""

    tally: Tally
    splits: Mapping[str, pl.DataFrame]
    rejected: RejectedRows
    statistics: BatchStatistics | None
    warnings: Sequence[str]


def prepare(  # noqa: PLR0913 - the rows, and how they are processed
    rows: TableRows,
    spec: JobSpec,
    rejected: RejectedRows,
    workdir: Path,
    *,
    sha256: str,
    test: CompanionTest | None = None,
) -> PreparedFiles:
    """Type, split and profile the rows.

    Args:
        rows: The source's rows.
        spec: The job spec.
        rejected: Collects the rejected rows.
        workdir: Folder for the files of the splits.
        sha256: Hash of the source.
        test: Test rows from another file; the source is then only for training and validation.

    Raises:
        DatasetError: The data cannot be learned; the subclass says why.
        InvalidJobSpecError: A column of ``spec`` does not exist, or does not fit its use.
    """
    if rows.is_in_memory:
        check_rows(rows.sample.height, rejected)
    schema = infer_schema(rows, spec)
    read = _read_all(rows, schema, rejected, workdir, has_test=test is not None)
    if misread := _misread_columns(read):
        rejected = RejectedRows(rejected.path)
        read = _read_all(rows, schema.with_categories(misread), rejected, workdir, has_test=test is not None)
        reason = "is read as categories: most sampled cells are numbers or dates, but too few of all cells are"
        read = replace(read, warnings=(*read.warnings, *(f"column '{name}' {reason}" for name in misread)))
    return build_dataset(rows, read, workdir, sha256=sha256, test=test)


def _read_all(rows: TableRows, schema: Schema, rejected: RejectedRows, workdir: Path, *, has_test: bool) -> ReadRows:
    if rows.is_in_memory:
        exact = ExactSplitter(spec=schema.spec, target=schema.target, has_test=has_test)
        work = _Work(schema=schema, splitter=exact, statistics=None, rejected=rejected)
        batch = _read_frame(rows.sample, 0, work, rejected)
        return ReadRows(
            schema=schema,
            tally=batch.tally,
            splits={split: [batch.splits[split]] for split in SPLITS},
            rejected=rejected,
            warnings=tuple(batch.warnings),
        )
    return _read_batches(rows, schema, rejected, workdir / "rows.parquet", has_test=has_test)


def _read_batches(rows: TableRows, schema: Schema, rejected: RejectedRows, train: Path, *, has_test: bool) -> ReadRows:
    """Read all rows in batches; polars requests the batches, and writes the training rows of each."""
    tally, statistics = Tally(), Statistics(schema.columns, rows.expected)
    splitter = HashSplitter.plan(schema, rows.expected, has_test=has_test)
    work = _Work(schema=schema, splitter=splitter, statistics=statistics, rejected=rejected)
    held_out: dict[str, list[pl.DataFrame]] = {"validation": [], "test": []}
    refused: list[ModeldropError] = []

    def produce(
        columns: list[str] | None, predicate: pl.Expr | None, max_rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        try:
            for batch in _in_threads(rows, work):
                tally.add(batch.tally)
                assert batch.statistics is not None, "they are of each batch"
                statistics.add(batch.statistics)
                rejected.absorb(batch.rejected)
                for split, frames in held_out.items():
                    frames.append(batch.splits[split])
                _check_distinct_so_far(tally, schema)
                yield batch.splits["train"]
        except ModeldropError as error:  # polars would convert it to its own error
            refused.append(error)

    none = rows.sample.head(0).cast(dict.fromkeys(schema.numbers, pl.Float64))
    empty = schema.cast(none)
    hidden = schema.with_hidden_columns(empty.frame, pl.Series([], dtype=pl.UInt64), empty.split_keys)
    register_io_source(produce, schema=hidden.schema).sink_parquet(train, compression="snappy", statistics=False)
    if refused:
        raise refused[0]
    return ReadRows(schema=schema, tally=tally, splits=held_out, train=train, statistics=statistics, rejected=rejected)


def _in_threads(rows: TableRows, work: _Work) -> Iterator[_ReadBatch]:
    """Yield the results of batches in order; at most one batch more than the number of threads is in memory."""
    assert rows.batches is not None, "rows that are not in memory come in batches"
    threads = min(_MAX_THREADS, count_processors() + 1)  # one works while another waits for polars
    waiting: deque[Future[_ReadBatch]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for number, batch in enumerate(rows.batches()):
            waiting.append(pool.submit(_read_batch, batch, number, work))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _read_batch(batch: RowBatch, number: int, work: _Work) -> _ReadBatch:
    rejected = RejectedRows(work.rejected.path, file=batch.file)
    return _read_frame(batch.read(work.schema.numbers, rejected), number, work, rejected)


def _read_frame(raw: pl.DataFrame, number: int, work: _Work, rejected: RejectedRows) -> _ReadBatch:
    """Cast rows, reject unusable rows, and assign the others to splits."""
    cast = work.schema.cast(raw)
    tally = Tally(invalid=cast.invalid, read=raw.height)
    usable = _reject(cast.unusable, pl.Series([True]).new_from_index(0, raw.height), work, tally, rejected)
    if work.statistics is None:
        check_rows(int(usable.sum()), rejected)
    are_usable = usable.all()  # filtering copies even if all rows are kept
    frame = cast.frame if are_usable else cast.frame.filter(usable)
    split_keys = cast.split_keys if cast.split_keys is None or are_usable else cast.split_keys.filter(usable)
    assigned = work.splitter.assign(frame, split_keys, number)
    splits = assigned.splits
    frame = work.schema.with_hidden_columns(frame, assigned.groups, split_keys)
    if assigned.unusable:
        positions = usable.arg_true()
        unassigned = [(_spread(mask, positions, raw.height), reason) for mask, reason in assigned.unusable]
        assignable = _reject(unassigned, usable, work, tally, rejected).gather(positions)
        frame, splits = frame.filter(assignable), splits.filter(assignable)
    frames_by_split = {split: frame.filter(splits == split) for split in SPLITS}
    tally.count(frames_by_split, work.schema.target)
    return _ReadBatch(
        tally=tally,
        splits=frames_by_split,
        rejected=rejected,
        statistics=None if work.statistics is None else work.statistics.summarize(frames_by_split["train"]),
        warnings=assigned.warnings,
    )


def _reject(
    unusable: Sequence[tuple[pl.Series, str]], usable: pl.Series, work: _Work, tally: Tally, rejected: RejectedRows
) -> pl.Series:
    """Return a mask of the usable rows; rejected row numbers are written if all rows are in memory."""
    for mask, reason in unusable:
        if work.statistics is None:
            rejected.add_dropped(mask & usable, reason)
        else:
            tally.dropped[reason] += int((mask & usable).sum())
        usable &= ~mask
    return usable


def _spread(mask: pl.Series, positions: pl.Series, height: int) -> pl.Series:
    """Expand a mask of the rows at ``positions`` to all rows."""
    return pl.Series([False]).new_from_index(0, height).scatter(positions, mask)


def _misread_columns(read: ReadRows) -> list[str]:
    """Return columns with too many cells that are not of the kind inferred from the sample."""
    return [
        column.name
        for column in read.schema.columns
        if read.tally.invalid[column.name] > read.tally.read * _MAX_INVALID[column.column.kind]
    ]


def _check_distinct_so_far(tally: Tally, schema: Schema) -> None:
    """Raise InvalidTargetError early, before all rows are read, if the target has too many distinct values."""
    if schema.task == "classification" and len(tally.classes) > _MAX_COUNTED_CLASSES:
        check_distinct(schema.target.name, schema.task, pl.Series([label for _, label in tally.classes]).unique())
