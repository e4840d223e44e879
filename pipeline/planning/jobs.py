"""Which Batch jobs train the candidates, and how long each may.

A job more is a cold start more (minutes, and paid for), so CPU candidates share one job until their training is
estimated to take longer than several starts; networks have theirs, on the GPU queue. Where ``limits.dollars`` leaves
them little time each, all share one CPU job.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.job_spec import JobSpec
from pipeline.contracts.plan import Candidate, TrainingJob
from pipeline.planning.estimates import PRICES_OF, minutes_for

__all__ = ["Planned", "jobs_of"]

_PAYS_SECONDS = 900.0  # of training in one job: beyond it another job is worth its start
_MOST_CPU_JOBS = 4
_LEAST_MINUTES = 10.0  # a job that has fewer is not worth a machine of its own
_SHORTEST_MINUTES = 1.0
_AUDITION_FROM_ROWS = 20_000
_AUDITION_ROWS = 4_000
_AUDITION_FROM = 4  # candidates; or one fewer, where half of the job's minutes would hardly do for all


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A candidate, the queue that it asks for, and its estimated seconds on one thread (None: unknown)."""

    candidate: Candidate
    queue: str
    seconds: float | None


def jobs_of(planned: Sequence[Planned], spec: JobSpec, *, rows: int) -> tuple[tuple[TrainingJob, ...], tuple[str, ...]]:
    """The jobs, and notes of what the limits made of them."""
    cpu = [one for one in planned if one.queue == "cpu"]
    gpu = [one for one in planned if one.queue == "gpu"]
    code = [one for one in planned if one.queue == "code"]
    notes: list[str] = []
    nodes = spec.training.parallel.nodes
    if gpu and nodes == 1 and _minutes(spec, cpu, gpu, code) < min(spec.limits.minutes, _LEAST_MINUTES):
        cpu, gpu = [one for one in planned if one.queue != "code"], []
        notes.append("limits.dollars leaves no time for a GPU job: all candidates share one CPU job")
    groups = _shared_out(cpu) if spec.limits.dollars is None else [cpu]
    minutes = _minutes(spec, *groups, gpu, code)
    if minutes < _SHORTEST_MINUTES < spec.limits.minutes:
        notes.append(f"limits.dollars hardly pays for a machine: each job trains for {_SHORTEST_MINUTES:g} minute")
    minutes = min(spec.limits.minutes, max(minutes, _SHORTEST_MINUTES))
    if spec.limits.dollars is not None:
        notes.append(f"each job has about {minutes:.3g} minutes by limits.dollars and the {PRICES_OF}")
    jobs = [
        *(_job("cpu" if not number else f"cpu_{number + 1}", "cpu", group) for number, group in enumerate(groups)),
        _job("gpu", "gpu", gpu, nodes=nodes),
        _job("code", "code", code),
    ]
    # Of private training each would spend its epsilon anew.
    auditions = not spec.algorithms and rows >= _AUDITION_FROM_ROWS and not spec.training.privacy
    seconds = {one.candidate.name: one.seconds or 0 for one in planned}

    def rows_of(job: TrainingJob) -> int:
        short = 2 * math.fsum(seconds[name] for name in job.candidates) > 60 * minutes
        return _AUDITION_ROWS if auditions and len(job.candidates) >= _AUDITION_FROM - short else 0

    timed = [job.model_copy(update={"minutes": minutes, "audition_rows": rows_of(job)}) for job in jobs]
    return tuple(job for job in timed if job.candidates), tuple(notes)


def _job(name: str, queue: str, planned: Sequence[Planned], nodes: int = 1) -> TrainingJob:
    names = tuple(one.candidate.name for one in planned)
    return TrainingJob.model_validate({"name": name, "queue": queue, "candidates": names, "nodes": nodes})


def _minutes(spec: JobSpec, *groups: Sequence[Planned]) -> float:
    queues = [group[0].queue for group in groups if group]
    if "gpu" in queues:
        queues += ["gpu"] * (spec.training.parallel.nodes - 1)
    return minutes_for(spec.limits, queues)


def _shared_out(planned: Sequence[Planned]) -> list[list[Planned]]:
    """In as many jobs as pay, each given the next longest while it has the least to do (Graham 1969)."""
    seconds = math.fsum(one.seconds or 0 for one in planned)
    count = max(1, min(_MOST_CPU_JOBS, len(planned), math.ceil(seconds / _PAYS_SECONDS)))
    groups: list[list[Planned]] = [[] for _ in range(count)]
    for one in sorted(planned, key=lambda one: one.seconds or 0, reverse=True):
        min(groups, key=lambda group: math.fsum(other.seconds or 0 for other in group)).append(one)
    order = list(planned)
    return sorted((sorted(group, key=order.index) for group in groups), key=lambda g: order.index(g[0]) if g else 0)
