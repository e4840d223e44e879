"""Trees with few distinct values: thresholds and leaves share codebooks, and the stored file holds indices.

Requires  a tree ensemble.
Does      merges thresholds of a feature that no training row separates, keeps at most 255 thresholds per feature (with
          16 bits: all that training rows separate) and at most 2 ** bits leaf values, and replaces a split with two
          equal sides by one of them.
Ensures   no feature has more thresholds than that.

The values of a codebook are found by k-means (Han et al. 2016, arXiv:1510.00149, section 3); thresholds are shared by
their ranks among the training values, so that as few rows as possible change sides.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.trees.equal_subtrees import merge_equal_subtrees
from pipeline.compression.passes.trees.leaf_values import LeafValues, compute_sums
from pipeline.compression.passes.trees.tree_nodes import compute_tensor, read_trees
from pipeline.compression.passes.trees.tree_pass import TreePass
from pipeline.contracts.errors import CompressionError
from pipeline.graphs.codebooks import share_weights
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["QuantizeTrees"]

_MAX_ROWS = 50_000  # training rows that separate thresholds
_MIN_ROWS, _MAX_VISITS = 32, 12_000_000  # visits are trees x rows, while leaf values are chosen: one byte each
_SHORT_BITS = 8  # up to this number of bits per leaf, thresholds have 8 bits
_MAX_THRESHOLDS = {8: 255, 16: 65_535}
_ROUNDED_LEAVES = 16  # bits from which leaves are rounded to float16 instead of sharing values
_DROPPED_BITS = (16, 13, 8)  # mantissa bits that a threshold may lose, most first: 7 (bfloat16), 10 or 15 bits remain

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class QuantizeTrees(TreePass):
    """Share thresholds and leaf values.

    Args:
        context: Context with the training rows, which separate thresholds.
        bits: Bits of a leaf's index; 16: leaves are float16 numbers, and no threshold moves past a training row.
    """

    def __init__(self, context: PassContext, *, bits: int) -> None:
        super().__init__(context)
        self._bits = bits
        self._max_thresholds = _MAX_THRESHOLDS[8 if bits <= _SHORT_BITS else 16]

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: The model has no trees.
        """
        read_trees(model)

    def change(self, model: onnx.ModelProto, trees: Trees, features: str) -> Trees:
        """Return the trees with shared thresholds and leaves."""
        rows = self._context.rows.sample(_MAX_ROWS, self._context.seed)
        values = compute_tensor(model, features, rows) if len(rows) else None
        shared = self._share_thresholds(trees, values)
        return merge_equal_subtrees(self._share_leaves(shared, trees, values))

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A feature has more thresholds than promised.
        """
        for trees in read_trees(model):
            for feature in np.unique(trees.feature):
                thresholds = np.unique(trees.threshold[trees.feature == feature])
                if len(thresholds) > self._max_thresholds:
                    raise CompressionError(f"feature {feature} has {len(thresholds)} thresholds")

    def _share_thresholds(self, trees: Trees, values: Floats | None) -> Trees:
        threshold = trees.threshold.copy()
        for feature in np.unique(trees.feature):
            splits = np.flatnonzero(trees.feature == feature)
            column = np.zeros(0, np.float32) if values is None else values[:, feature]
            threshold[splits] = _share_thresholds(threshold[splits], column, self._max_thresholds)
        return replace(trees, threshold=threshold)

    def _share_leaves(self, trees: Trees, original: Trees, values: Floats | None) -> Trees:
        """Round leaves to float16, or share values that preserve the sums of training rows."""
        leaves = trees.leaf_value
        if self._bits >= _ROUNDED_LEAVES:
            scale = float(np.abs(leaves).max(initial=0.0)) or 1.0  # float16 ends at 65,504
            return replace(
                trees, leaf_value=((leaves / scale).astype(np.float16).astype(np.float64) * scale).astype(np.float32)
            )
        if values is None:
            return replace(trees, leaf_value=share_weights(leaves, 2**self._bits))
        sample = values[: max(_MIN_ROWS, _MAX_VISITS // len(trees))]
        fitted = LeafValues(trees, sample, compute_sums(original, sample))
        fitted.quantize(2**self._bits)
        return fitted.trees


def _share_thresholds(thresholds: Floats, column: Floats, count: int) -> Floats:
    """Return the thresholds of one feature, at most ``count`` of them distinct.

    Args:
        thresholds: Thresholds of the feature's splits.
        column: The feature's values in training rows; empty if there are no training rows.
        count: Largest number of distinct thresholds.
    """
    values = np.unique(column[np.isfinite(column)])
    if not len(values):
        return share_weights(thresholds, count)
    rank = np.searchsorted(values, thresholds, side="right")  # training values that go left
    if len(np.unique(rank)) > count:
        shared = share_weights((rank + 1).astype(np.float32), count)  # 0 would be a pruned weight
        rank = np.rint(shared).astype(np.int64) - 1
    ranks, group = np.unique(rank, return_inverse=True)
    center = np.zeros(len(ranks), np.float64)
    original = np.searchsorted(values, thresholds, side="right") == rank
    counts = np.bincount(group[original], minlength=len(ranks))
    np.add.at(center, group[original], thresholds[original].astype(np.float64))
    low = np.where(ranks > 0, values[np.maximum(ranks - 1, 0)], -np.inf)
    high = np.where(ranks < len(values), values[np.minimum(ranks, len(values) - 1)], np.inf)
    center = np.where(counts > 0, center / np.maximum(counts, 1), low)
    return _shorten(center.astype(np.float32), low, high)[group]


def _shorten(thresholds: Floats, low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> Floats:
    """Round thresholds to the fewest bits that keep them in ``[low, high)``, between two training values."""
    short = np.clip(thresholds, low, np.nextafter(high.astype(np.float32), np.float32(-np.inf))).astype(np.float32)
    is_short = np.zeros(len(short), bool)
    for bits in _DROPPED_BITS:
        rounded = ((short.view(np.uint32) + np.uint32(1 << (bits - 1))) >> np.uint32(bits) << np.uint32(bits)).view(
            np.float32
        )
        fits = ~is_short & np.isfinite(rounded) & (rounded >= low) & (rounded < high)
        short, is_short = np.where(fits, rounded, short), is_short | fits
    return short
