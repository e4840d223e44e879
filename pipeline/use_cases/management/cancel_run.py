"""Use case: a person cancels a run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pipeline.contracts.errors import ConflictError, NotFoundError, RunCanceledError
from pipeline.contracts.ports import Executions
from pipeline.contracts.records.run import Run, RunError
from pipeline.intake.run_log import RunLog

__all__ = ["CancelRun"]

_CANCELED = RunCanceledError.__name__


@dataclass(frozen=True, kw_only=True)
class CancelRun:
    """End a run with its execution and jobs.

    Attributes:
        runs: Log of runs.
        executions: Executions of the state machine.
    """

    runs: RunLog
    executions: Executions

    def __call__(self, run: str, *, by: str) -> Run:
        """Mark a run as FAILED with a RunCanceledError, and abort its execution. Idempotent.

        The log is written first, because the end of the execution would otherwise be recorded as a different failure. A
        run whose promotion has begun cannot be canceled: either the run is canceled, or its version goes live.

        Args:
            run: Name of the run.
            by: Name of the person, for the run's error.

        Raises:
            NotFoundError: There is no such run.
            ConflictError: The run ended for another reason, or its version is being promoted.
        """
        sentence = f"canceled by {by}"
        canceled = self.runs.cancel(run, RunError(type=_CANCELED, message=sentence))
        record = self.runs.get(run)
        if not canceled and record.status == "RUNNING":
            raise ConflictError(f"the version of the run {run} is being promoted: 'modeldrop rollback' undoes that")
        if not canceled and (record.error is None or record.error.type != _CANCELED):
            raise ConflictError(f"the run {run} has ended ({record.status}): only a RUNNING run can be canceled")
        with suppress(NotFoundError):  # the execution has not begun, or is older than 90 days
            self.executions.stop(run, sentence)
        return record
