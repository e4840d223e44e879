"""A Plan: the candidates worth trying, and the Batch jobs that train them."""

from __future__ import annotations

from typing import Literal

from pipeline.contracts.algorithms.hyperparameter import Settings, Space
from pipeline.contracts.record import Record
from pipeline.contracts.records.base_model import Base
from pipeline.contracts.records.estimate import Estimate

__all__ = ["BROUGHT", "Candidate", "Plan", "Skipped", "TrainingJob", "Trials"]

BROUGHT = "brought"  # name of the candidate and of the algorithm of a model that was trained elsewhere


class Trials(Record):
    """The search of a candidate's settings (job_spec.Search).

    Attributes:
        method: Order in which settings are tried.
        space: Values or range of each searched setting.
        trials: Number of trials.
        cv: Folds of the cross-validation; None: trials are scored on the validation rows.
        share: Fraction of the job's remaining time that the search may use; later candidates need the rest.
        cheaper: Settings that replace the candidate's own during trials, to make the trials faster.
    """

    method: Literal["grid", "random", "halving", "bayesian"]
    space: Space
    trials: int
    cv: int | None = None
    share: float = 1.0
    cheaper: Settings = {}


_OF_TARGET = "_target_"


class Candidate(Record):
    """A candidate: an algorithm with complete settings. Equal settings and seeds give equal models.

    Attributes:
        name: Unique within the run.
        algorithm: Name of the algorithm.
        settings: Settings of the algorithm.
        reason: Why the candidate is planned.
        trials: Search of some settings before the training; None: there is none.
    """

    name: str
    algorithm: str
    settings: Settings = {}
    reason: str = ""
    trials: Trials | None = None

    def of_target(self, number: int) -> Candidate:
        """Return the candidate with a separate name for one of several targets, so that each has its own checkpoint."""
        return self.model_copy(update={"name": f"{self.name}{_OF_TARGET}{number}"})

    def is_target_of(self, candidate: str) -> bool:
        """Return whether ``of_target`` derived this candidate from the candidate with this name."""
        name, _, number = self.name.rpartition(_OF_TARGET)
        return name == candidate and number.isdecimal()


class Skipped(Record):
    """An algorithm that was considered and not planned, and why."""

    algorithm: str
    reason: str


class TrainingJob(Record):
    """A Batch job that trains candidates.

    Attributes:
        name: Name of the job.
        queue: Queue of the job; ``code`` isolates a user's model.py.
        candidates: Names of the candidates, in the order of their training.
        nodes: Number of nodes, whose processes train each candidate together.
        minutes: Limit of the training time; None: the limit of the job spec.
        audition_rows: Number of rows of the screening, which drops candidates of much lower quality; 0: no screening.
    """

    name: str
    queue: Literal["cpu", "gpu", "code"]
    candidates: tuple[str, ...]
    nodes: int = 1
    minutes: float | None = None
    audition_rows: int = 0


class Plan(Record):
    """The plan of a run.

    Attributes:
        metric: Metric that candidates are compared by.
        candidates: Candidates that are trained.
        jobs: Batch jobs that train the candidates.
        one_job: Whether the plan is so small that its only job also blends and compresses.
        ensemble: Job that blends the candidates and distills the blend; None: there is none.
        skipped: Algorithms that are not planned, and why.
        notes: Effects of the limits on the plan.
        seed: Seed of the run.
        base: Model that is fine-tuned; None: there is none.
        estimate: Estimated duration and cost of the run.
    """

    metric: str
    candidates: tuple[Candidate, ...]
    jobs: tuple[TrainingJob, ...]
    one_job: bool = False
    ensemble: TrainingJob | None = None
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    seed: int = 0
    base: Base | None = None
    estimate: Estimate | None = None

    @property
    def is_brought(self) -> bool:
        """Return whether nothing is trained: the only candidate is an uploaded model."""
        return any(candidate.algorithm == BROUGHT for candidate in self.candidates)
