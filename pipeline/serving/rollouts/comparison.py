"""Compare the predictions of two versions for the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["compare_outputs"]


def compare_outputs(live: NDArray[Any], new: NDArray[Any]) -> Mapping[str, float]:
    """Return the amounts to add to a rollout's counters.

    Args:
        live: First output of the live version: labels, or values [rows] or [rows, targets].
        new: First output of the new version.

    Returns:
        For labels, the numbers of ``compared`` and ``different`` rows. For values, ``compared``, the number of values,
        and the sums from which the registry computes the root mean square difference in standard deviations of the live
        values. If the shapes differ, all rows count as different.
    """
    if live.dtype.kind == "f" and new.dtype.kind == "f" and live.shape == new.shape:
        is_finite = np.isfinite(live) & np.isfinite(new)
        expected = live[is_finite].astype(np.float64)
        return {
            "compared": len(live),
            "values": expected.size,
            "live_sum": float(expected.sum()),
            "live_squares": float(np.square(expected).sum()),
            "difference_squares": float(np.square(new[is_finite] - expected).sum()),
        }
    different = int((live != new).sum()) if live.shape == new.shape else len(live)
    return {"compared": len(live), "different": different}
