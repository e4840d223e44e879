"""Use case: a run has failed."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.intake.failures import Failure
from pipeline.intake.run_log import RunLog

__all__ = ["RecordFailure"]


@dataclass(frozen=True, kw_only=True)
class RecordFailure:
    """Record the failure of a run.

    Attributes:
        runs: Log of runs.
    """

    runs: RunLog

    def __call__(self, failure: Failure) -> bool:
        """Mark the run as FAILED; return False if it had already ended."""
        return self.runs.fail(failure.run, failure.error)
