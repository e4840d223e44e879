"""The JSON that scripts rely on. Keys are added, never renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.cli.views.estimate import estimate_document
from pipeline.cli.views.rejected_uploads import address_of

if TYPE_CHECKING:
    from pipeline.contracts.records.model_version import ModelSummary, ModelVersion, VersionRecord
    from pipeline.contracts.records.run import RejectedUpload, Run
    from pipeline.contracts.stack import StackStatus

__all__ = [
    "model_document",
    "pending_document",
    "promoted_document",
    "rejected_document",
    "run_document",
    "status_document",
]


def status_document(status: StackStatus) -> dict[str, Any]:
    """Return what ``modeldrop status --json`` prints; ``api_key`` is there on the embedded cloud only."""
    document = {
        "running": status.running,
        "endpoint_url": status.endpoint_url,
        "region": status.region,
        "uploads_bucket": status.uploads_bucket,
        "artifacts_bucket": status.artifacts_bucket,
        "api_url": status.api_url,
        "tenant": status.tenant,
    }
    return document | ({"api_key": status.api_key} if status.embedded else {})


def run_document(run: Run) -> dict[str, Any]:
    """Return one run of ``modeldrop runs --json``."""
    return {
        "run": run.run,
        "tenant": run.tenant,
        "model": run.model,
        "file": run.file,
        "status": run.status,
        "version": run.version,
        "error": run.error.model_dump() if run.error else None,
        "reason": run.reason,
        "target": (run.learning.target or None) if run.learning else None,
        "task": run.learning.task if run.learning else None,
        "estimate": estimate_document(run.estimate),
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "events": [{"at": event.at.isoformat(), "text": event.text} for event in run.events],
        "stages": [{"name": s.name, "status": s.status, "seconds": s.seconds} for s in run.stages],
    }


def pending_document(run: str | None, *, tenant: str, model: str, file: str) -> dict[str, Any]:
    """Return what ``modeldrop drop --no-watch --json`` prints: a run before its record is there.

    ``run`` is None for a companion, which is STORED and starts none.
    """
    return {
        "run": run,
        "tenant": tenant,
        "model": model,
        "file": file,
        "status": "PENDING" if run else "STORED",
        "version": None,
        "error": None,
        "reason": None,
        "target": None,
        "task": None,
        "estimate": None,
        "started_at": None,
        "ended_at": None,
        "events": [],
        "stages": [],
    }


def rejected_document(upload: RejectedUpload) -> dict[str, Any]:
    """Return an upload that started no run, among those of ``modeldrop runs --json``: its status is REJECTED."""
    time = upload.at.isoformat()
    return {
        "run": None,
        "tenant": upload.tenant or None,
        "model": None,
        "file": address_of(upload),
        "status": "REJECTED",
        "version": None,
        "error": {"type": "InvalidUploadError", "message": upload.reason},
        "reason": None,
        "target": None,
        "task": None,
        "estimate": None,
        "started_at": time,
        "ended_at": time,
        "events": [],
        "stages": [],
    }


def model_document(summary: ModelSummary, live: ModelVersion | None) -> dict[str, Any]:
    """Return one model of ``modeldrop models --json``; ``live`` is null if nothing was promoted yet."""
    return {
        "tenant": summary.tenant,
        "model": summary.model,
        "latest_version": summary.latest_version,
        "live_version": summary.live_version,
        "aliases": summary.aliases,
        "tags": summary.tags,
        "rollout": summary.rollout.model_dump(mode="json", exclude={"tenant", "model"}) if summary.rollout else None,
        "live": {
            "run": live.lineage.run,
            "target": live.signature.target or None,
            "task": live.signature.task,
            "algorithm": live.algorithm,
            "precision": live.precision,
            "metric": live.metric,
            "quality": live.quality,
            "bytes": live.artifact.bytes,
            "sha256": live.artifact.sha256,
            "created_at": live.created_at.isoformat(),
        }
        if live
        else None,
    }


def promoted_document(version: VersionRecord, *, alias: str, previous: int | None) -> dict[str, Any]:
    """Return what ``promote --json`` and ``rollback --json`` print; to ``previous_version`` the alias pointed
    before.
    """
    return {
        "tenant": version.tenant,
        "model": version.model,
        "alias": alias,
        "version": version.version,
        "previous_version": previous,
        "algorithm": version.algorithm,
        "precision": version.precision,
    }
