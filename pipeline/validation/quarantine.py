"""Copy a refused file to the quarantine folder, with a report of the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pipeline.contracts.errors import InputError
from pipeline.contracts.object_keys import RunKeys, parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.run import Upload

__all__ = ["quarantine"]

_REPORT = "report.json"


def quarantine(  # noqa: PLR0913 - what was refused, and the stores
    run: str,
    upload: Upload,
    error: InputError,
    *,
    uploads: ObjectStore,
    artifacts: ObjectStore,
    key: str = "",
) -> None:
    """Copy the uploaded files to ``RunKeys.quarantine(file)`` and write ``report.json`` to the same folder.

    The report is a JSON object: ``run``, ``error`` {``type``, ``message``, ``details``}, ``upload``
    (records.run.Upload without its metadata), ``file`` (the key of the copy), ``sha256`` (null if the file was refused
    before it was read), ``at`` (UTC).

    Args:
        run: The run's id.
        upload: The refused file.
        error: The reason.
        uploads: The store that holds the upload.
        artifacts: The store that gets the copies and the report.
        key: Key of the refused file in ``uploads``; empty: the upload's key.
    """
    keys = RunKeys(run)
    named = parse_upload_key(upload.key)
    name = named.file
    copy = keys.quarantine(name if name != _REPORT else f"{name}.upload")
    artifacts.copy_from(uploads, key or upload.key, copy, version_id=None if key else upload.version_id)
    for part_file in upload.parts:
        file = f"{named.dataset}/{part_file.key.rsplit('/', 1)[1]}"
        artifacts.copy_from(uploads, part_file.key, keys.quarantine(file), version_id=part_file.version_id)
    details = dict(error.details)
    report = {
        "run": run,
        "error": {"type": type(error).__name__, "message": error.message, "details": details},
        "upload": upload.model_dump(mode="json", exclude={"metadata"}),
        "file": copy,
        "sha256": details.pop("sha256", None),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    artifacts.put(keys.quarantine(_REPORT), json.dumps(report, indent=1).encode(), content_type="application/json")
