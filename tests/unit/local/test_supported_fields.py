"""A state machine with a field that its integration does not support is refused, as on AWS."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.local.hooks.step_functions.supported_fields import find_unsupported_field
from tests.helpers.template import STATE_MACHINES, state_machine

NODES = {
    "Type": "Task",
    "Resource": "arn:aws:states:::batch:submitJob.sync",
    "Parameters": {"JobName": "n", "JobQueue": "q", "JobDefinition": "d", "NodeOverrides": {"NumNodes.$": "$.nodes"}},
    "End": True,
}


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_the_state_machines_have_no_unsupported_field(name: str) -> None:
    assert find_unsupported_field(state_machine(name)) is None


@pytest.mark.parametrize(
    "definition",
    [
        {"States": {"Train": NODES}},
        {"States": {"Map": {"Type": "Map", "ItemProcessor": {"States": {"Train": NODES}}}}},
        {"States": {"Both": {"Type": "Parallel", "Branches": [{"States": {}}, {"States": {"Train": NODES}}]}}},
    ],
)
def test_an_unsupported_field_at_any_depth_is_named_with_its_state(definition: dict[str, Any]) -> None:
    problem = find_unsupported_field(definition)
    assert problem is not None
    assert '"NodeOverrides" is not supported' in problem
    assert "/States/Train/Parameters" in problem


def test_the_sdk_integration_accepts_the_same_field() -> None:
    state = {**NODES, "Resource": "arn:aws:states:::aws-sdk:batch:submitJob"}
    assert find_unsupported_field({"States": {"Train": state}}) is None
