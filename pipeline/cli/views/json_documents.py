"""The JSON that scripts rely on. Keys are added, never renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.cli.views.estimate import estimate_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pipeline.contracts.records.alias_move import AliasMove
    from pipeline.contracts.records.model_version import ModelSummary, ModelVersion, VersionRecord
    from pipeline.contracts.records.run import RejectedUpload, Run
    from pipeline.contracts.stack import StackStatus
    from pipeline.registry.tenants import Tenant

__all__ = [
    "address_of",
    "grant_documents",
    "model_document",
    "move_document",
    "pending_document",
    "promoted_document",
    "rejected_document",
    "run_document",
    "status_document",
    "tenant_document",
    "version_document",
]

# Values for a run whose record does not exist yet, and for an upload that started no run.
_UNKNOWN: Mapping[str, Any] = {
    "run": None,
    "tenant": None,
    "model": None,
    "file": None,
    "status": None,
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


def status_document(status: StackStatus) -> dict[str, Any]:
    """Return what ``modeldrop status --json`` prints; only the embedded cloud has an ``api_key``."""
    names = ("running", "endpoint_url", "region", "uploads_bucket", "artifacts_bucket", "api_url", "tenant")
    return _fields(status, *names, *(["api_key"] if status.embedded else []))


def run_document(run: Run) -> dict[str, Any]:
    """Return one run of ``modeldrop runs --json``."""
    return {
        **_fields(run, "run", "tenant", "model", "file", "status", "version"),
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
    """Return what ``modeldrop drop --no-watch --json`` prints: a run before its record exists.

    ``run`` is None for a companion, which is STORED and starts no run.
    """
    status = "PENDING" if run else "STORED"
    return {**_UNKNOWN, "run": run, "tenant": tenant, "model": model, "file": file, "status": status}


def rejected_document(upload: RejectedUpload) -> dict[str, Any]:
    """Return an upload that started no run, as ``modeldrop runs --json`` lists it: its status is REJECTED."""
    time = upload.at.isoformat()
    return {
        **_UNKNOWN,
        "tenant": upload.tenant or None,
        "file": address_of(upload),
        "status": "REJECTED",
        "error": {"type": "InvalidUploadError", "message": upload.reason},
        "started_at": time,
        "ended_at": time,
    }


def address_of(upload: RejectedUpload) -> str:
    """Return the address of an upload; only its key if the API does not name the bucket."""
    return f"s3://{upload.bucket}/{upload.key}" if upload.bucket else upload.key


def model_document(summary: ModelSummary, live: ModelVersion | None) -> dict[str, Any]:
    """Return one model of ``modeldrop models --json``; ``live`` is null if nothing was promoted yet."""
    return {
        **_fields(summary, "tenant", "model", "latest_version", "live_version", "aliases", "tags"),
        "rollout": summary.rollout.model_dump(mode="json", exclude={"tenant", "model"}) if summary.rollout else None,
        "live": {
            "run": live.lineage.run,
            "target": live.signature.target or None,
            "task": live.signature.task,
            **_fields(live, "algorithm", "precision", "metric", "quality"),
            "bytes": live.artifact.bytes,
            "sha256": live.artifact.sha256,
            "created_at": live.created_at.isoformat(),
        }
        if live
        else None,
    }


def promoted_document(version: VersionRecord, *, alias: str, previous: int | None) -> dict[str, Any]:
    """Return what ``promote --json`` and ``rollback --json`` print; ``previous_version`` is the one before."""
    return {
        "tenant": version.tenant,
        "model": version.model,
        "alias": alias,
        "version": version.version,
        "previous_version": previous,
        **_fields(version, "algorithm", "precision"),
    }


def version_document(record: VersionRecord, *, until: datetime | None = None) -> dict[str, Any]:
    """Return what archive, delete and undelete print; ``restorable_until`` ends the grace period."""
    restorable_until = until.isoformat() if until else None
    return {**_fields(record, "tenant", "model", "version", "status"), "restorable_until": restorable_until}


def move_document(move: AliasMove) -> dict[str, Any]:
    """Return one move of ``modeldrop history --json``."""
    return {"at": move.at.isoformat(), **_fields(move, "alias", "version", "previous", "by", "reason")}


def tenant_document(tenant: Tenant) -> dict[str, Any]:
    """Return one tenant of ``modeldrop tenants list --json``; its gateway key is not shown."""
    return _fields(tenant, "tenant", "status", "tier", "created_at")


def grant_documents(grants: Mapping[tuple[str, str], str]) -> list[dict[str, str]]:
    """Return grants on shared models as JSON."""
    return [{"model": model, "tenant": tenant, "role": role} for (model, tenant), role in sorted(grants.items())]


def _fields(record: object, *names: str) -> dict[str, Any]:
    """Return fields of a record that need no conversion for JSON."""
    return {name: getattr(record, name) for name in names}
