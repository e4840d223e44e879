"""A registered version that fine-tuning starts from."""

from __future__ import annotations

from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.record import Record
from pipeline.contracts.records.dataset import ColumnProfile
from pipeline.contracts.signature import Task

__all__ = ["Base"]


class Base(Record):
    """``version``: ``tenant/model@number``. Its weights are the checkpoint of ``candidate`` of ``run`` (names.RunKeys).

    ``columns``: as it reads them, its vocabularies among them. ``built_from``: the run whose training rows its ranges,
    bins and words were taken from; its own, unless it goes on from another one itself.
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
