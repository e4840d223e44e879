"""Gap: MiniStack accepts a state machine with fields that an optimized integration does not support."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ministack.services import stepfunctions

from pipeline.local.hooks.step_functions.batch_integration import SYNC_PARAMETERS
from pipeline.local.private_names import private_names

__all__ = ["OPTIMIZED", "PRIVATE_NAMES", "find_unsupported_field", "install"]

PRIVATE_NAMES = private_names(stepfunctions, "_validate_definition_jsonata(definition_str)")

# Fields of the integrations that our state machines use: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
OPTIMIZED: Mapping[str, frozenset[str]] = {
    "arn:aws:states:::lambda:invoke": frozenset(
        {"FunctionName", "Payload", "InvocationType", "Qualifier", "ClientContext"}
    ),
    "arn:aws:states:::batch:submitJob.sync": SYNC_PARAMETERS,
    "arn:aws:states:::states:startExecution.sync:2": frozenset({"StateMachineArn", "Input", "Name", "TraceHeader"}),
}


def install() -> None:
    """Refuse such a state machine when it is created or updated, as CreateStateMachine does."""
    validate = stepfunctions._validate_definition_jsonata

    def validate_fields(definition_str: Any) -> str | None:
        problem: str | None = validate(definition_str)
        if problem is not None or not isinstance(definition_str, str):
            return problem
        try:
            definition = json.loads(definition_str)
        except ValueError:
            return None  # invalid JSON is refused elsewhere
        return find_unsupported_field(definition) if isinstance(definition, dict) else None

    stepfunctions._validate_definition_jsonata = validate_fields


def find_unsupported_field(definition: Mapping[str, Any]) -> str | None:
    """Find a field of a task's Parameters that its integration does not support.

    Args:
        definition: State machine in the Amazon States Language.

    Returns:
        CreateStateMachine's error message; None if every field is supported.
    """
    for name, state in _states(definition):
        supported = OPTIMIZED.get(state.get("Resource", ""))
        fields = {field.removesuffix(".$") for field in state.get("Parameters") or {}}
        if supported is not None and (unknown := sorted(fields - supported)):
            return (
                f'SCHEMA_VALIDATION_FAILED: The field "{unknown[0]}" is not supported by Step Functions '
                f"at /States/{name}/Parameters"
            )
    return None


def _states(definition: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, state in (definition.get("States") or {}).items():
        yield name, state
        inner = state.get("ItemProcessor") or state.get("Iterator")
        for machine in [*([inner] if inner else []), *(state.get("Branches") or [])]:
            yield from _states(machine)
