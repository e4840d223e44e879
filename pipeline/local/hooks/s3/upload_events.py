"""Gap: S3 sends an object's events in the background, and loses them when the server is killed.

Here an event is committed to the journal together with its object, and stays there until it is delivered.
"""

from __future__ import annotations

import threading
import uuid
from contextvars import copy_context
from typing import Any

from ministack.core import responses
from ministack.services import s3

from pipeline.local.private_names import PrivateName, private_names
from pipeline.local.store.journal import Journal
from pipeline.local.store.stored_dict import StoredDict

__all__ = ["PRIVATE_NAMES", "UploadEvents"]

_PARAMETERS = (
    *("bucket_name", "key", "event_name", "size", "etag", "deletion_type", "version_id"),
    *("object_extra", "record_extra"),
)

PRIVATE_NAMES = (
    PrivateName(module=s3, name="_fire_s3_event_async", parameters=_PARAMETERS),
    *private_names(s3, "_bucket_notifications", "_next_event_sequencer(event_name)"),
    *private_names(responses, "request_scope(account_id, region)"),
)

Event = dict[str, Any]


class UploadEvents:
    """Events that are being delivered."""

    def __init__(self, journal: Journal) -> None:
        self._pending = StoredDict(journal, "s3-events")
        self._undelivered = list(self._pending.items())

    def install(self) -> None:
        """Replace MiniStack's delivery of events."""
        s3._fire_s3_event_async = self._send

    def resend_pending(self) -> None:
        """Send the events that a killed server had not delivered. Their targets call this server: it must listen."""
        while self._undelivered:
            name, event = self._undelivered.pop()
            self._start(name, event)

    def _send(self, bucket_name: str, key: str, event_name: str, *args: Any, **options: Any) -> None:
        if bucket_name not in s3._bucket_notifications:
            return
        arguments = dict(zip(_PARAMETERS, (bucket_name, key, event_name, *args), strict=False)) | options
        arguments["sequencer"] = s3._next_event_sequencer(event_name)
        event = {"account": responses.get_account_id(), "region": responses.get_region(), "arguments": arguments}
        name = uuid.uuid4().hex
        self._pending[name] = event
        self._start(name, event)

    def _start(self, name: str, event: Event) -> None:
        threading.Thread(
            target=copy_context().run, args=(self._deliver, name, event), name="upload-event", daemon=True
        ).start()

    def _deliver(self, name: str, event: Event) -> None:
        with responses.request_scope(event["account"], event["region"]):
            s3._fire_s3_event(**event["arguments"])
        del self._pending[name]
