"""Use case: a Batch job failed, and its error decides how the run continues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.contracts.errors import (
    CapacityUnavailableError,
    ImageUnavailableError,
    JobCrashedError,
    JobError,
    JobInterruptedError,
)
from pipeline.intake.job_outcomes import check_job
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["CheckJob", "Fallback"]

Fallback = Mapping[str, str] | str


@dataclass(frozen=True, kw_only=True)
class CheckJob(RunUseCase):
    """Raise the error of a failed job, and note in the run's timeline where the job continues."""

    def __call__(self, run: str, job: str, cause: str = "", fallback: Fallback | None = None) -> None:
        """Check the job ``job`` of ``run``.

        Args:
            run: Name of the run.
            job: Name of the job.
            cause: Cause of States.TaskFailed: Batch's description of the job, as JSON.
            fallback: Where the job continues, by reason: ``no_machine`` if the job got no machine or lost it, ``crash``
                if it ended without an outcome. A string is the value of ``no_machine``: executions that began before an
                update pass it.

        Raises:
            JobError: How the job failed (intake.job_outcomes.check_job).
            ModeldropError: The error in the job's outcome.
        """
        try:
            check_job(run, job, cause, artifacts=self.artifacts)
        except (CapacityUnavailableError, ImageUnavailableError, JobInterruptedError, JobCrashedError) as error:
            if continuation := _find_fallback(error, fallback):
                self.runs.add_event(run, f"{error.message}; it continues {continuation}")
            raise


def _find_fallback(error: JobError, fallback: Fallback | None) -> str | None:
    """Return where the job continues; None if it does not."""
    fallbacks = {"no_machine": fallback} if isinstance(fallback, str) else fallback or {}
    return fallbacks.get("crash" if isinstance(error, JobCrashedError) else "no_machine")
