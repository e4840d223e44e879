"""Start one run for each uploaded object, exactly once."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipeline.contracts.errors import InvalidUploadError, ObjectNotFoundError
from pipeline.contracts.object_keys import MAX_PARTS, RunKeys, UploadKey, parse_upload_key, rejected_key, run_name
from pipeline.contracts.ports import Executions, ObjectInfo, ObjectStore
from pipeline.contracts.records.run import Part, Upload
from pipeline.intake.run_log import RunLog

__all__ = ["UploadReference", "start_run"]

_EXPANSION_FACTORS = {".gz": 5, ".parquet": 3}  # typical compression ratio

_REFUSED = {  # status of the tenant -> message
    "SUSPENDED": "the tenant is suspended: upload the file again when it is active",
    "DELETED": "the tenant was deleted: the file was uploaded with what had been signed before",
}

_log = logging.getLogger(__name__)


class TenantStatuses(Protocol):
    """Statuses of tenants (registry.tenants)."""

    def status(self, tenant: str) -> str | None:
        """Return ACTIVE, SUSPENDED or DELETED; None if there is no record of the tenant."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadReference:
    """Object that an event reports.

    Attributes:
        bucket: Bucket of the object.
        key: Key, decoded.
        version_id: Version; None means the latest one, since the events of some clouds do not name a version.
    """

    bucket: str
    key: str
    version_id: str | None = None


def start_run(  # noqa: PLR0913 - the ports of a stage, by keyword
    reference: UploadReference,
    *,
    uploads: ObjectStore,
    artifacts: ObjectStore,
    runs: RunLog,
    tenants: TenantStatuses,
    executions: Executions,
    now: datetime,
    large_bytes: int,
) -> str | None:
    """Start the run of one object version.

    Companions, part files before their _SUCCESS, deleted objects, and objects whose run has ended start no run. An
    object whose key has no valid tenant and model is recorded as rejected, and reported at object_keys.rejected_key;
    this is not an error, since redelivery would not help. An upload of a suspended or deleted tenant is rejected too:
    presigned uploads remain valid for 15 minutes.

    Idempotent: a redelivered message completes the missing steps and changes nothing else.

    Args:
        reference: The object.
        uploads: Bucket of the object.
        artifacts: Bucket for the run's documents.
        runs: Log of runs.
        tenants: Statuses of tenants.
        executions: The state machine. The execution's input says whether the data is ``large``.
        now: Current time, UTC.
        large_bytes: Estimated uncompressed size in bytes above which the data is large.

    Returns:
        Name of the run; None if the object starts none.
    """
    try:
        upload_key = parse_upload_key(reference.key)
    except InvalidUploadError as error:
        _reject(reference, error.message, artifacts)
        runs.reject(reference.bucket, reference.key, error.message, at=now)
        return None
    if not upload_key.starts_run:
        return None
    if (status := tenants.status(upload_key.tenant)) in _REFUSED:
        _reject(reference, _REFUSED[status], artifacts)
        # A deleted tenant's upload is recorded without a tenant: a later tenant of the same name must not see it.
        owner = None if status == "SUSPENDED" else ""
        runs.reject(reference.bucket, reference.key, _REFUSED[status], at=now, tenant=owner)
        return None
    try:
        info = uploads.head(reference.key, version_id=reference.version_id)
    except ObjectNotFoundError:
        _log.warning("the uploaded object no longer exists: no run is started", extra={"tenant": upload_key.tenant})
        return None
    run = run_name(upload_key.tenant, upload_key.model, reference.bucket, reference.key, info.version_id)
    upload = _upload(reference, upload_key, info, uploads, now)
    # The log is created first, so that the execution finds it; the execution starts last, since it cannot be undone.
    tenant, model, file = upload_key.tenant, upload_key.model, upload_key.display_name
    began = runs.create(run, tenant=tenant, model=model, file=file, started_at=now)
    if not began and runs.get(run).status != "RUNNING":
        _log.warning("the run has already ended: it is not started again", extra={"run": run})
        return None
    if not artifacts.put_if_absent(RunKeys(run).upload, upload.to_bytes()):  # keep an earlier delivery's record
        upload = Upload.from_bytes(artifacts.get(RunKeys(run).upload))
    executions.start(run, {"run": run, "large": _estimate_unpacked_bytes(upload) > large_bytes})
    return run


def _upload(
    reference: UploadReference, upload_key: UploadKey, info: ObjectInfo, uploads: ObjectStore, now: datetime
) -> Upload:
    part_files = tuple(_parts(upload_key, uploads)) if upload_key.dataset is not None else ()
    return Upload(
        bucket=reference.bucket,
        key=reference.key,
        version_id=info.version_id,
        bytes=info.bytes + sum(part_file.bytes for part_file in part_files),
        etag=info.etag,
        metadata=dict(info.metadata),
        parts=part_files,
        modified_at=info.modified_at,
        started_at=now,
    )


def _parts(upload_key: UploadKey, uploads: ObjectStore) -> Iterator[Part]:
    """Yield the part files that exist now, without hidden files (_committed, .crc).

    At most MAX_PARTS + 1 are yielded, so that validation can refuse too many. Files written later are not in the run.
    """
    folder = f"{upload_key.sibling('')}{upload_key.dataset}/"
    files = (info for info in uploads.latest_versions(folder) if _is_part(upload_key, info.key.removeprefix(folder)))
    for info in sorted(itertools.islice(files, MAX_PARTS + 1), key=lambda info: info.key):
        yield Part(key=info.key, version_id=info.version_id, bytes=info.bytes)


def _is_part(upload_key: UploadKey, name: str) -> bool:
    return upload_key.is_data(name) and not name.startswith((".", "_"))


def _estimate_unpacked_bytes(upload: Upload) -> float:
    files = [(part_file.key, part_file.bytes) for part_file in upload.parts] or [(upload.key, upload.bytes)]
    return sum(
        size * next((factor for suffix, factor in _EXPANSION_FACTORS.items() if key.endswith(suffix)), 1)
        for key, size in files
    )


def _reject(reference: UploadReference, reason: str, artifacts: ObjectStore) -> None:
    report = {"bucket": reference.bucket, "key": reference.key, "error": reason}
    report_key = rejected_key(reference.bucket, reference.key)
    artifacts.put(report_key, json.dumps(report, indent=1).encode(), content_type="application/json")
    _log.warning(
        "an uploaded object has no active tenant or no valid key: no run is started", extra={"report": report_key}
    )
