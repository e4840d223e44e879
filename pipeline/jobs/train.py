"""``python -m pipeline.jobs.train --run RUN --job JOB``: trains the job's candidates, one after another."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.errors import CandidateFailedError, NodeLostError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import WEIGHTS, CandidateOutcome, TrainedCandidate
from pipeline.contracts.records.plan import Candidate, Plan, TrainingJob
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.jobs.bring import bring
from pipeline.jobs.runtime.job import JobContext, end_process, run_error, run_job
from pipeline.jobs.runtime.live_progress import Live
from pipeline.jobs.runtime.splits import memory_bytes, read_sample, read_trainer
from pipeline.jobs.user_code import train_isolated

if TYPE_CHECKING:
    from pipeline.training.algorithm import PretrainedModel
    from pipeline.training.trainer import Trainer

__all__ = ["train"]

T = TypeVar("T")
_log = logging.getLogger(__name__)

_BASE_ROWS = "base_train.parquet"


def train(context: JobContext) -> Sequence[CandidateOutcome]:
    """Train the job's candidates, except those that an earlier attempt has trained.

    A candidate that fails does not affect the others. After the job's minutes (from ``limits.minutes`` and
    ``limits.dollars``) no further candidate starts; the first one always starts.

    Returns:
        The outcome of each candidate.
    """
    spec, plan = context.read_spec(), context.read_plan()
    if plan.is_brought:
        return bring(context)
    (job,) = (job for job in plan.jobs if job.name == context.job)
    minutes = job.minutes or spec.limits.minutes
    deadline = time.monotonic() + 60 * minutes
    seconds = spec.training.checkpoint_seconds
    live = Live(context.artifacts, context.keys, seconds=seconds, event=context.event)
    candidates = [candidate for candidate in plan.candidates if candidate.name in job.candidates]
    with _process_group(context):
        trainer = _trainer(context, plan, spec, deadline, live, notes=_lost_node_notes(job, context.process.size))
        hopeless = _screen(context, trainer, candidates, job.audition_rows)
        candidates = [candidate for candidate in candidates if candidate.name not in hopeless]
        trained = [
            _outcome(context, trainer, live, candidate)
            if not number or _broadcast(context, time.monotonic() < deadline)
            else _make_expired_outcome(candidate, minutes)
            for number, candidate in enumerate(candidates)
        ]
    dropped = [
        CandidateOutcome(candidate=name, status="dropped", reason=why, seconds=0) for name, why in hopeless.items()
    ]
    return [*trained, *dropped]


def _screen(context: JobContext, trainer: Trainer, candidates: Sequence[Candidate], rows: int) -> Mapping[str, str]:
    """Return why candidates are not worth training, by name; seeded, so that a later attempt drops the same ones."""
    if not rows or context.process.size > 1 or trainer.dataset.targets:
        return {}
    reasons = trainer.screen(candidates, rows, context.report)
    hopeless = {name: why for name, why in reasons.items() if context.read_trained(name) is None}
    for name in hopeless:
        _log.info("candidate dropped", extra={"candidate": name})
    return hopeless


def _process_group(context: JobContext) -> AbstractContextManager[None]:
    if context.process.size == 1:
        return nullcontext()
    from pipeline.training.distributed.torchrun import process_group

    return process_group(context.process, context.machine.device)


def _broadcast(context: JobContext, value: T) -> T:
    """Return the main process's value, so that all processes begin the same candidates with the same rows."""
    if context.process.size == 1:
        return value
    from pipeline.training.distributed.factory import make_strategy

    return make_strategy("ddp", context.process, context.machine.device).broadcast(value)


def _make_expired_outcome(candidate: Candidate, minutes: float) -> CandidateOutcome:
    error = CandidateFailedError(f"{candidate.name} was not started: the {minutes:g} minutes of its job were over")
    return CandidateOutcome(candidate=candidate.name, status="failed", error=run_error(error), seconds=0)


def _lost_node_notes(job: TrainingJob, size: int) -> Iterator[str]:
    """Yield a note if fewer processes train than nodes were requested."""
    if size < job.nodes:
        yield (
            f"{job.nodes} nodes were requested, and {size} trained it: the others were lost, or the stack does not "
            "have them"
        )


def _trainer(  # noqa: PLR0913 - a run, its limits, and listeners
    context: JobContext, plan: Plan, spec: JobSpec, deadline: float, live: Live, *, notes: Iterable[str]
) -> Trainer:
    trainer = read_trainer(context, plan, spec, max_bytes=_broadcast(context, memory_bytes()))
    return replace(
        trainer,
        checkpoints=live.checkpoint,
        watch=live.watch,
        notes=(*notes, *trainer.notes),
        folds=spec.folds,
        serve=spec.serve,
        limits=spec.limits,
        deadline=deadline,
        base=_base(context, plan, trainer.dataset),
    )


def _base(context: JobContext, plan: Plan, dataset: Dataset) -> PretrainedModel | None:
    if plan.base is None:
        return None
    from pipeline.training.loop.fine_tuning import read_base

    keys, weights, rows = RunKeys(plan.base.run), context.workdir / f"base_{WEIGHTS}", context.workdir / _BASE_ROWS
    context.artifacts.download(keys.candidate(plan.base.candidate, WEIGHTS), weights)
    context.artifacts.download(RunKeys(plan.base.built_from).split("train"), rows)
    frame, _ = read_sample(rows, memory_bytes() // 4, plan.seed)
    has_same_outputs = plan.base.classes == dataset.classes
    return read_base(plan.base.version, weights, frame, dataset, has_same_outputs=has_same_outputs)


def _outcome(context: JobContext, trainer: Trainer, live: Live, candidate: Candidate) -> CandidateOutcome:
    earlier = context.read_trained(candidate.name)
    if earlier is not None:
        _log.info("trained by an earlier attempt", extra={"candidate": candidate.name})
        return CandidateOutcome(candidate=candidate.name, status="trained", seconds=earlier.seconds)
    started = time.perf_counter()
    folder = context.workdir / candidate.name
    folder.mkdir()
    try:
        if not context.process.is_main:
            _follow(trainer, candidate)
            return CandidateOutcome(candidate=candidate.name, status="trained", seconds=time.perf_counter() - started)
        trained = _train(context, trainer, candidate, folder)
    except Exception as error:
        _log.error("candidate failed", extra={"candidate": candidate.name}, exc_info=error)
        live.end(candidate, trained=False)
        if context.process.size > 1 and not isinstance(error, CandidateFailedError):
            raise NodeLostError(f"one of the processes that trained '{candidate.name}' was lost or failed") from error
        seconds = time.perf_counter() - started
        return CandidateOutcome(candidate=candidate.name, status="failed", error=run_error(error), seconds=seconds)
    context.keep_candidate(candidate.name, folder)
    live.end(candidate, trained=True)
    _log.info("candidate trained", extra={"candidate": candidate.name, "seconds": trained.seconds, **trained.quality})
    return CandidateOutcome(candidate=candidate.name, status="trained", seconds=trained.seconds)


def _follow(trainer: Trainer, candidate: Candidate) -> None:
    if not trainer.dataset.targets:
        trainer.follow(candidate)
        return
    from pipeline.training.several_targets import follow_each_target

    follow_each_target(trainer, candidate)


def _train(context: JobContext, trainer: Trainer, candidate: Candidate, folder: Path) -> TrainedCandidate:
    def report(text: str) -> None:
        context.report(f"{candidate.name}: {text}")

    if trainer.dataset.targets:
        from pipeline.training.several_targets import train_each_target

        return train_each_target(trainer, candidate, folder, report)
    if not catalog()[candidate.algorithm].has_user_code:
        return trainer.train(candidate, folder, report)
    return train_isolated(context, trainer, candidate, folder, report)


if __name__ == "__main__":
    end_process(run_job(train))
