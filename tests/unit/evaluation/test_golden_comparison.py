"""Predictions compared with golden predictions."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.evaluation.golden.comparison import compare_predictions

GOLDEN = (
    {"label": "a", "probabilities": {"a": 0.75, "b": 0.25}},
    {"label": "b", "probabilities": {"a": 0.1, "b": 0.9}},
)


def test_equal_predictions_have_no_difference() -> None:
    comparison = compare_predictions(GOLDEN, GOLDEN, 1e-4)
    assert (comparison.rows, comparison.equal, comparison.max_difference, comparison.is_equal) == (2, 2, 0.0, True)


def test_a_difference_beyond_the_tolerance_is_unequal_and_measured() -> None:
    changed = ({"label": "a", "probabilities": {"a": 0.7, "b": 0.3}}, GOLDEN[1])
    comparison = compare_predictions(changed, GOLDEN, 1e-4)
    assert (comparison.equal, comparison.max_difference) == (1, pytest.approx(0.05))
    assert compare_predictions(changed, GOLDEN, 0.06).is_equal


@pytest.mark.parametrize(
    "prediction",
    [None, {"label": "b", "probabilities": {"a": 0.75, "b": 0.25}}, {"label": "a"}, {"value": 1.0}, "text"],
)
def test_another_label_or_shape_is_unequal_with_any_tolerance(prediction: Any) -> None:
    assert compare_predictions((prediction, GOLDEN[1]), GOLDEN, 1.0).equal == 1


def test_missing_and_additional_predictions_are_unequal() -> None:
    assert compare_predictions(GOLDEN[:1], GOLDEN, 1e-4).equal == 1
    assert compare_predictions((*GOLDEN, GOLDEN[0]), GOLDEN, 1e-4).equal == 1


def test_large_values_are_compared_relatively_and_missing_values_have_no_difference() -> None:
    golden = ({"value": 2000.0},)
    assert compare_predictions(({"value": 2000.1},), golden, 1e-4).is_equal
    comparison = compare_predictions(({"value": None},), golden, 1e-4)
    assert (comparison.equal, comparison.max_difference) == (0, None)
    assert compare_predictions(({"value": None},), ({"value": None},), 0.0).is_equal
