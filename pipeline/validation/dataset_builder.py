"""Build the Dataset from the rows: profiles, classes, warnings, and the files of the splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError, InvalidTargetError, TooFewRowsError
from pipeline.contracts.records.dataset import GROUP, LABEL_CLASSES, TIME, ColumnProfile, Dataset, Dropped, SplitRows
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.validation.columns.target import check_distinct
from pipeline.validation.companions.test_file import CompanionTest, read_test_rows
from pipeline.validation.hints.find_hints import find_hints
from pipeline.validation.limits import MAX_NAMED, MAX_VOCABULARY
from pipeline.validation.profile import profile_column, profile_in_threads
from pipeline.validation.readers.batches import TableRows
from pipeline.validation.schema import DROP_REASONS, Schema
from pipeline.validation.splitting.assignment import SPLITS
from pipeline.validation.splitting.splitters import RARE_CLASS, check_rare_classes, explain_untrained
from pipeline.validation.tally import ReadRows, check_rows
from pipeline.validation.words import counted, listed

__all__ = ["PreparedFiles", "build_dataset"]

_MAX_WARNINGS = 50
_FEW_ROWS = 300
_MAX_LISTED = 20  # maximum dropped columns in one message


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedFiles:
    """A Dataset, the parquet file of each split, and the spec with the inferred target and task.

    ``missing``: number of missing cells of each feature and of the target, in the sampled rows.
    """

    dataset: Dataset
    splits: Mapping[str, Path]
    spec: JobSpec
    missing: Mapping[str, int]

    def read_splits(self) -> dict[str, pl.DataFrame]:
        """Read all rows, by split."""
        return {split: pl.read_parquet(path) for split, path in self.splits.items()}


def build_dataset(
    rows: TableRows, read: ReadRows, workdir: Path, *, sha256: str, test: CompanionTest | None
) -> PreparedFiles:
    """Profile the training rows, drop columns and classes that cannot be learned, and write the splits.

    Args:
        rows: The source's rows.
        read: All rows, by split.
        workdir: Folder for the files.
        sha256: Hash of the source.
        test: Test rows from a file that the user uploaded with the data; None: there is none.

    Raises:
        DatasetError: The data cannot be learned; the subclass says why.
    """
    schema, rejected = read.schema, read.rejected
    for reason, dropped in read.tally.dropped.items():
        rejected.add_counted(dropped, read.tally.read, reason)
    rejected.check(valid=read.tally.read, expected=f"{counted(rows.sample.width, 'field')}, as in the header")
    classes = _choose_classes(read)
    heights = {split: _height(read, split, classes) for split in SPLITS}
    check_rows(sum(heights.values()), rejected)
    _check_heights(heights, has_test=test is not None)
    _check_varies(read, classes)
    profiles, unusable = _profile(read, is_keyed=rows.is_keyed)
    left_out = (*schema.left_out, *unusable)
    _check_usable(profiles, left_out, schema.target_label)
    columns = [*(profile.name for profile in profiles), *schema.target_names, *filter(None, [schema.spec.weight])]
    files = _write(read, columns, classes, workdir)
    test_warnings: list[str] = []
    if test is not None:
        optional = {profile.name for profile in profiles if profile.is_optional}
        frame, test_warnings = read_test_rows(test, schema, classes, optional)
        _select(frame, columns).write_parquet(files["test"])
        heights["test"] = frame.height
        if rows.is_in_memory:
            test_warnings += _warn_shared_rows(test.name, frame, files)
    hints = find_hints(schema)
    warnings = [
        *hints,
        *rows.warnings,
        *rejected.warnings,
        *schema.warnings,
        *_warn_left_out(left_out),
        *_warn_columns(rows, read, profiles),
        *read.warnings,
        *test_warnings,
        *_warn_size(rows, read, sum(heights.values())),
    ]
    dataset = Dataset(
        columns=tuple(profiles),
        left_out=left_out,
        rows=SplitRows(**heights),
        set_aside=rejected.rows + (test.rejected.rows if test else 0),
        warnings=_cap(warnings),
        sha256=sha256,
        weight=schema.spec.weight,
        split_by=schema.spec.split.by,
        missing=schema.spec.missing,
        header=rows.header,
        encoding=schema.spec.encoding or "",
        sheet=schema.spec.sheet or "",
        **_describe_target(read, classes, files["train"]),
        default_target=schema.is_default_target,
        likely_target=schema.likely_target,
        hints=hints,
        named_positive=schema.spec.positive_class or "",
    )
    return PreparedFiles(dataset=dataset, splits=files, spec=schema.spec, missing=_count_missing(schema))


def _count_missing(schema: Schema) -> dict[str, int]:
    missing = {column.name: column.values.null_count() for column in schema.columns}
    if schema.several is None:
        missing[schema.target.name] = schema.target_values.null_count()
    return missing


def _describe_target(read: ReadRows, classes: tuple[str, ...], train: Path) -> dict[str, Any]:
    """Return the Dataset's fields that describe the target; ``train`` is the file of the training rows."""
    schema, several = read.schema, read.schema.several
    fields = {"task": schema.task, "target": schema.target_label}
    if several is None:
        rows = tuple(read.tally.classes["train", label] for label in classes)
        return {**fields, "classes": classes, "class_rows": rows, "target_format": schema.target.number_format}
    labels = pl.read_parquet(train, columns=list(several.names)) if several.labels else pl.DataFrame()
    return {
        **fields,
        "targets": several.names,
        "separator": several.separator,
        "classes": several.labels,
        "class_rows": tuple(int((column == LABEL_CLASSES[1]).sum()) for column in labels),
    }


def _choose_classes(read: ReadRows) -> tuple[str, ...]:
    """Return the classes with enough training rows, and reject the rows of other classes; none for several targets."""
    schema, tally = read.schema, read.tally
    if schema.task != "classification" or schema.several:
        return ()
    rows = Counter[str]()
    for (_, label), count in tally.classes.items():
        rows[label] += count
    counts = pl.DataFrame(
        {"class": list(rows), "rows": list(rows.values())}, schema={"class": pl.String, "rows": pl.Int64}
    )
    rare = set(check_rare_classes(schema.target, counts)) if read.statistics else set()
    untrained = {label for label in rows.keys() - rare if not tally.classes["train", label]}
    read.rejected.add_counted(sum(rows[label] for label in rare), tally.read, RARE_CLASS)
    read.rejected.add_counted(
        sum(rows[label] for label in untrained), tally.read, explain_untrained(schema.target.name)
    )
    classes = tuple(sorted(rows.keys() - rare - untrained))
    check_distinct(schema.target.name, schema.task, pl.Series(classes, dtype=pl.String))
    return classes


def _height(read: ReadRows, split: str, classes: tuple[str, ...]) -> int:
    return sum(read.tally.classes[split, label] for label in classes) if classes else read.tally.rows[split]


def _check_heights(heights: Mapping[str, int], *, has_test: bool) -> None:
    for split, height in heights.items():
        if not height and not (has_test and split == "test"):
            raise TooFewRowsError(
                f"{counted(sum(heights.values()), 'row')} leave none for {split}: other shares or another column are "
                "expected in split"
            )


def _check_varies(read: ReadRows, classes: tuple[str, ...]) -> None:
    """Raise InvalidTargetError if the target is constant in the training rows."""
    if len(classes) > 1 or read.statistics is not None:
        return
    for name in read.schema.target_names:
        if pl.concat([frame[name] for frame in read.splits["train"]]).n_unique() < 2:
            raise InvalidTargetError(
                f"the target '{name}' is constant in the training rows: at least two different values are expected "
                "there; another split may have them"
            )


def _profile(read: ReadRows, *, is_keyed: bool) -> tuple[list[ColumnProfile], list[Dropped]]:
    """Return the profiles of columns, and the dropped columns; rows with keys (``is_keyed``) may lack a column."""
    if read.statistics is not None:
        profiles, left_out = read.statistics.profiles()
    else:
        (train,) = read.splits["train"]
        profiles, left_out = profile_in_threads(
            lambda column: profile_column(column.column, train[column.name]), read.schema.columns
        )
    profiles = [profile.model_copy(update={"is_optional": is_keyed and profile.missing > 0}) for profile in profiles]
    return profiles, left_out


def _check_usable(profiles: Sequence[ColumnProfile], left_out: Sequence[Dropped], target: str) -> None:
    if not profiles:
        reasons = listed([f"'{column.name}': {column.reason}" for column in left_out], MAX_NAMED, "; ")
        purpose = f"predict '{target}'" if target else "form clusters"
        raise InvalidColumnsError(
            f"no column can be used to {purpose} ({reasons}): at least one of numbers, categories or "
            "truth values is expected"
        )


def _write(read: ReadRows, columns: Sequence[str], classes: tuple[str, ...], workdir: Path) -> dict[str, Path]:
    """Write the files of the splits with ``columns`` and, if there are ``classes``, only the rows of these classes."""
    files = {split: workdir / f"{split}.parquet" for split in SPLITS}
    has_others = {label for _, label in read.tally.classes} != {*classes}  # otherwise filtering would copy all rows
    for split, frames in read.splits.items():
        frame = pl.concat(frames)
        hidden = [] if split == "test" else _list_hidden(frame.columns, columns)
        if has_others:
            frame = frame.filter(frame[read.schema.target.name].is_in(list(classes)))
        selected = _select(frame, [*columns, *hidden])
        selected.write_parquet(files[split], compression="snappy", statistics=False)
    if read.train is None:
        return files
    scan = pl.scan_parquet(read.train)
    unseen = {label for (split, label), _ in read.tally.classes.items() if split == "train"} - {*classes}
    names = list(scan.collect_schema())
    columns = [*columns, *_list_hidden(names, columns)]
    if unseen or names != columns:
        position = names.index(read.schema.target.name)
        has_class = pl.nth(position).is_in(list(classes)) if classes else pl.lit(True)
        kept_columns = pl.nth(*(names.index(name) for name in columns))
        scan.filter(has_class).select(kept_columns).sink_parquet(files["train"], compression="snappy", statistics=False)
        read.train.unlink()
    else:
        read.train.rename(files["train"])
    return files


def _list_hidden(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """List the hidden columns among ``names``; a user's column with such a name is not hidden."""
    return [name for name in (GROUP, TIME) if name in names and name not in columns]


def _select(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Select columns by their literal names: polars reads ``*`` and ``^...$`` as patterns."""
    return pl.DataFrame([frame[name] for name in columns])


def _warn_shared_rows(name: str, test: pl.DataFrame, files: Mapping[str, Path]) -> Iterator[str]:
    frames = [pl.read_parquet(files[split]) for split in ("train", "validation")]
    # Dropped columns are only in the test file, and a clustering's target has no name.
    columns = [column for column in test.columns if column in frames[0].columns]
    hashes = pl.concat([_select(frame, columns) for frame in frames]).hash_rows()
    if shared := int(_select(test, columns).hash_rows().is_in(hashes.unique().implode()).sum()):
        yield f"{shared:,} of {counted(test.height, 'row')} of '{name}' are in the data too"


def _warn_left_out(left_out: Sequence[Dropped]) -> Iterator[str]:
    """Warn about dropped columns that the user did not ask to drop."""
    dropped = [f"'{column.name}' ({column.reason})" for column in left_out if column.reason not in DROP_REASONS]
    if dropped:
        yield f"{counted(len(dropped), 'column')} dropped: {listed(dropped, _MAX_LISTED, '; ')}"


def _warn_columns(rows: TableRows, read: ReadRows, profiles: Sequence[ColumnProfile]) -> Iterator[str]:
    for column in read.schema.columns:
        yield from (f"{warning}{rows.by_sample}" for warning in column.warnings)
        if invalid := read.tally.invalid[column.name]:
            yield f"column '{column.name}': {counted(invalid, 'cell')} not {column.column.kind}, read as missing"
    for profile in profiles:
        if profile.kind == "categorical" and profile.distinct > MAX_VOCABULARY:
            yield (
                f"column '{profile.name}' has {profile.distinct:,} values: the {MAX_VOCABULARY:,} most frequent are "
                "known to the model"
            )


def _warn_size(rows: TableRows, read: ReadRows, used: int) -> Iterator[str]:
    if not rows.is_in_memory:
        yield (
            f"large data ({counted(read.tally.read, 'row')}): columns are inferred from a sample, rows are split by "
            "their hash, numbers of distinct values are estimates, and medians are those of a sample"
        )
    elif used < _FEW_ROWS:
        yield f"only {counted(used, 'row')}: the measured quality is uncertain"


def _cap(warnings: list[str]) -> tuple[str, ...]:
    more = len(warnings) - _MAX_WARNINGS
    return (*warnings[:_MAX_WARNINGS], *([f"and {more:,} more warnings"] if more > 0 else []))
