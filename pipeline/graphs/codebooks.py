"""Weight sharing: replace weights by a few values, found by one-dimensional k-means.

Source: Han et al. 2016, Deep Compression (arXiv:1510.00149), section 3, with its linear initialization.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["fit_codebook", "share_weights"]

_BINS = 4096  # if there are more distinct weights, the codebook is fitted to a histogram of so many bins
_MAX_ITERATIONS = 100

Floats = npt.NDArray[np.float32]


def share_weights(weights: Floats, values: int) -> Floats:
    """Return the weights, each replaced by the nearest of at most ``values`` centers.

    Args:
        weights: Weights of any shape. Pruned weights (0) stay 0, which is one of the values.
        values: Largest number of distinct values, at least 2.
    """
    nonzero = weights[weights != 0].astype(np.float64)
    has_zeros = nonzero.size < weights.size
    if len(np.unique(nonzero)) + has_zeros <= values:
        return weights
    shared = np.zeros_like(weights)
    centers = fit_codebook(nonzero, values - has_zeros)
    shared[weights != 0] = centers[np.searchsorted((centers[1:] + centers[:-1]) / 2, nonzero)]
    return shared


def fit_codebook(
    weights: npt.NDArray[np.float64], count: int, frequencies: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Fit centers by Lloyd's algorithm from evenly spaced ones; a center that is nearest to no weight is dropped.

    Args:
        weights: Numbers to cluster [weights].
        count: Largest number of centers.
        frequencies: Frequency of each weight [weights]; None: all count the same.

    Returns:
        The centers in ascending order.
    """
    values, group = np.unique(weights, return_inverse=True)
    counts: npt.NDArray[Any] = np.bincount(group, frequencies)
    if len(values) > _BINS:
        bins = np.digitize(values, np.linspace(values[0], values[-1], _BINS + 1)[1:-1])
        sums, totals = np.bincount(bins, counts * values), np.bincount(bins, counts)
        values, counts = sums[totals > 0] / totals[totals > 0], totals[totals > 0]
    centers = np.linspace(values[0], values[-1], count)
    for _ in range(_MAX_ITERATIONS):
        nearest = np.searchsorted((centers[1:] + centers[:-1]) / 2, values)
        sizes = np.bincount(nearest, counts, minlength=len(centers))
        sums = np.bincount(nearest, counts * values, minlength=len(centers))
        means = sums[sizes > 0] / sizes[sizes > 0]
        if np.array_equal(means, centers):
            break
        centers = means
    return centers
