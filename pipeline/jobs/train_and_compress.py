"""``python -m pipeline.jobs.train_and_compress --run RUN --job JOB``: the one job of a small plan.

It trains, blends and compresses the job's candidates, so that a machine is started and libraries are imported once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from pipeline.contracts.errors import NoCandidateSurvivedError
from pipeline.contracts.records.outcome import CandidateOutcome
from pipeline.jobs.compress import compress
from pipeline.jobs.ensemble import ensemble
from pipeline.jobs.runtime.job import JobContext, end_process, run_job
from pipeline.jobs.train import train

__all__ = ["train_and_compress"]


def train_and_compress(context: JobContext) -> Sequence[CandidateOutcome]:
    """Train the job's candidates, then write the run's VariantSet; an earlier attempt's candidates are kept.

    Returns:
        The outcome of each candidate.

    Raises:
        NoCandidateSurvivedError: No candidate could be trained.
        ExportMismatchError: No candidate's export gives the same predictions as its model.
    """
    began = time.monotonic()
    outcomes = train(context)
    if not any(outcome.status == "trained" for outcome in outcomes):
        reasons = [f"{outcome.candidate}: {outcome.error.message}" for outcome in outcomes if outcome.error]
        raise NoCandidateSurvivedError(f"no candidate could be trained: {'; '.join(reasons)}")
    context.finish_stage("train")
    ensemble(_in_subfolder(context, "ensemble"), deadline=began + 60 * _minutes(context))
    context.finish_stage("ensemble")
    compress(_in_subfolder(context, "compress"))
    return outcomes


def _in_subfolder(context: JobContext, folder: str) -> JobContext:
    """Return the context with ``folder`` in its workdir as the new workdir."""
    workdir = context.workdir / folder
    workdir.mkdir()
    return replace(context, workdir=workdir)


def _minutes(context: JobContext) -> float:
    """Return the minutes of all trainings in this job, including the distilled model."""
    (job,) = (job for job in context.read_plan().jobs if job.name == context.job)
    return job.minutes or context.read_spec().limits.minutes


if __name__ == "__main__":
    end_process(run_job(train_and_compress))
