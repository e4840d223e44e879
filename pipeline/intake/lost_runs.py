"""Find runs that are RUNNING in the log but have no execution: their end was not recorded, or they never began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.ports import Execution, Executions
from pipeline.contracts.records.run import Run, RunError
from pipeline.intake.failures import parse_failure
from pipeline.intake.run_log import RunLog

__all__ = ["END_GRACE", "MAX_RUN_AGE", "START_GRACE", "fail_lost_runs"]

MAX_RUN_AGE = timedelta(days=9)  # an execution takes at most seven days; older runs were checked before
START_GRACE = timedelta(minutes=45)  # a message is redelivered for half an hour before it becomes a dead letter
END_GRACE = timedelta(minutes=5)  # the event of an execution's end may arrive late


def fail_lost_runs(runs: RunLog, executions: Executions, *, now: datetime) -> Sequence[str]:
    """Mark runs without a running execution as FAILED. Their uploads stay in place.

    Args:
        runs: Log of runs; a run that ends in the meantime keeps its status.
        executions: Executions of the state machine, named after their runs.
        now: Current time, UTC.

    Returns:
        Names of the runs that were marked.

    Raises:
        ModeldropError: The error of the first run that could not be checked, raised after all other runs are checked.
    """
    lost, failure = [], None
    for run in runs.running(since=now - MAX_RUN_AGE):
        try:
            error = _error(run, executions.describe(run.run), now)
            if error is not None and runs.fail(run.run, error):
                lost.append(run.run)
        except ModeldropError as error_of_run:
            failure = failure or error_of_run
    if failure is not None:
        raise failure
    return lost


def _error(run: Run, execution: Execution | None, now: datetime) -> RunError | None:
    """Return the error of a lost run; None while it may still be running."""
    retry = f"'modeldrop retry {run.run}' starts a new run on the same file"
    if execution is None:
        if now - run.started_at < START_GRACE:
            return None
        return RunError(type="ExecutionEndedError", message=f"the run's execution did not start: {retry}")
    if execution.ended_at is None or now - execution.ended_at < END_GRACE:
        return None
    if execution.status == "SUCCEEDED":
        text = f"the run's execution ended without recording a result: {retry}"
        return RunError(type="ExecutionEndedError", message=text)
    detail = {"name": run.run, "status": execution.status, "error": execution.error, "cause": execution.cause}
    return parse_failure({"detail": detail}).error
