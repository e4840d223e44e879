"""Read LightGBM's trees from its text format.

Thresholds are the greatest float32 that is not above the library's float64: since columns are float32 every row goes
the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.graphs.tree_ensemble import Floats, Trees

__all__ = ["lightgbm_trees", "round_down"]

_TRACKS_NAN = 8  # bits of LightGBM's decision_type: missing values are NaN, ...
_NAN_LEFT = 2  # ... and go left


def round_down(thresholds: npt.NDArray[np.float64]) -> Floats:
    """Return the greatest float32 that is not above each threshold."""
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, and then the greatest number
        nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def lightgbm_trees(text: str, *, targets: int) -> Trees:
    """LightGBM's trees, read from the text that it saves; they add to the ``targets`` sums in turns.

    The splits are of numbers alone, and of columns that are NaN only where training had gaps.
    """
    blocks = enumerate(_lightgbm_fields(text))
    return Trees.join([_lightgbm_tree(fields, target=number % targets) for number, fields in blocks])


def _lightgbm_fields(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each tree."""
    for block in text.split("\nTree=")[1:]:
        lines = block.split("\n\n", 1)[0].splitlines()[1:]
        yield dict(line.split("=", 1) for line in lines if "=" in line)


def _lightgbm_tree(fields: dict[str, str], *, target: int) -> Trees:
    """LightGBM counts leaves -1, -2, ... too."""
    leaves = _numbers(fields["leaf_value"], np.float64).astype(np.float32)
    splits = len(leaves) - 1
    kinds = _numbers(fields.get("decision_type", ""), np.int64)[:splits]
    return Trees(
        roots=np.array([0 if splits else -1]),
        feature=_numbers(fields.get("split_feature", ""), np.int64)[:splits],
        threshold=round_down(_numbers(fields.get("threshold", ""), np.float64)[:splits]),
        left=_numbers(fields.get("left_child", ""), np.int64)[:splits],
        right=_numbers(fields.get("right_child", ""), np.int64)[:splits],
        nan_left=((kinds & _TRACKS_NAN > 0) & (kinds & _NAN_LEFT > 0)).astype(np.int64),
        leaf_target=np.full(len(leaves), target),
        leaf_value=leaves,
    )


def _numbers(field: str, kind: type) -> npt.NDArray[Any]:
    return np.array(field.split(), kind)
