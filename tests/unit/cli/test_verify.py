"""``modeldrop verify``: the golden rows through the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pipeline.contracts.object_keys import RunKeys
from tests.helpers.variant_reports import GOLDEN, YES
from tests.unit.cli.conftest import Stage


@pytest.fixture
def served(stage: Stage) -> Stage:
    stage.serve()
    stage.artifacts.put(RunKeys("demo_m_0").golden, GOLDEN.to_bytes())
    return stage


def test_golden_rows_predicted_as_in_the_evaluation_count_as_equal(served: Stage) -> None:
    assert served.json("verify", "m", "--json") == {"rows": 2, "equal": 2, "max_difference": 0.0}
    result = served.run("verify", "m", "1")
    assert result.exit_code == 0
    assert "2 of 2 golden rows" in result.stderr


def test_verify_fails_when_a_golden_row_is_predicted_differently(served: Stage) -> None:
    def answer(body: dict[str, Any]) -> httpx.Response:
        other = {"label": "yes", "probabilities": {"no": 0.3, "yes": 0.7}}
        return httpx.Response(200, json={"model": "m", "version": 1, "predictions": [YES, other]})

    served.answer = answer
    result = served.run("verify", "m", "--json")
    assert result.exit_code == 1
    assert '"equal": 1' in result.stdout


def test_verify_fails_for_a_version_without_golden_rows(stage: Stage) -> None:
    stage.serve()
    result = stage.run("verify", "m")
    assert result.exit_code == 1
    assert "no golden rows" in result.stderr
