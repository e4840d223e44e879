"""Gap: Batch keeps all jobs in memory, and writes them only at a clean end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.services import batch

from pipeline.local.private_names import private_names
from pipeline.local.store.journal import Journal
from pipeline.local.store.stored_dict import StoredDict

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = private_names(batch, "_jobs", "load_persisted_state(data)")

_ENDED = ("SUCCEEDED", "FAILED")
_MAX_JOBS = 10_000  # Batch itself drops ended jobs after a week


def install(journal: Journal) -> None:
    """Store jobs in the journal; mark running jobs of a previous server as failed."""
    jobs = StoredDict(journal, "batch-jobs", is_pinned=lambda job: job["status"] not in _ENDED, limit=_MAX_JOBS)
    batch._jobs._data = jobs
    for key, job in jobs.items():
        if job["status"] not in _ENDED:
            jobs[key] = job | {"status": "FAILED", "statusReason": "Host EC2 (local) terminated."}
    load = batch.load_persisted_state

    def load_without_jobs(data: Mapping[str, Any]) -> None:
        batch._jobs._data = {}  # loading deletes all jobs first
        load(data)
        batch._jobs._data = jobs

    batch.load_persisted_state = load_without_jobs
