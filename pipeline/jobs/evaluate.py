"""``python -m pipeline.jobs.evaluate --run RUN --job evaluate``: what the function evaluates, where it is too large."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from pipeline import bootstrap
from pipeline.contracts.records.outcome import CandidateOutcome
from pipeline.jobs.runtime.job import JobContext, JobWork, run_job

__all__ = ["work_of"]


def work_of(evaluate: Callable[[str], None]) -> JobWork:
    """The job's work by the step that the function has too, with more memory."""

    def work(context: JobContext) -> Sequence[CandidateOutcome]:
        evaluate(context.run)
        return ()

    return work


if __name__ == "__main__":
    sys.exit(run_job(work_of(bootstrap.evaluation_job())))
