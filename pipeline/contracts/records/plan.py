"""A Plan: the candidates worth trying, and the Batch jobs that train them."""

from __future__ import annotations

from typing import Literal

from pipeline.contracts.algorithms.hyperparameter import Settings, Space
from pipeline.contracts.record import Record
from pipeline.contracts.records.base_model import Base
from pipeline.contracts.records.estimate import Estimate

__all__ = ["BROUGHT", "Candidate", "Plan", "Skipped", "TrainingJob", "Trials"]

BROUGHT = "brought"  # candidate and algorithm of a model that was trained elsewhere


class Trials(Record):
    """The search of one candidate's settings, as job_spec.Search has it: ``space`` names what is not fixed."""

    method: Literal["grid", "random", "halving", "bayesian"]
    space: Space
    trials: int
    cv: int | None = None
    share: float = 1.0  # of the time that its job has left when it begins: later candidates have theirs
    cheaper: Settings = {}  # what the trials take in place of the candidate's own settings


_OF_TARGET = "_target_"


class Candidate(Record):
    """One thing to train. ``settings`` are the algorithm's, complete: the same settings and seed give the same model.

    ``trials``: what of them is searched for first, within the job.
    """

    name: str
    algorithm: str
    settings: Settings = {}
    reason: str = ""
    trials: Trials | None = None

    def of_target(self, number: int) -> Candidate:
        """Name the candidate for one of several targets: its unfinished training is kept under a name of its own."""
        return self.model_copy(update={"name": f"{self.name}{_OF_TARGET}{number}"})

    def is_target_of(self, candidate: str) -> bool:
        """Return whether ``of_target`` made it of the candidate with this name."""
        name, _, number = self.name.rpartition(_OF_TARGET)
        return name == candidate and number.isdecimal()


class Skipped(Record):
    """An algorithm that was considered and not planned, and why."""

    algorithm: str
    reason: str


class TrainingJob(Record):
    """One Batch job. Candidates share one while it pays; networks ask for the GPU queue once that pays. On ``code``
    runs what a user's model.py says, kept apart from all else.

    ``nodes``: above 1 it is a multi-node job, whose processes train each candidate together.
    """

    name: str
    queue: Literal["cpu", "gpu", "code"]
    candidates: tuple[str, ...]
    nodes: int = 1
    minutes: float | None = None  # that it may train; None: the JobSpec's
    audition_rows: int = 0  # all are tried on so many rows first, and the hopeless dropped; 0: they are not


class Plan(Record):
    """What training will do. ``metric`` is what candidates are compared by, on the validation rows.

    ``one_job``: the plan is small, so that its only job blends and compresses as well.
    """

    metric: str
    candidates: tuple[Candidate, ...]
    jobs: tuple[TrainingJob, ...]
    one_job: bool = False
    ensemble: TrainingJob | None = None  # the job that blends the candidates and distills the blend
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()  # what the limits made of it
    seed: int = 0
    base: Base | None = None  # what its network goes on from
    estimate: Estimate | None = None

    @property
    def is_brought(self) -> bool:
        """Return whether nothing is trained: the only candidate is an uploaded model."""
        return any(candidate.algorithm == BROUGHT for candidate in self.candidates)
