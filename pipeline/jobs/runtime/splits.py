"""The splits that a job learns from: all training rows, or as many as its memory is good for; what trains on them."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.spec.job_spec import JobSpec

if TYPE_CHECKING:
    import polars as pl

    from pipeline.jobs.runtime.job import JobContext
    from pipeline.training.trainer import Trainer

__all__ = ["Splits", "memory_bytes", "read_splits", "read_trainer", "read_validation", "sampled"]

_log = logging.getLogger(__name__)

_COPIES = 12  # of a row while it is learnt, as measured: the frame, its encoding, an algorithm's own, what these need
_LOOK_ROWS = 10_000
_ROW = "\0row"  # no column of a user's is called so
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """``train`` and ``validation``; ``notes`` say when not all training rows are there."""

    train: pl.DataFrame
    validation: pl.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> dict[str, pl.DataFrame]:
        return {"train": self.train, "validation": self.validation}


def read_splits(
    artifacts: ObjectStore, keys: RunKeys, folder: Path, *, seed: int, most_bytes: int | None = None
) -> Splits:
    """Download both into ``folder``; the training rows take at most half of ``most_bytes`` (None: this machine's)."""
    file = folder / "train.parquet"
    artifacts.download(keys.split("train"), file)
    train, notes = sampled(file, (memory_bytes() if most_bytes is None else most_bytes) // 2, seed)
    return Splits(train=train, validation=read_validation(artifacts, keys, folder), notes=notes)


def read_validation(artifacts: ObjectStore, keys: RunKeys, folder: Path) -> pl.DataFrame:
    """The rows that validate, downloaded into ``folder``."""
    import polars as pl

    file = folder / "validation.parquet"
    artifacts.download(keys.split("validation"), file)
    return pl.read_parquet(file)


def read_trainer(context: JobContext, plan: Plan, spec: JobSpec, *, most_bytes: int | None = None) -> Trainer:
    """What trains on the run's splits; ``most_bytes`` as read_splits has it."""
    from pipeline.training.trainer import Trainer

    splits = read_splits(context.artifacts, context.keys, context.workdir, seed=plan.seed, most_bytes=most_bytes)
    return Trainer(
        dataset=Dataset.from_bytes(context.artifacts.get(context.keys.dataset)),
        splits=splits.frames,
        notes=splits.notes,
        machine=context.machine,
        process=context.process,
        seed=plan.seed,
        metric=plan.metric,
        class_weights=spec.training.class_weights,
    )


def sampled(file: Path, most_bytes: int, seed: int) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The rows of ``file``, or a seeded sample of them that can be learnt in ``most_bytes``, in their order."""
    import polars as pl

    scan = pl.scan_parquet(file, glob=False)
    rows = int(scan.select(pl.len()).collect().item())
    head = scan.head(_LOOK_ROWS).collect()
    row_bytes = head.estimated_size() / max(1, head.height)
    most = int(most_bytes / (_COPIES * max(1.0, row_bytes)))
    if rows <= most:
        return scan.collect(), ()
    drawn = pl.col(_ROW).hash(seed) < int(2**64 * most / rows)
    frame = scan.with_row_index(_ROW).filter(drawn).drop(_ROW).collect(engine="streaming")
    note = f"trained on a random sample of {frame.height:,} of {rows:,} rows: more do not fit in this machine's memory"
    _log.warning("the training rows are a sample", extra={"rows": frame.height, "of": rows})
    return frame, (note,)


def memory_bytes() -> int:
    """Of this container, or of the machine."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = (Path(limit).read_text().strip() for limit in _LIMITS if Path(limit).exists())
    return min([physical, *(int(limit) for limit in told if limit.isdecimal())])
