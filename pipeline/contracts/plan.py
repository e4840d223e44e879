"""A Plan: the candidates worth trying, and the Batch jobs that train them."""

from __future__ import annotations

from typing import Literal

from pipeline.contracts.record import Record

__all__ = ["Algorithm", "Candidate", "Plan", "Skipped", "TrainingJob"]

Algorithm = Literal["linear", "random_forest", "gradient_boosting", "mlp"]


class Candidate(Record):
    """One thing to train. ``settings`` are the recipe's, complete: the same settings and seed give the same model."""

    name: str
    algorithm: Algorithm
    settings: dict[str, int | float | str | bool | tuple[int, ...]] = {}
    reason: str = ""


class Skipped(Record):
    """An algorithm that was thought of and not tried, and why."""

    algorithm: Algorithm
    reason: str


class TrainingJob(Record):
    """One Batch job; the CPU candidates share one, a torch candidate asks for the GPU queue."""

    name: str
    queue: Literal["cpu", "gpu"]
    candidates: tuple[str, ...]


class Plan(Record):
    """What training will do. ``metric`` is what candidates are compared by, on the validation rows."""

    metric: str
    candidates: tuple[Candidate, ...]
    jobs: tuple[TrainingJob, ...]
    skipped: tuple[Skipped, ...] = ()
    seed: int = 0
