"""Use case: an ended run is done once more, as a new run on the same file."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.errors import ConflictError
from pipeline.contracts.object_keys import RunKeys, parse_upload_key, run_name
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.run import Upload
from pipeline.intake.run_log import RunLog

__all__ = ["RetryRun"]


@dataclass(frozen=True, kw_only=True)
class RetryRun:
    """Copy a run's upload onto its own key, which starts a run as any upload does.

    Attributes:
        runs: Log of runs.
        uploads: Bucket of the upload.
        artifacts: Bucket that remembers which version of the upload the run had.
    """

    runs: RunLog
    uploads: ObjectStore
    artifacts: ObjectStore

    def __call__(self, run: str) -> str:
        """Start the new run, and return its name.

        Args:
            run: Name of the ended run.

        Raises:
            NotFoundError: There is no such run, or its upload is gone: replaced versions are kept for 30 days.
            ConflictError: The run is going.
        """
        if self.runs.get(run).status == "RUNNING":
            raise ConflictError(f"the run {run} is going: 'modeldrop cancel {run}' ends it first")
        upload = Upload.from_bytes(self.artifacts.get(RunKeys.of(run).upload))
        self.uploads.copy_from(self.uploads, upload.key, upload.key, version_id=upload.version_id)
        copied = self.uploads.head(upload.key)
        key = parse_upload_key(upload.key)
        return run_name(key.tenant, key.model, upload.bucket, upload.key, copied.version_id)
