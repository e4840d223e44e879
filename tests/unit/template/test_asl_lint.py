"""The state machines pass cfn-lint's schema of the States Language (E3601), and checks that the schema lacks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cfnlint.api import lint_all

from tests.helpers.template import STATE_MACHINES, state_machine, tasks_of_all

# https://states-language.net/spec.html#errors
RETRIER = {"ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy"}
CATCHER = {"ErrorEquals", "Next", "ResultPath"}
NUMBERS = {"IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "TimeoutSeconds", "HeartbeatSeconds"}


def _lint(definition: dict[str, Any]) -> list[str]:
    """Lint a definition inside a template: cfn-lint does not read the file of a DefinitionUri."""
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": "arn:aws:iam::123456789012:role/pipeline", "Definition": definition},
    }
    matches = lint_all(json.dumps({"Resources": {"Machine": machine}}))
    return [f"{match.message} {match.path}" for match in matches if match.rule.severity == "error"]


def _check_rules(task: dict[str, Any]) -> list[str]:
    """Find unknown fields of retriers and catchers, and numbers of another type: cfn-lint accepts both."""
    rules = [(rule, RETRIER) for rule in task.get("Retry", [])] + [(rule, CATCHER) for rule in task.get("Catch", [])]
    problems = [f"unknown field {field}" for rule, known in rules for field in set(rule) - known]
    for document in (task, *(rule for rule, _ in rules)):
        numbers = {field: value for field, value in document.items() if field in NUMBERS}
        problems += [f"{field} is {value!r}" for field, value in numbers.items() if not isinstance(value, int | float)]
    return problems


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_a_state_machine_has_no_lint_errors(name: str) -> None:
    assert _lint(state_machine(name)) == []


@pytest.mark.parametrize("name", tasks_of_all())
def test_retriers_and_catchers_have_known_fields_and_numbers_are_numbers(name: str) -> None:
    assert _check_rules(tasks_of_all()[name]) == []


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"TimeoutSecond": 3}, "TimeoutSecond"),
        ({"Next": None}, "Next"),
        ({"ResultPath": "job"}, "ResultPath"),
        ({"Retry": [{"MaxAttempts": 3}]}, "ErrorEquals"),
        ({"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempt": 3}]}, "MaxAttempt"),
        ({"TimeoutSeconds": "3"}, "TimeoutSeconds"),
    ],
)
def test_a_mistake_is_reported(change: dict[str, Any], fact: str) -> None:
    definition = json.loads(json.dumps(state_machine("waits")))
    (name, state), *_ = [pair for pair in definition["States"].items() if pair[1]["Type"] == "Task"]
    changed = {key: value for key, value in {**state, **change}.items() if value is not None}
    definition["States"][name] = changed
    assert any(fact in problem for problem in [*_lint(definition), *_check_rules(changed)])
