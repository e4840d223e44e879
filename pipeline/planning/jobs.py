"""Pack the candidates into Batch jobs, and limit the time of each.

Each job has a cold start, which takes minutes and costs money, so candidates share one CPU job until their training is
estimated to take longer than several starts. Networks have their own job once they are estimated to take longer than
one start, and it is on the GPU queue once they are estimated to take so long that a GPU machine pays. If
``limits.dollars`` leaves little time for each job, all candidates share one CPU job. A small plan is one job, which
also compresses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.plan import Candidate, TrainingJob
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.planning.estimates import ENSEMBLE_RATIO, PRICE_SOURCE, cells_of, minutes_for

__all__ = [
    "ONE_JOB_CELLS",
    "ONE_JOB_SECONDS",
    "PlannedCandidate",
    "fits_one_job",
    "is_gpu_worthwhile",
    "pack_jobs",
    "plan_ensemble",
    "sum_seconds",
]

# A plan is small up to both limits: seconds of all candidates on one thread, folds included, and training cells.
ONE_JOB_SECONDS = 300.0
ONE_JOB_CELLS = 1_000_000
_MIN_SECONDS_PER_JOB = 900.0  # training time of one job from which another job is worth its start
# Time of the networks on one thread, about ten minutes on four threads. For less, a GPU machine takes as long to start
# with its image of several GB as a CPU takes to train, and costs three times as much.
_MIN_GPU_SECONDS = 1800.0
_OWN_JOB_SECONDS = 120.0  # time of the networks on one thread; with less they share the job of the other candidates
_MAX_CPU_JOBS = 4
_MIN_MINUTES = 10.0  # a job with fewer minutes is not worth a separate machine
_SCREENING_MIN_ROWS = 20_000
_SCREENING_ROWS = 4_000
_SCREENING_MIN_CANDIDATES = 4  # candidates of a job; one fewer if all of them need more than half of the job's minutes


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCandidate:
    """A candidate, its preferred queue, and its estimated seconds on one thread (None: unknown)."""

    candidate: Candidate
    queue: str
    seconds: float | None

    @property
    def name(self) -> str:
        """Name of the candidate."""
        return self.candidate.name


def sum_seconds(planned: Iterable[PlannedCandidate]) -> float:
    """Return the estimated seconds of several candidates; an unknown estimate counts as 0."""
    return math.fsum(member.seconds or 0.0 for member in planned)


def is_gpu_worthwhile(networks: Iterable[PlannedCandidate], spec: JobSpec) -> bool:
    """Return whether networks are worth GPU machines: they take long, or the spec requests several nodes."""
    return spec.training.parallel.nodes > 1 or sum_seconds(networks) >= _MIN_GPU_SECONDS


def fits_one_job(planned: Sequence[PlannedCandidate], dataset: Dataset, spec: JobSpec) -> bool:
    """Return whether one job on Fargate does all of the training, the ensemble and the compression.

    A user's code must be isolated on a machine of the cluster, several nodes need their network, and a candidate
    without an estimate may take long.
    """
    return (
        all(member.seconds is not None and member.queue != "code" for member in planned)
        and sum_seconds(planned) <= ONE_JOB_SECONDS
        and cells_of(dataset) <= ONE_JOB_CELLS
        and spec.training.parallel.nodes == 1
    )


def plan_ensemble(
    planned: Sequence[PlannedCandidate], dataset: Dataset, spec: JobSpec, minutes: float | None
) -> TrainingJob | None:
    """Plan the job that blends the candidates and distills the blend, on the queue that both need.

    Args:
        planned: The candidates.
        dataset: The data set.
        spec: JobSpec, which may turn the blend off.
        minutes: Minutes of a job that trains candidates; if dollars are limited, the ensemble job has a part of them.

    Returns:
        None for one candidate, clusters, and private training: a distilled model would learn from the rows once more.
    """
    if not spec.blend or spec.training.privacy or dataset.task == "clustering" or len(planned) < 2:
        return None
    if minutes is not None and spec.limits.dollars is not None:
        minutes *= ENSEMBLE_RATIO
    return TrainingJob(name="ensemble", queue="cpu", candidates=("blend", "student"), minutes=minutes)


def pack_jobs(
    planned: Sequence[PlannedCandidate],
    spec: JobSpec,
    *,
    rows: int,
    one_job: bool = False,
    has_ensemble: bool = False,
) -> tuple[tuple[TrainingJob, ...], tuple[str, ...]]:
    """Return the jobs, and notes on how the limits changed them.

    Args:
        planned: The candidates.
        spec: Limits, nodes and named algorithms.
        rows: Training rows.
        one_job: Whether all candidates share one job on Fargate.
        has_ensemble: Whether an ensemble job shares ``limits.dollars``.
    """
    cpu, gpu, code = ([member for member in planned if member.queue == queue] for queue in ("cpu", "gpu", "code"))
    networks: list[PlannedCandidate] = []
    if not is_gpu_worthwhile(gpu, spec):
        networks, gpu = [replace(member, queue="cpu") for member in gpu], []
    if one_job or spec.limits.dollars is not None or sum_seconds(networks) < _OWN_JOB_SECONDS:
        cpu, networks = _in_order(planned, [*cpu, *networks]), []
    notes: list[str] = []
    nodes = spec.training.parallel.nodes
    if (
        gpu
        and nodes == 1
        and _minutes(spec, cpu, gpu, code, has_ensemble=has_ensemble) < min(spec.limits.minutes, _MIN_MINUTES)
    ):
        cpu, gpu = _in_order(planned, [*cpu, *gpu]), []
        notes.append("limits.dollars leaves no time for a GPU job: all candidates share one CPU job")
    groups = _balance(cpu) if spec.limits.dollars is None else [cpu]
    minutes = (
        minutes_for(spec.limits, ["fargate"])
        if one_job
        else _minutes(spec, *groups, networks, gpu, code, has_ensemble=has_ensemble)
    )
    if spec.limits.dollars is not None:
        notes.append(f"each job has about {minutes:.3g} minutes by limits.dollars and the {PRICE_SOURCE}")
    jobs = [
        *(_job("cpu" if not number else f"cpu_{number + 1}", "cpu", group) for number, group in enumerate(groups)),
        _job("networks", "cpu", networks),
        _job("gpu", "gpu", gpu, nodes=nodes),
        _job("code", "code", code),
    ]
    # Not for private training: each screening would spend the epsilon once more.
    can_screen = not spec.algorithms and rows >= _SCREENING_MIN_ROWS and not spec.training.privacy

    def rows_of(job: TrainingJob) -> int:
        short = 2 * sum_seconds(member for member in planned if member.name in job.candidates) > 60 * minutes
        return _SCREENING_ROWS if can_screen and len(job.candidates) >= _SCREENING_MIN_CANDIDATES - short else 0

    timed = [job.model_copy(update={"minutes": minutes, "audition_rows": rows_of(job)}) for job in jobs]
    return tuple(job for job in timed if job.candidates), tuple(notes)


def _in_order(planned: Sequence[PlannedCandidate], some: Sequence[PlannedCandidate]) -> list[PlannedCandidate]:
    order = [member.name for member in planned]
    return sorted(some, key=lambda member: order.index(member.name))


def _job(name: str, queue: str, planned: Sequence[PlannedCandidate], nodes: int = 1) -> TrainingJob:
    names = tuple(member.name for member in planned)
    return TrainingJob.model_validate({"name": name, "queue": queue, "candidates": names, "nodes": nodes})


def _minutes(spec: JobSpec, *groups: Sequence[PlannedCandidate], has_ensemble: bool) -> float:
    queues = [group[0].queue for group in groups if group]
    if "gpu" in queues:
        queues += ["gpu"] * (spec.training.parallel.nodes - 1)
    return minutes_for(spec.limits, queues, has_ensemble=has_ensemble)


def _balance(planned: Sequence[PlannedCandidate]) -> list[list[PlannedCandidate]]:
    """Distribute candidates over jobs, the longest first, each to the job with the least to do (Graham 1969)."""
    count = max(1, min(_MAX_CPU_JOBS, len(planned), math.ceil(sum_seconds(planned) / _MIN_SECONDS_PER_JOB)))
    groups: list[list[PlannedCandidate]] = [[] for _ in range(count)]
    for candidate in sorted(planned, key=lambda candidate: candidate.seconds or 0, reverse=True):
        min(groups, key=sum_seconds).append(candidate)
    order = list(planned)
    return sorted((sorted(group, key=order.index) for group in groups), key=lambda g: order.index(g[0]) if g else 0)
