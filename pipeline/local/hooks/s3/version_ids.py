"""Gap: S3's events to EventBridge lack the version of the object."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, s3

from pipeline.local.private_names import private_names

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = (
    *private_names(eventbridge, "_dispatch_event(event, view)"),
    *private_names(
        s3,
        "_fire_s3_event(bucket_name, key, event_name, size, etag, "
        "deletion_type, restore_event_data, version_id, sequencer, object_extra, record_extra)",
    ),
)

_version_id: ContextVar[str | None] = ContextVar("version_id", default=None)


def install() -> None:
    """Add the version to the events."""
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_with_version(*args: Any, **options: Any) -> None:
        token = _version_id.set(options.get("version_id"))
        try:
            fire(*args, **options)
        finally:
            _version_id.reset(token)

    def dispatch_with_version(event: dict[str, Any], view: Any = None) -> None:
        version_id = _version_id.get()
        if event["Source"] == "aws.s3" and version_id:
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version_id
            event = {**event, "Detail": json.dumps(detail)}
        dispatch(event, view)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version
