"""Compare predictions with golden predictions. Standard library only: Lambda functions do it on a cold start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["GoldenComparison", "compare_predictions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenComparison:
    """The result of a comparison with golden predictions.

    Attributes:
        rows: Number of golden rows.
        equal: Number of rows with equal labels, and numbers within the tolerance.
        max_difference: The largest difference of a probability or value, relative for magnitudes above 1; None: labels
            differ, or a number is missing on one side.
    """

    rows: int
    equal: int
    max_difference: float | None

    @property
    def is_equal(self) -> bool:
        """Return whether every row is equal."""
        return self.equal == self.rows


def compare_predictions(
    predictions: Sequence[Any], golden: Sequence[Mapping[str, Any]], tolerance: float
) -> GoldenComparison:
    """Compare predictions with the golden ones, row by row.

    Args:
        predictions: Predictions in the form of the predict function's responses.
        golden: Expected predictions, in the same order.
        tolerance: Tolerance of numbers: absolute, and relative for magnitudes above 1.
    """
    equal, differences = 0, [0.0]
    for index, expected in enumerate(golden):
        row = list(_differences(predictions[index] if index < len(predictions) else None, expected))
        equal += all(difference <= tolerance for difference in row)
        differences += row
    largest = max(differences)
    return GoldenComparison(
        rows=len(golden),
        equal=equal if len(predictions) <= len(golden) else min(equal, len(golden) - 1),
        max_difference=largest if math.isfinite(largest) else None,
    )


def _differences(prediction: Any, expected: Any) -> Iterator[float]:
    """Yield the difference of each number, or infinity if anything else differs."""
    if isinstance(expected, Mapping):
        if not isinstance(prediction, Mapping) or prediction.keys() != expected.keys():
            yield math.inf
            return
        for name, value in expected.items():
            yield from _differences(prediction[name], value)
    elif _is_number(prediction) and _is_number(expected):
        difference = abs(prediction - expected) / max(1.0, abs(prediction), abs(expected))
        yield math.inf if math.isnan(difference) else difference
    elif prediction != expected:  # NaN is served as null
        yield math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
