"""Use case: an uploaded object starts a run."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.ports import Executions, ObjectStore
from pipeline.intake.run_log import RunLog
from pipeline.intake.start import UploadReference, start_run
from pipeline.registry.tenants import Tenants

__all__ = ["StartRun"]


@dataclass(frozen=True, kw_only=True)
class StartRun:
    """Start the run of an uploaded object, exactly once per object version.

    Attributes:
        uploads: Bucket of the uploads.
        artifacts: Bucket for the run's documents.
        runs: Log of runs.
        tenants: Tenants, of which suspended and deleted ones start no run.
        executions: The state machine.
        large_bytes: Estimated uncompressed size above which the data is validated by a job.
        now: Returns the current time, UTC.
    """

    uploads: ObjectStore
    artifacts: ObjectStore
    runs: RunLog
    tenants: Tenants
    executions: Executions
    large_bytes: int
    now: Clock = utc_now

    def __call__(self, reference: UploadReference) -> str | None:
        """Start the run of ``reference``.

        Returns:
            Name of the run; None if the object starts none.
        """
        return start_run(
            reference,
            uploads=self.uploads,
            artifacts=self.artifacts,
            runs=self.runs,
            tenants=self.tenants,
            executions=self.executions,
            now=self.now(),
            large_bytes=self.large_bytes,
        )
