"""Compare the outputs of an exported graph with those of the original."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.golden.comparison import GoldenComparison

__all__ = ["TOLERANCE", "compare_outputs", "format_difference"]

TOLERANCE = 1e-4  # absolute for magnitudes up to 1, relative above


def compare_outputs(actual: Sequence[npt.NDArray[Any]], expected: Sequence[npt.NDArray[Any]]) -> GoldenComparison:
    """Compare outputs, each ``[rows, ...]``: labels, probabilities or values.

    A row is equal if its labels are equal and its numbers differ by at most TOLERANCE.
    """
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
        largest = max(largest, float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0)))
        equal &= (difference <= TOLERANCE).all(axis=1)
    return GoldenComparison(
        rows=rows, equal=int(equal.sum()), max_difference=largest if math.isfinite(largest) else None
    )


def format_difference(comparison: GoldenComparison) -> str:
    """Return the largest difference as text for a message."""
    return "not a number" if comparison.max_difference is None else f"{comparison.max_difference:.1e}"
