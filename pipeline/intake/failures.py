"""Parse how a run failed, from the state machine's events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.errors import error_named
from pipeline.contracts.records.run import RunError

__all__ = ["Failure", "parse_cause", "parse_failure"]

_TIMED_OUT = frozenset({"States.Timeout", "States.HeartbeatTimeout", "Sandbox.Timedout"})
_ENDED = {
    "TIMED_OUT": "the run exceeded its time limit",
    "ABORTED": "the run was aborted",
    "FAILED": "the run's execution failed outside its steps",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A failed run and its error."""

    run: str
    error: RunError


def parse_failure(event: Mapping[str, Any]) -> Failure:
    """Parse the input of a Catch, or EventBridge's event of an ended execution.

    An error type without a class in contracts.errors is a defect or a crash. The text of such an error may quote user
    data, so a general sentence replaces it.

    Args:
        event: ``{"run", "error": {"Error", "Cause"}}``, or an event with ``detail``.
    """
    if "detail" not in event:
        return Failure(
            run=event["run"], error=_parse_state_error(event["error"]["Error"], event["error"].get("Cause", ""))
        )
    detail = event["detail"]
    if detail["status"] == "FAILED" and detail.get("error"):
        return Failure(run=detail["name"], error=_parse_state_error(detail["error"], detail.get("cause") or ""))
    return Failure(run=detail["name"], error=RunError(type="ExecutionEndedError", message=_ENDED[detail["status"]]))


def _parse_state_error(name: str, cause: str) -> RunError:
    if name in _TIMED_OUT:
        return RunError(type="ExecutionEndedError", message="a step of the run exceeded its time limit")
    if type(error_named(name, "")).__name__ != name:
        return RunError(type="InternalError", message=f"the run ended with an unexpected {name}: its log says where")
    return RunError(type=name, message=_message(cause))


def _message(cause: str) -> str:
    """Return the sentence in a Cause: the errorMessage of a function, or the text of a Fail state."""
    return str((parse_cause(cause) or {}).get("errorMessage", cause))


def parse_cause(cause: str) -> dict[str, Any] | None:
    """Return the JSON object in the Cause of a failed state; None if it is text, as for a Fail state or a timeout."""
    try:
        document = json.loads(cause)
    except json.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None
