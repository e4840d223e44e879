"""Weight sharing: a few values in place of many, found by one-dimensional k-means.

Source: Han et al. 2016, Deep Compression (arXiv:1510.00149), section 3, with its linear initialization.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["share_weights"]

_BINS = 4096  # of a histogram that stands in for the weights while the codebook is fitted, where they are more
_MAX_ITERATIONS = 100

Floats = npt.NDArray[np.float32]


def share_weights(weights: Floats, values: int) -> Floats:
    """Return the weights, each replaced by the nearest of at most ``values`` centers.

    Args:
        weights: Of any shape. Pruned ones (0) stay 0, which is one of the values.
        values: At least 2.
    """
    nonzero = weights[weights != 0].astype(np.float64)
    has_zeros = nonzero.size < weights.size
    if len(np.unique(nonzero)) + has_zeros <= values:
        return weights
    shared = np.zeros_like(weights)
    centers = _centers(nonzero, values - has_zeros)
    shared[weights != 0] = centers[np.searchsorted((centers[1:] + centers[:-1]) / 2, nonzero)]
    return shared


def _centers(weights: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Lloyd's algorithm from evenly spaced centers; one that no weight is nearest to is dropped."""
    values, frequencies = np.unique(weights, return_counts=True)
    if len(values) > _BINS:
        frequencies, edges = np.histogram(weights, _BINS)
        sums, _ = np.histogram(weights, edges, weights=weights)
        filled = frequencies > 0
        values, frequencies = sums[filled] / frequencies[filled], frequencies[filled]
    centers = np.linspace(values[0], values[-1], count)
    for _ in range(_MAX_ITERATIONS):
        nearest = np.searchsorted((centers[1:] + centers[:-1]) / 2, values)
        sizes = np.bincount(nearest, frequencies, minlength=len(centers))
        sums = np.bincount(nearest, frequencies * values, minlength=len(centers))
        means = sums[sizes > 0] / sizes[sizes > 0]
        if np.array_equal(means, centers):
            break
        centers = means
    return centers
