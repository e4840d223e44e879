"""Weight sharing: each weight becomes the nearest of a few values, and the stored file holds indices into a codebook.

Requires  float weights: matrices, convolutions, embeddings, or the leaves of trees.
Does      k-means over the weights of each tensor; zeros stay zeros.
Ensures   no tensor has more values than the codebook.

Source: Han et al. 2016, Deep Compression (arXiv:1510.00149), section 3: linear initialization, no fine-tuning.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from sklearn.cluster import KMeans

from pipeline.compression.passes import GraphPass, PassResult
from pipeline.compression.weight_tensors import has_weights, map_weights
from pipeline.contracts.errors import CompressionError, NotApplicableError

__all__ = ["ShareWeights", "share"]

_BINS = 4096  # of a histogram, whose centers stand in for the weights while the codebook is fitted

Floats = npt.NDArray[np.float32]


class ShareWeights(GraphPass):
    """Share at most ``2 ** bits`` values among the weights of a tensor."""

    def __init__(self, bits: int) -> None:
        self._values = 2**bits

    def requires(self, model: bytes) -> None:
        if not has_weights(onnx.load_from_string(model)):
            raise NotApplicableError("there are no float weights to share")

    def call(self, model: bytes) -> PassResult:
        shared = map_weights(onnx.load_from_string(model), lambda weights: share(weights, self._values))
        return PassResult(model=bytes(shared.SerializeToString()), modified=True)

    def ensures(self, model: bytes) -> None:
        def check(weights: Floats) -> Floats:
            if len(np.unique(weights)) > self._values:
                raise CompressionError(f"a tensor has more than {self._values} values")
            return weights

        map_weights(onnx.load_from_string(model), check)


def share(weights: Floats, values: int) -> Floats:
    """Return the weights, each replaced by the nearest of at most ``values`` centers.

    Args:
        weights: Of any shape. Pruned ones (0) stay 0, which is one of the values.
        values: At least 2.
    """
    kept = weights[weights != 0].astype(np.float64)
    if len(np.unique(kept)) < values:
        return weights
    shared = np.zeros_like(weights)
    shared[weights != 0] = _nearest(kept, _centers(kept, values - (kept.size < weights.size)))
    return shared


def _centers(weights: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """One-dimensional k-means from evenly spaced centers, over a histogram where the weights are many."""
    rows, frequencies = np.unique(weights, return_counts=True)
    if len(rows) > _BINS:
        frequencies, edges = np.histogram(weights, _BINS)
        sums, _ = np.histogram(weights, edges, weights=weights)
        filled = frequencies > 0
        rows, frequencies = sums[filled] / frequencies[filled], frequencies[filled]
    initial = np.linspace(rows[0], rows[-1], count)[:, None]
    means = KMeans(count, init=initial, n_init=1, max_iter=100).fit(rows[:, None], sample_weight=frequencies)
    return np.unique(means.cluster_centers_[:, 0])


def _nearest(weights: npt.NDArray[np.float64], centers: npt.NDArray[np.float64]) -> Floats:
    borders = (centers[1:] + centers[:-1]) / 2
    nearest: Floats = centers[np.searchsorted(borders, weights)].astype(np.float32)
    return nearest
