"""Store the embedded cloud's records on disk.

Records are on the disk before the response to the request that changed them: neither ``kill -9`` nor a power failure
loses an acknowledged change, except log lines, which the operating system may write later.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from pipeline.local.home import Home
from pipeline.local.hooks.persistence import jobs, logs, queues, state_flush
from pipeline.local.hooks.persistence.executions import StoredExecutions
from pipeline.local.hooks.persistence.items import Items
from pipeline.local.hooks.persistence.objects import Objects
from pipeline.local.hooks.s3.upload_events import UploadEvents
from pipeline.local.store.bodies import Bodies
from pipeline.local.store.database import Database, StorageError
from pipeline.local.store.journal import Journal

__all__ = ["Storage"]

_INSUFFICIENT_STORAGE = 507
_COMMIT_SECONDS = 30.0
_OPERATIONS = {"DynamoDB": "dynamodb", "AWSStepFunctions": "stepfunctions"}
_RECORD_SUFFIXES = (
    "Item",
    "Items",
    "Execution",
    "SyncExecution",
    "Transaction",
    "Statement",
)  # suffixes of operations on records
_RESOURCE_PREFIXES = ("Create", "Delete", "Update", "Tag", "Untag")

logger = logging.getLogger("modeldrop.local")


class Storage:
    """All records of one server.

    Only the event loop's thread handles requests and writes records, so that no half-done request is written.
    """

    def __init__(self, home: Home) -> None:
        self._journal = Journal(Database(home.records))
        self._bodies = Bodies(home.contents)
        self._objects = Objects(self._journal, self._bodies, previous_folder=home.objects)
        self._events = UploadEvents(self._journal)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.get_ident()
        self._started = time.time()
        self._last_error = ""

    def install(self) -> None:
        """Replace MiniStack's dictionaries."""
        state_flush.install()
        self._objects.install()
        self._events.install()
        Items(self._journal).install()
        StoredExecutions(self._journal, commit=self.commit).install()
        queues.install(self._journal)
        jobs.install(self._journal)
        logs.install(self._journal)

    def run_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on, write in the thread of ``loop``, which must be the caller's thread."""
        self._loop, self._thread = loop, threading.get_ident()

    def resend_pending_events(self) -> None:
        """Send the events of uploads that a killed server had acknowledged; the server must be listening."""
        self._events.resend_pending()

    def sweep(self) -> None:
        """Delete contents that a killed server wrote but never acknowledged."""
        self._objects.sweep(self._started)

    def commit(self) -> None:
        """Write all changes, and return when they are written. Errors are logged, and the next commit tries again."""
        if self._loop is None or threading.get_ident() == self._thread:
            self._commit()
            return
        written: concurrent.futures.Future[None] = concurrent.futures.Future()

        def commit_here() -> None:
            try:
                self._commit()
            finally:
                written.set_result(None)

        self._loop.call_soon_threadsafe(commit_here)
        with contextlib.suppress(TimeoutError):  # the loop is busy: the change is written a moment later
            written.result(_COMMIT_SECONDS)

    def close(self) -> None:
        """Write all changes, and close the database."""
        self._commit()
        self._journal.database.close()

    def confirm(self, scope: Mapping[str, Any]) -> tuple[int, bytes] | None:
        """Write the changes of a request.

        Returns:
            None if they are written; otherwise status and body of the error response.
        """
        try:
            self._journal.commit()
            service = _changed_service(scope)
            if service is not None:
                state_flush.flush([service])
        except StorageError as error:
            self.log(error)
            return _INSUFFICIENT_STORAGE, _error_body(scope, str(error))
        return None

    def _commit(self) -> None:
        try:
            self._journal.commit()
        except StorageError as error:
            self.log(error)

    def log(self, error: StorageError) -> None:
        """Log an error once, however often it recurs."""
        if str(error) != self._last_error:
            self._last_error = str(error)
            logger.warning("%s", error)


def _changed_service(scope: Mapping[str, Any]) -> str | None:
    """Return the service whose resources, not records, a request changes: a bucket, a table, a state machine."""
    operation, _, name = _header(scope, b"x-amz-target").partition(".")
    if name:
        changes = name.startswith(_RESOURCE_PREFIXES) and not name.endswith(_RECORD_SUFFIXES)
        return _OPERATIONS.get(operation.split("_")[0]) if changes else None
    path = str(scope["path"]).strip("/")
    return "s3" if scope["method"] in ("PUT", "DELETE") and path and "/" not in path else None


def _error_body(scope: Mapping[str, Any], text: str) -> bytes:
    """Return the error in the format of the requested service."""
    if str(scope["path"]).startswith("/restapis/"):
        return json.dumps({"error": text}).encode()
    if _header(scope, b"x-amz-target"):
        return json.dumps({"__type": "InsufficientStorage", "message": text}).encode()
    return f"<Error><Code>InsufficientStorage</Code><Message>{escape(text)}</Message></Error>".encode()


def _header(scope: Mapping[str, Any], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name), "")
