"""Read the splits that a job trains on: all training rows, or a sample that fits in memory."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.thresholds import threshold_rule

if TYPE_CHECKING:
    import polars as pl

    from pipeline.compression.seen_rows import SeenRows
    from pipeline.jobs.runtime.job import JobContext
    from pipeline.training.trainer import Trainer

__all__ = [
    "memory_bytes",
    "read_sample",
    "read_seen_rows",
    "read_splits",
    "read_trainer",
    "read_training_rows",
    "read_validation",
]

_log = logging.getLogger(__name__)

_COPIES = 12  # copies of a row in memory during training, as measured: frame, encodings, the algorithm's own copies
_HEAD_ROWS = 10_000
_MAX_SEEN_ROWS = 4_000  # approximate rows of each split on which a served file is compared
_ROW, _LIMIT = "\0row", "\0limit"  # users' columns cannot have these names
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def read_splits(  # noqa: PLR0913 - sources and limits
    artifacts: ObjectStore, keys: RunKeys, folder: Path, *, dataset: Dataset, seed: int, max_bytes: int | None = None
) -> tuple[dict[str, pl.DataFrame], tuple[str, ...]]:
    """Download the training and validation rows into ``folder``.

    The training rows take at most half of ``max_bytes`` (None: this machine's memory).

    Returns:
        The rows by split, and a note if the training rows are a sample.
    """
    file = folder / "train.parquet"
    artifacts.download(keys.split("train"), file)
    train, notes = read_sample(
        file,
        (memory_bytes() if max_bytes is None else max_bytes) // 2,
        seed,
        class_column=dataset.target if dataset.task == "classification" and not dataset.targets else None,
    )
    return {"train": train, "validation": read_validation(artifacts, keys, folder)}, notes


def read_validation(artifacts: ObjectStore, keys: RunKeys, folder: Path) -> pl.DataFrame:
    """Download and read the validation rows."""
    import polars as pl

    file = folder / "validation.parquet"
    artifacts.download(keys.split("validation"), file)
    return pl.read_parquet(file)


def read_seen_rows(artifacts: ObjectStore, keys: RunKeys, folder: Path, validation: pl.DataFrame) -> SeenRows:
    """Read evenly spaced training rows, and add evenly spaced validation rows."""
    import numpy as np
    import polars as pl

    from pipeline.compression.seen_rows import SeenRows

    file = folder / "seen.parquet"
    artifacts.download(keys.split("train"), file)
    scan = pl.scan_parquet(file, glob=False)
    rows = int(scan.select(pl.len()).collect().item())
    steps = [max(1, count // _MAX_SEEN_ROWS) for count in (rows, validation.height)]
    train = scan.gather_every(steps[0]).collect(engine="streaming")
    positions = [np.arange(0, rows, steps[0]), rows + np.arange(0, validation.height, steps[1])]
    return SeenRows(
        frame=pl.concat([train, validation.gather_every(steps[1])]),
        indices=np.concatenate(positions),
        total=rows + validation.height,
    )


def read_training_rows(artifacts: ObjectStore, keys: RunKeys, folder: Path, *, seed: int) -> pl.DataFrame:
    """Read the rows that calibrate and fine-tune: all training rows, or a sample that fits in an eighth of memory."""
    file = folder / "calibration.parquet"
    artifacts.download(keys.split("train"), file)
    rows, _ = read_sample(file, memory_bytes() // 8, seed)
    return rows


def read_trainer(context: JobContext, plan: Plan, spec: JobSpec, *, max_bytes: int | None = None) -> Trainer:
    """Make the trainer of the run's splits; ``max_bytes`` as for ``read_splits``."""
    from pipeline.training.trainer import Trainer

    dataset = context.read_dataset()
    splits, notes = read_splits(
        context.artifacts, context.keys, context.workdir, dataset=dataset, seed=plan.seed, max_bytes=max_bytes
    )
    return Trainer(
        dataset=dataset,
        splits=splits,
        notes=notes,
        machine=context.machine,
        process=context.process,
        seed=plan.seed,
        metric=plan.metric,
        class_weights=spec.training.class_weights,
        threshold_rule=threshold_rule(spec, dataset),
    )


def read_sample(
    file: Path, max_bytes: int, seed: int, *, class_column: str | None = None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Read the rows of a split, or a seeded random sample of them that can be trained on in ``max_bytes``.

    Args:
        file: The split's parquet file.
        max_bytes: The memory that training on the rows may take.
        seed: The same seed gives the same sample.
        class_column: The column of the classes; the sample is stratified by it, and each class keeps a row. None: the
            sample is not stratified.

    Returns:
        The rows in their order, and a note for the candidates' records if the rows are a sample.
    """
    import polars as pl

    scan = pl.scan_parquet(file, glob=False)
    rows = int(scan.select(pl.len()).collect().item())
    head = scan.head(_HEAD_ROWS).collect()
    row_bytes = head.estimated_size() / max(1, head.height)
    max_rows = int(max_bytes / (_COPIES * max(1.0, row_bytes)))
    if rows <= max_rows:
        return scan.collect(), ()
    hashed = scan.with_row_index(_ROW).with_columns(pl.col(_ROW).hash(seed))
    if class_column is None:
        drawn = hashed.filter(pl.col(_ROW) < int(2**64 * max_rows / rows))
    else:
        drawn = _sample_by_class(hashed, class_column, max_rows / rows)
    frame = drawn.drop(_ROW).collect(engine="streaming")
    note = f"trained on a random sample of {frame.height:,} of {rows:,} rows: more do not fit in this machine's memory"
    _log.warning("the training rows are a sample", extra={"rows": frame.height, "of": rows})
    return frame, (note,)


def _sample_by_class(hashed: pl.LazyFrame, class_column: str, fraction: float) -> pl.LazyFrame:
    """Keep the ``fraction`` of each class's rows with the smallest hashes, at least one row."""
    import polars as pl

    keys = hashed.select(class_column, _ROW).collect(engine="streaming")
    rank, count = pl.col(_ROW).rank("ordinal"), pl.len()
    last = keys.filter((rank == (count * fraction).round().clip(1)).over(class_column))
    limits = last.rename({_ROW: _LIMIT}).lazy()
    joined = hashed.join(limits, on=class_column, maintain_order="left")
    return joined.filter(pl.col(_ROW) <= pl.col(_LIMIT)).drop(_LIMIT)


def memory_bytes() -> int:
    """Return the memory of this container, or of the machine, in bytes."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = (Path(limit).read_text().strip() for limit in _LIMITS if Path(limit).exists())
    return min([physical, *(int(limit) for limit in limits if limit.isdecimal())])
