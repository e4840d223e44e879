"""The cost of a small upload in docs/costs.md adds up, and its quantities match the code."""

from __future__ import annotations

import re

import pytest

from pipeline.planning.estimates import DOLLARS_AN_HOUR
from tests.helpers.template import ROOT, state_machine, template

TEXT = (ROOT / "docs" / "costs.md").read_text()
SECTION = TEXT.split("### A file of 500 rows")[1].split("\n## ")[0]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in SECTION.splitlines() if line.startswith("|")]
MOST_SECONDS, MOST_DOLLARS = 120, 0.005


def _column(head: str) -> dict[str, str]:
    """Map step to quantity in the table with this column."""
    first = next(number for number, row in enumerate(ROWS) if row[1] == head)
    last = next(number for number in range(first, len(ROWS)) if ROWS[number][0] == "**sum**")
    return {row[0]: row[1].strip("*") for row in ROWS[first + 2 : last + 1]}


def _bounds(text: str) -> tuple[float, float]:
    numbers = [float(number) for number in re.findall(r"[\d.]+", text)]
    return min(numbers), max(numbers)


def test_the_seconds_add_up_and_are_below_two_minutes() -> None:
    steps = _column("seconds")
    total = float(steps.pop("**sum**"))
    assert total == pytest.approx(sum(map(float, steps.values())))
    assert total <= MOST_SECONDS


def test_the_dollars_add_up_and_are_below_half_a_cent() -> None:
    parts = _column("dollars")
    total = _bounds(parts.pop("**sum**"))
    for bound in (0, 1):
        assert total[bound] == pytest.approx(sum(_bounds(part)[bound] for part in parts.values()), abs=1e-4)
    assert total[1] <= MOST_DOLLARS


def test_the_seconds_and_price_of_fargate_match_the_steps_and_the_estimate() -> None:
    steps = _column("seconds")
    seconds = sum(float(value) for step, value in steps.items() if "Fargate" in step or "train_and_compress" in step)
    low, high = _bounds(_column("dollars")[f"Fargate Spot, {seconds:g} s (all of the start counted)"])
    on_demand = seconds / 3600 * DOLLARS_AN_HOUR["fargate"]
    assert (low, high) == (pytest.approx(0.3 * on_demand, abs=1e-4), pytest.approx(0.5 * on_demand, abs=1e-4))


def test_the_number_of_transitions_matches_the_state_machine() -> None:
    """As a small plan takes it when nothing fails."""
    states = state_machine()["States"]
    name, count = state_machine()["StartAt"], 0
    while name is not None:
        count += 1
        state = states[name]
        name = "TrainAndCompress" if name == "ChooseJobs" else state.get("Default", state.get("Next"))
    assert f"Step Functions: {count} transitions" in SECTION
    dollars = _bounds(_column("dollars")[f"Step Functions: {count} transitions, 4 of the waiting limit"])
    assert dollars[0] == pytest.approx((count + 4) * 0.025 / 1000, abs=1e-4)


def test_the_functions_have_the_memory_used_in_the_computation() -> None:
    resources = template()["Resources"]
    memory = {
        name: one["Properties"]["MemorySize"]
        for name, one in resources.items()
        if one["Type"] == "AWS::Serverless::Function"
    }
    assert memory["ValidateDatasetFunction"] == memory["EvaluateModelFunction"] == 3008
    assert memory["PredictFunction"] == 1769
    small = ("StartRun", "PlanTraining", "CollectJob", "SelectVariant", "RegisterModel", "SmokeTest", "PromoteModel")
    assert {memory[f"{name}Function"] for name in small} == {256}
