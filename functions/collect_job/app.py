"""States after a Batch job: what it failed of, by its own error's name; without a job, whether the stage may go on."""

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
    collect(run, stage, job, cause, instead)
