"""A registered version that fine-tuning starts from."""

from __future__ import annotations

from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.record import Record
from pipeline.contracts.records.dataset import ColumnProfile
from pipeline.contracts.signature import Task

__all__ = ["Base"]


class Base(Record):
    """A registered version that fine-tuning starts from. Its weights are the checkpoint of ``candidate`` in ``run``.

    Attributes:
        version: ``tenant/model@number``.
        run: Run that trained the version.
        built_from: Run from whose training rows the version's ranges, bins and vocabularies were computed: ``run``,
            unless the version was itself fine-tuned.
        candidate: Name of the candidate that became the version.
        algorithm: Algorithm of the candidate.
        task: Task that the version learned.
        classes: Classes of the version; empty for regression.
        settings: Settings that the candidate was trained with.
        columns: Columns that the version reads, with their vocabularies.
    """

    version: str
    run: str
    built_from: str
    candidate: str
    algorithm: str
    task: Task
    classes: tuple[str, ...] = ()
    settings: Settings
    columns: tuple[ColumnProfile, ...]
