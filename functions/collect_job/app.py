"""States after Batch jobs: raise the error of a failed job; without ``job``, finish the stage."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.bootstrap import job_checker, stage_finisher
from pipeline.contracts.records.run import StageName
from pipeline.lambda_handlers import state_function

check_job = job_checker()
finish_stage = stage_finisher()


@state_function
def handler(
    run: str, stage: StageName, job: str | None = None, cause: str = "", instead: Mapping[str, str] | str | None = None
) -> None:
    """Raise the error of a failed job, or finish the stage."""
    if job is not None:
        check_job(run, job, cause, instead)
    else:
        finish_stage(run, stage)
