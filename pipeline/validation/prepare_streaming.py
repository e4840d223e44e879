"""A source that is larger than memory -> a Dataset and its splits as files: one pass over all rows, some at a time.

The rules are those of small data: a sample is understood by them, then each row is read as its column was understood.
What all rows say otherwise is read again. What differs: rows are dealt by a seeded hash, so that shares and strata hold
nearly; distinct values are estimated, medians and parts of dates are a sample's; and a row that is set aside for its
target is counted, not kept.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from pipeline.contracts.dataset import Dataset, SplitRows
from pipeline.contracts.errors import ModeldropError, TooFewRowsError
from pipeline.contracts.job_spec import JobSpec
from pipeline.validation.columns.target import Target, check_distinct
from pipeline.validation.columns.type_inference import NUMBERS_SHARE
from pipeline.validation.companions.test_file import GivenTest, read_test_rows
from pipeline.validation.limits import LEAST_CLASS_ROWS, MOST_CLASSES
from pipeline.validation.prepare import capped, check_rows, check_usable, told_of
from pipeline.validation.readers.batches import Batch, Rows, rows_of
from pipeline.validation.readers.chunks import BLOCK_BYTES
from pipeline.validation.readers.source import Source
from pipeline.validation.rejected_rows import SetAside
from pipeline.validation.schema import Understood, understand
from pipeline.validation.splits import SPLITS
from pipeline.validation.statistics import BatchStatistics, Statistics
from pipeline.validation.threads import processors
from pipeline.validation.words import counted

__all__ = ["PreparedFiles", "prepare_large"]

_MOST_THREADS = 4  # each holds a block, and what polars makes of it
_UNTOLD_CLASSES = 10 * MOST_CLASSES  # values of a target that are counted before it is given up


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedFiles:
    """A Dataset, the parquet file of each split, and the spec as it was understood."""

    dataset: Dataset
    splits: Mapping[str, Path]
    spec: JobSpec


@dataclass(slots=True)
class _Tally:
    """What the passes over the rows count."""

    rows: Counter[str] = field(default_factory=Counter)  # of each split
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (split, class)
    dropped: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)  # cells of a column that are not of its kind
    read: int = 0

    def add(self, other: _Tally) -> None:
        for one in ("rows", "classes", "dropped", "lost"):
            getattr(self, one).update(getattr(other, one))
        self.read += other.read


@dataclass(frozen=True, kw_only=True, slots=True)
class _Done:
    """One batch, read: ``parts`` holds its rows by split."""

    tally: _Tally
    parts: Mapping[str, pl.DataFrame]
    aside: SetAside
    statistics: BatchStatistics


@dataclass(frozen=True, kw_only=True)
class _Passed:
    """All rows were read: the training rows are in the file ``train``, the others, which are not many, in ``held``."""

    understood: Understood
    statistics: Statistics
    train: Path
    held: Mapping[str, Sequence[pl.DataFrame]]
    tally: _Tally
    aside: SetAside
    warnings: tuple[str, ...] = ()


def prepare_large(  # noqa: PLR0913 - as prepare has it, and the machine's room
    source: Source,
    spec: JobSpec,
    aside: SetAside,
    workdir: Path,
    *,
    given_test: GivenTest | None,
    most_bytes: int,
    block_bytes: int = BLOCK_BYTES,
) -> PreparedFiles:
    """As prepare.prepare, of data of any size in bounded memory; ``most_bytes`` may be unpacked of a gzip file."""
    rows = rows_of(source, workdir, most_bytes, block_bytes)
    understood = understand(rows, spec, workdir, given_test=given_test is not None)
    passed = _pass(rows, understood, aside, workdir / "rows.parquet")
    if misled := _misled(passed):
        passed = _pass(rows, understood.without(misled), SetAside(aside.path), workdir / "rows.parquet")
        said = "is read as categories: most cells that were looked at are numbers or dates, but too few of all are"
        passed = replace(passed, warnings=tuple(f"column '{name}' {said}" for name in misled))
    passed.aside.check(good=passed.tally.read, expected=f"{counted(rows.sample.width, 'field')}, as in the header, are")
    return _finish(passed, source, workdir, given_test)


def _pass(rows: Rows, understood: Understood, aside: SetAside, train: Path) -> _Passed:
    """Read all rows. polars pulls the batches, and writes what trains as they come."""
    tally, statistics = _Tally(), Statistics.of(understood.typed, rows.expected)
    held: dict[str, list[pl.DataFrame]] = {"validation": [], "test": []}
    refused: list[ModeldropError] = []

    def produce(
        columns: list[str] | None, predicate: pl.Expr | None, most: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        try:
            for done in _in_threads(rows, understood, statistics, aside):
                tally.add(done.tally)
                statistics.add(done.statistics)
                aside.absorb(done.aside)
                for split, parts in held.items():
                    parts.append(done.parts[split])
                _check_distinct_so_far(tally, understood)
                yield done.parts["train"]
        except ModeldropError as error:  # polars would make another of it
            refused.append(error)

    none = rows.sample.head(0).cast(dict.fromkeys(understood.numbers, pl.Float64))
    schema = understood.read(none, 0).frame.schema
    register_io_source(produce, schema=schema).sink_parquet(train, compression="snappy", statistics=False)
    if refused:
        raise refused[0]
    return _Passed(understood=understood, statistics=statistics, train=train, held=held, tally=tally, aside=aside)


def _in_threads(rows: Rows, understood: Understood, statistics: Statistics, aside: SetAside) -> Iterator[_Done]:
    """Each batch, in their order; as many are in memory as there are threads, and one."""
    threads = min(_MOST_THREADS, processors() + 1)  # one works while another waits for polars' own threads
    waiting: deque[Future[_Done]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for number, batch in enumerate(rows.batches()):
            part = SetAside(aside.path, file=batch.file)
            waiting.append(pool.submit(_do, batch, number, understood, statistics, part))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _do(batch: Batch, number: int, understood: Understood, statistics: Statistics, aside: SetAside) -> _Done:
    raw = batch.read(understood.numbers, aside)
    found = understood.read(raw, number)
    tally = _Tally(dropped=found.dropped, lost=found.lost, read=raw.height)
    parts = {split: found.frame.filter(found.splits == split) for split in SPLITS}
    for split, part in parts.items():
        tally.rows[split] = part.height
        if understood.task == "classification":
            counts = part[understood.target].rename("class").value_counts(name="rows")
            tally.classes.update({(split, label): rows for label, rows in counts.iter_rows()})
    return _Done(tally=tally, parts=parts, aside=aside, statistics=statistics.of_batch(parts["train"]))


def _misled(passed: _Passed) -> list[str]:
    """Columns of which too many cells are not of the kind that the sample told."""
    allowed = passed.tally.read * (1 - NUMBERS_SHARE)
    names = (one.values.name for one in passed.understood.typed)
    return [name for name in names if passed.tally.lost[name] > allowed]


def _check_distinct_so_far(tally: _Tally, understood: Understood) -> None:
    """A target of endless values is given up before all rows are read."""
    if understood.task == "classification" and len(tally.classes) > _UNTOLD_CLASSES:
        check_distinct(_target(understood, tuple({label for _, label in tally.classes})))


def _finish(passed: _Passed, source: Source, workdir: Path, given_test: GivenTest | None) -> PreparedFiles:
    understood, tally, aside = passed.understood, passed.tally, passed.aside
    for reason, dropped in tally.dropped.items():
        aside.add_counted(dropped, tally.read, reason)
    classes = _classes(passed)
    heights = {split: _height(tally, split, classes) for split in SPLITS}
    check_rows(sum(heights.values()), aside)
    _check_heights(heights, given_test=given_test is not None)
    profiles, untold = passed.statistics.profiles()
    left_out = (*understood.left_out, *untold)
    check_usable(profiles, left_out, understood.target)
    columns = [*(one.name for one in profiles), *filter(None, (understood.target, understood.spec.weight))]
    files = _write(passed, columns, classes, workdir)
    told: tuple[str, ...] = ()
    if given_test is not None:
        test, told = read_test_rows(given_test, _target(understood, classes), understood.typed, understood.spec.weight)
        test.select(columns).write_parquet(files["test"])
        heights["test"], told = test.height, (*given_test.aside.warnings, *told)
    dataset = Dataset(
        task=understood.task,
        target=understood.target,
        columns=tuple(profiles),
        left_out=left_out,
        classes=classes,
        class_rows=tuple(tally.classes["train", label] for label in classes),
        rows=SplitRows(**heights),
        set_aside=aside.rows + (given_test.aside.rows if given_test else 0),
        warnings=capped([*_notes(passed), *aside.warnings, *told_of((), profiles), *passed.warnings, *told]),
        sha256=source.sha256,
        weight=understood.spec.weight,
        split_by=understood.spec.split.by,
    )
    return PreparedFiles(dataset=dataset, splits=files, spec=understood.spec)


def _classes(passed: _Passed) -> tuple[str, ...]:
    """Those that train, and have rows enough; the rows of others are set aside."""
    if passed.understood.task != "classification":
        return ()
    tally, name = passed.tally, passed.understood.target
    rows = Counter[str]()
    for (_, label), count in tally.classes.items():
        rows[label] += count
    rare = {label for label, count in rows.items() if count < LEAST_CLASS_ROWS}
    untrained = {label for label in rows.keys() - rare if not tally.classes["train", label]}
    few = f"a class of the target with fewer than {LEAST_CLASS_ROWS} rows"
    passed.aside.add_counted(sum(rows[label] for label in rare), tally.read, few)
    none = f"a class of the target '{name}' that no training row has"
    passed.aside.add_counted(sum(rows[label] for label in untrained), tally.read, none)
    classes = tuple(sorted(rows.keys() - rare - untrained))
    check_distinct(_target(passed.understood, classes))
    return classes


def _target(understood: Understood, classes: tuple[str, ...]) -> Target:
    dtype = pl.String if understood.task == "classification" else pl.Float64
    return Target(task=understood.task, values=pl.Series(understood.target, list(classes), dtype=dtype))


def _height(tally: _Tally, split: str, classes: tuple[str, ...]) -> int:
    return sum(tally.classes[split, label] for label in classes) if classes else tally.rows[split]


def _check_heights(heights: Mapping[str, int], *, given_test: bool) -> None:
    for split, height in heights.items():
        if not height and not (given_test and split == "test"):
            raise TooFewRowsError(
                f"{counted(sum(heights.values()), 'row')} leave none for {split}: other shares, or another column, are "
                "expected in split"
            )


def _write(passed: _Passed, columns: Sequence[str], classes: tuple[str, ...], workdir: Path) -> dict[str, Path]:
    """The splits' files: of ``columns``, and of the rows of ``classes`` where there are any."""
    files = {split: workdir / f"{split}.parquet" for split in SPLITS}
    target = pl.col(passed.understood.target)
    some = target.is_in(list(classes)) if classes else pl.lit(True)
    for split, parts in passed.held.items():
        pl.concat(parts).filter(some).select(columns).write_parquet(files[split], compression="snappy")
    scan = pl.scan_parquet(passed.train)
    unseen = {label for (split, label), rows in passed.tally.classes.items() if split == "train"} - {*classes}
    if unseen or list(scan.collect_schema()) != list(columns):
        scan.filter(some).select(columns).sink_parquet(files["train"], compression="snappy", statistics=False)
        passed.train.unlink()
    else:
        passed.train.rename(files["train"])
    return files


def _notes(passed: _Passed) -> Iterator[str]:
    """What is otherwise than in small data."""
    understood, tally = passed.understood, passed.tally
    yield (
        f"large data ({counted(tally.read, 'row')}): columns are understood by a sample, rows are dealt to splits by "
        "their hash, numbers of distinct values are estimates and medians a sample's"
    )
    for one in understood.typed:
        if lost := tally.lost[one.values.name]:
            yield f"column '{one.values.name}': {counted(lost, 'cell')} not {one.kind}, taken as missing"
        yield from (f"of a sample: {warning}" for warning in one.warnings)
