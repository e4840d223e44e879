"""A registered version that fine-tuning starts from."""

from __future__ import annotations

from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.record import Record
from pipeline.contracts.records.dataset import ColumnProfile
from pipeline.contracts.signature import Task

__all__ = ["Base"]


class Base(Record):
    """A registered version that fine-tuning starts from; its weights are the checkpoint of ``candidate`` of ``run``.

    Attributes:
        version: ``tenant/model@number``.
        run: Run that trained it.
        built_from: Run whose training rows its ranges, bins and vocabularies were computed from: its own run, unless it
            was fine-tuned itself.
        candidate: Name of its candidate.
        algorithm: Its algorithm.
        task: What it learned.
        classes: Its classes.
        settings: Its settings.
        columns: Its columns, with their vocabularies.
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
