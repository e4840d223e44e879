"""From an uploaded object to a started run, exactly once."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.contracts.errors import InvalidUploadError, ObjectNotFoundError
from pipeline.contracts.object_keys import MAX_PARTS, RunKeys, UploadKey, parse_upload_key, rejected_key, run_name
from pipeline.contracts.ports import Executions, ObjectInfo, ObjectStore
from pipeline.contracts.records.run import Part, Upload
from pipeline.intake.run_log import RunLog

__all__ = ["UploadReference", "start_run"]

_EXPANSION_FACTORS = {".gz": 5, ".parquet": 3}  # usual factors: a small file may be a large table

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadReference:
    """An object as an event names it, ``key`` decoded.

    Without a ``version_id`` (some clouds' events have none) the latest version is meant, and the ``sequencer`` tells
    the events of one key apart.
    """

    bucket: str
    key: str
    version_id: str | None = None
    sequencer: str | None = None


def start_run(  # noqa: PLR0913 - the doors of a stage, each by its name
    reference: UploadReference,
    *,
    uploads: ObjectStore,
    artifacts: ObjectStore,
    runs: RunLog,
    executions: Executions,
    now: datetime,
    large_bytes: int,
) -> str | None:
    """Start the run of one object version and return its name; None when the object starts none.

    The execution's input says whether the data is ``large``: more than ``large_bytes`` once it is unpacked, as far as
    names tell. Companions, part files without their _SUCCESS and objects that are gone again start none, nor does an
    object whose run has ended. A key that names no valid tenant and model can have no run either: it is listed beside
    the runs, reported at object_keys.rejected_key and not raised, since no redelivery could help.
    Every step may be repeated: a message that comes again does what is still missing and changes nothing else.
    """
    try:
        named = parse_upload_key(reference.key)
    except InvalidUploadError as error:
        _reject(reference, error, artifacts)
        runs.reject(reference.bucket, reference.key, error.message, at=now)
        return None
    if not named.starts_run:
        return None
    try:
        found = uploads.head(reference.key, version_id=reference.version_id)
    except ObjectNotFoundError:
        _log.warning("the uploaded object is gone again: no run is started", extra={"tenant": named.tenant})
        return None
    run = run_name(named.tenant, named.model, reference.bucket, reference.key, found.version_id)
    upload = _upload(reference, named, found, uploads, now)
    # The record comes first, so that the execution finds it; the execution last, since it is what cannot be undone.
    began = runs.create(run, tenant=named.tenant, model=named.model, file=named.shown, started_at=now)
    if not began and runs.get(run).status != "RUNNING":
        _log.warning("the run has ended: it is not started again", extra={"run": run})
        return None
    if not artifacts.put_if_absent(RunKeys.of(run).upload, upload.to_bytes()):  # an earlier delivery's stays
        upload = Upload.from_bytes(artifacts.get(RunKeys.of(run).upload))
    executions.start(run, {"run": run, "large": _unpacked(upload) > large_bytes})
    return run


def _upload(
    reference: UploadReference, named: UploadKey, found: ObjectInfo, uploads: ObjectStore, now: datetime
) -> Upload:
    parts = tuple(_parts(named, uploads)) if named.dataset is not None else ()
    return Upload(
        bucket=reference.bucket,
        key=reference.key,
        version_id=found.version_id,
        bytes=found.bytes + sum(part.bytes for part in parts),
        etag=found.etag,
        metadata=dict(found.metadata),
        parts=parts,
        modified_at=found.modified_at,
        started_at=now,
    )


def _parts(named: UploadKey, uploads: ObjectStore) -> Iterator[Part]:
    """As they are now: what is written later is not in the run, nor are hidden files (_committed, .crc).

    One more than there may be, so that validation refuses them.
    """
    folder = f"{named.sibling('')}{named.dataset}/"
    files = (found for found in uploads.latest_versions(folder) if _is_part(named, found.key.removeprefix(folder)))
    for found in sorted(itertools.islice(files, MAX_PARTS + 1), key=lambda found: found.key):
        yield Part(key=found.key, version_id=found.version_id, bytes=found.bytes)


def _is_part(named: UploadKey, name: str) -> bool:
    return named.is_data(name) and not name.startswith((".", "_"))


def _unpacked(upload: Upload) -> float:
    files = [(part.key, part.bytes) for part in upload.parts] or [(upload.key, upload.bytes)]
    return sum(
        size * next((times for end, times in _EXPANSION_FACTORS.items() if key.endswith(end)), 1) for key, size in files
    )


def _reject(reference: UploadReference, error: InvalidUploadError, artifacts: ObjectStore) -> None:
    report = {"bucket": reference.bucket, "key": reference.key, "error": error.message}
    at = rejected_key(reference.bucket, reference.key)
    artifacts.put(at, json.dumps(report, indent=1).encode(), content_type="application/json")
    _log.warning("an uploaded object's key names no tenant and model: no run is started", extra={"report": at})
