"""Use case: runs without an execution are marked as FAILED."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.ports import Executions
from pipeline.intake.lost_runs import fail_lost_runs
from pipeline.intake.run_log import RunLog

__all__ = ["FailLostRuns"]


@dataclass(frozen=True, kw_only=True)
class FailLostRuns:
    """Mark runs that no execution works on as FAILED.

    Attributes:
        runs: Log of runs.
        executions: Executions of the state machine.
        now: Returns the current time, UTC.
    """

    runs: RunLog
    executions: Executions
    now: Clock = utc_now

    def __call__(self) -> Sequence[str]:
        """Mark the lost runs; return their names. First add the references that runs of an older release lack."""
        self.runs.add_references()
        return fail_lost_runs(self.runs, self.executions, now=self.now())
