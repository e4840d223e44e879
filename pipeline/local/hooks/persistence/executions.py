"""Gap: Step Functions keeps every execution with its history in memory, and writes them only at a clean end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import stepfunctions

from pipeline.local.private_names import private_names
from pipeline.local.store.journal import Journal
from pipeline.local.store.stored_dict import StoredDict

__all__ = ["PRIVATE_NAMES", "StoredExecutions"]

PRIVATE_NAMES = private_names(stepfunctions, "_emit_execution_status_event(execution)", "_executions")

Execution = dict[str, Any]  # MiniStack's record of an execution


class StoredExecutions:
    """Executions: running ones in memory, others on disk, with separate histories.

    Args:
        journal: Stores the executions.
        commit: Commits the journal, from any thread.
    """

    def __init__(self, journal: Journal, *, commit: Callable[[], None]) -> None:
        self._journal = journal
        self._commit = commit
        self._histories = StoredDict(journal, "histories")
        self._executions = StoredDict(
            journal,
            "executions",
            is_pinned=lambda execution: execution["status"] == "RUNNING",
            wrap=lambda key, execution: _Ended(self._histories, key, execution),
        )

    def install(self) -> None:
        """Replace MiniStack's dictionary; write each execution when it starts and when it ends."""
        stepfunctions._executions._data = self._executions
        for key, execution in self._executions.items():
            if execution["status"] == "RUNNING":
                self._executions[key] = execution | {"events": execution["events"]}
        emit = stepfunctions._emit_execution_status_event

        def write_and_emit(execution: Execution) -> None:
            self._write(execution)
            emit(execution)

        stepfunctions._emit_execution_status_event = write_and_emit

    def _write(self, execution: Execution) -> None:
        """Write an execution; move an ended one from memory to disk."""
        arn = execution["executionArn"]
        account, region = arn.split(":")[4], arn.split(":")[3]
        if execution["status"] != "RUNNING":
            with self._journal.lock:
                self._move_to_disk((account, region, arn), execution)
        self._commit()

    def _move_to_disk(self, key: tuple[str, str, str], execution: Execution) -> None:
        self._histories[key] = execution["events"]
        ended = {name: value for name, value in execution.items() if name != "events"}
        self._executions[key] = _Ended(self._histories, key, ended)


class _Ended(dict[str, Any]):
    """Ended execution whose history is read on demand."""

    def __init__(self, histories: StoredDict, key: Any, execution: Mapping[str, Any]) -> None:
        super().__init__(execution)
        self._histories = histories
        self._key = key

    def __missing__(self, name: str) -> Any:
        if name != "events":
            raise KeyError(name)
        return self._histories.get(self._key, [])
