"""States after a Batch job: raise the error of the failed job; without a job, check that the stage may continue."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.bootstrap import collector
from pipeline.contracts.records.run import StageName
from pipeline.lambda_handlers import state_function

collect = collector()


@state_function
def handler(
    run: str, stage: StageName, job: str | None = None, cause: str = "", instead: Mapping[str, str] | str | None = None
) -> None:
    """Raise the error of a failed job, or return if the run can continue."""
    collect(run, stage, job, cause, instead)
