"""Read LightGBM's trees from its text format.

A threshold becomes the greatest float32 that is not above LightGBM's float64: since columns are float32, every row
takes the same branch.
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
    with np.errstate(over="ignore"):  # a threshold beyond float32 becomes infinite, then the greatest float32
        nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def lightgbm_trees(text: str, *, targets: int) -> Trees:
    """Read LightGBM's trees from the text that it saves; tree ``n`` adds to the sum ``n % targets``.

    All splits must be numeric, on columns that are NaN only where training had missing values, too.
    """
    blocks = enumerate(_lightgbm_fields(text))
    return Trees.join([_lightgbm_tree(fields, target=number % targets) for number, fields in blocks])


def _lightgbm_fields(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each tree."""
    for block in text.split("\nTree=")[1:]:
        lines = block.split("\n\n", 1)[0].splitlines()[1:]
        yield dict(line.split("=", 1) for line in lines if "=" in line)


def _lightgbm_tree(fields: dict[str, str], *, target: int) -> Trees:
    """Read one tree; LightGBM numbers leaves -1, -2, ... like ``Trees``."""
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
