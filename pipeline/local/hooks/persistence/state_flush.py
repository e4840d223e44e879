"""Gap: MiniStack writes its whole state at a clean end only, logs errors, and reads a damaged file as an empty one.

The state does not contain what is in the journal: objects, items, messages, executions, jobs and log lines.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import persistence
from ministack.services import cloudformation
from ministack.services.cloudformation import stacks

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.atomic_files import write_atomically
from pipeline.local.private_names import private_names
from pipeline.local.store.database import StorageError

__all__ = ["PRIVATE_NAMES", "check_files", "flush", "install"]

PRIVATE_NAMES = (
    *private_names(app, "_build_persistence_save_dict()"),
    *private_names(cloudformation, "_stack_events"),
    *private_names(
        stacks,
        "_add_event(stack_id, stack_name, logical_id, resource_type, status, reason, physical_id, detailed_status)",
    ),
    *private_names(
        persistence,
        "save_all(services)",
        "save_state(service, data)",
        "_json_default(obj)",
        "_state_format_version(service)",
    ),
)

_MAX_STACK_EVENTS = 1000  # an update of the stack adds about 300
_MAX_COPY_ATTEMPTS = 5  # attempts to copy a dictionary that a request changes meanwhile
_written: dict[str, int] = {}  # hash by service
_errors: list[OSError] = []
_lock = threading.Lock()


def install() -> None:
    """Write a service's state only when it changed; report errors; write all states when a stack is complete."""
    add_event = stacks._add_event

    def add_event_and_write(*args: Any, **options: Any) -> None:
        add_event(*args, **options)
        stack, resource_type, status = args[0], *args[3:5]
        if resource_type == "AWS::CloudFormation::Stack" and status.endswith("_COMPLETE"):
            del cloudformation._stack_events.get(stack, [])[:-_MAX_STACK_EVENTS]
            with contextlib.suppress(StorageError):  # the next flush tries again
                flush()

    stacks._add_event = add_event_and_write
    persistence.save_state = _save


def flush(services: Collection[str] | None = None) -> None:
    """Write the state of services.

    Args:
        services: Names of services; None for all.

    Raises:
        StorageError: A state could not be written.
    """
    with _lock:
        _errors.clear()
        states = app._build_persistence_save_dict().items()
        persistence.save_all(
            {name: _retry_while_changing(state) for name, state in states if services is None or name in services}
        )
        if _errors:
            raise StorageError(f"{persistence.STATE_DIR} cannot be written: {_errors[0].strerror}")


def check_files(folder: Path) -> None:
    """Check that all state files are readable.

    Raises:
        ConfigurationError: A file is damaged.
    """
    for file in sorted(folder.glob("*.json")):
        try:
            json.loads(file.read_bytes())
        except ValueError as error:
            raise ConfigurationError(
                f"{file} is damaged ({error}): restore it from a backup, or start over with 'modeldrop down --wipe'"
            ) from error


def _retry_while_changing(state: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that retries when a request changes a dictionary while it is copied."""

    def retry() -> Any:
        for _ in range(_MAX_COPY_ATTEMPTS - 1):
            with contextlib.suppress(RuntimeError):
                return state()
        return state()

    return retry


def _save(service: str, data: Any) -> None:
    document = {"__ministack_format__": persistence._state_format_version(service), "payload": data}
    content = json.dumps(document, default=persistence._json_default)
    if _written.get(service) == hash(content):
        return
    path = Path(persistence.STATE_DIR) / f"{service}.json"
    try:
        write_atomically(path, content.encode())
    except OSError as error:
        _errors.append(error)
        return
    _written[service] = hash(content)
