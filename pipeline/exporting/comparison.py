"""Compare the outputs of an exported file with those of the served file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["TOLERANCE", "Comparison", "compare_outputs"]

TOLERANCE = 1e-4  # absolute for magnitudes up to 1, relative above


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How an exported file answers the golden rows.

    Attributes:
        rows: Number of rows.
        equal: Rows whose labels are equal and whose numbers differ by at most TOLERANCE.
        max_difference: Largest difference of a number, relative for magnitudes above 1.
    """

    rows: int
    equal: int
    max_difference: float

    @property
    def is_equal(self) -> bool:
        """Whether all rows are equal."""
        return self.equal == self.rows


def compare_outputs(actual: Sequence[npt.NDArray[Any]], expected: Sequence[npt.NDArray[Any]]) -> Comparison:
    """Compare outputs, each ``[rows, ...]``: labels, probabilities or values."""
    rows = len(expected[0])
    equal = np.ones(rows, dtype=bool)
    largest = 0.0
    for actual_output, expected_output in zip(actual, expected, strict=True):
        if expected_output.dtype.kind in "OUS":
            equal &= actual_output.ravel() == expected_output.ravel()
            continue
        wide = expected_output.astype(np.float64).reshape(rows, -1)
        with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is not equal
            difference = np.abs(actual_output.reshape(rows, -1) - wide) / np.maximum(1.0, np.abs(wide))
        largest = max(largest, float(difference.max(initial=0.0)))
        equal &= (difference <= TOLERANCE).all(axis=1)
    return Comparison(rows=rows, equal=int(equal.sum()), max_difference=largest)
