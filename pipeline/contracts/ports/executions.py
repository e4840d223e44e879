"""Ports of state machine executions and of Lambda calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

__all__ = ["Execution", "Executions", "FunctionCalls"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """One execution of the state machine.

    Attributes:
        status: As Step Functions names it: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED.
        ended_at: End of the execution; None while it runs.
        error: Error name of a failure.
        cause: Cause of a failure; a sentence or a JSON document.
    """

    status: str
    ended_at: datetime | None = None
    error: str | None = None
    cause: str | None = None


class Executions(Protocol):
    """Executions of the state machine, each named after its run."""

    def start(self, name: str, document: Mapping[str, Any]) -> bool:
        """Start the execution ``name``.

        Idempotent: Step Functions accepts a name only once within 90 days.

        Args:
            name: Name of the execution, at most 80 characters.
            document: Input of the execution, as JSON.

        Returns:
            True if it was started; False if an execution of this name exists, running or ended.
        """
        ...

    def stop(self, name: str, cause: str) -> None:
        """Abort the execution ``name``, and the Batch jobs that it waits for.

        Idempotent: an execution that has ended stays as it ended.

        Args:
            name: Name of the execution.
            cause: Sentence that the execution shows as its Cause.

        Raises:
            NotFoundError: There is no such execution.
        """
        ...

    def describe(self, name: str) -> Execution | None:
        """Describe the execution ``name``; its start is visible within seconds.

        Returns:
            The execution; None if there is none, or it ended more than 90 days ago.
        """
        ...


class FunctionCalls(Protocol):
    """Synchronous calls of other Lambda functions."""

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call a function and return its response.

        Args:
            function: Name or ARN.
            event: Event of the call, as JSON; at most 6 MB.

        Raises:
            ModeldropError: The function raised. The error has the class of the same name in contracts.errors, or
                JobCrashedError if there is none.
        """
        ...
