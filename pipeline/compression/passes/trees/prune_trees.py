"""Fewer trees: some of each sum's trees stay, and their leaves learn to add up to what all trees added up to.

Requires  a tree ensemble with several trees for each sum, and training rows.
Does      keeps every k-th tree of a sum, and fits the leaves by the sums of all trees, for the training rows and for
          rows between them: a part of a row's columns comes from another row.
Ensures   the share of the trees.

Boosted trees are many because each learns little; a few of them with other leaves do what all did. Rows between the
training rows as in Bucila, Caruana and Niculescu-Mizil 2006 (https://doi.org/10.1145/1150402.1150464).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.passes.graph_pass import GraphPass, PassResult
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.trees.equal_subtrees import drop_unused, merge_equal_subtrees
from pipeline.compression.passes.trees.leaf_values import LeafValues, compute_sums, own_leaves
from pipeline.compression.passes.trees.tree_nodes import compute_tensor, map_trees, read_trees
from pipeline.contracts.errors import CompressionError, NotApplicableError
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["PruneTrees"]

_MIN_ROWS = 32
_MIN_TREES = 4  # of a sum, that stay
_MAX_ROWS = 20_000
_MAX_VISITS = 40_000_000  # of trees by rows: about ten seconds, and one byte each
_SWEEPS = 4

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class PruneTrees(GraphPass):
    """Keep every ``step``-th tree.

    Args:
        context: Its training rows.
        step: One of how many trees stays.
    """

    def __init__(self, context: PassContext, *, step: int) -> None:
        self._context = context
        self._step = step

    def requires(self, model: bytes) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There are no trees, too few of them, or too few rows.
        """
        ensembles = map(own_leaves, read_trees(onnx.load_from_string(model)))
        fewest = min(int(np.bincount(_group(*ensemble)).min()) for ensemble in ensembles)
        if fewest < _MIN_TREES * self._step:
            raise NotApplicableError(
                f"to keep one tree in {self._step}, {_MIN_TREES * self._step} trees are needed, and there are {fewest}"
            )
        if len(self._context.rows) < _MIN_ROWS:
            raise NotApplicableError(
                f"fitting leaves needs {_MIN_ROWS} training rows at least, and there are {len(self._context.rows)}"
            )

    def call(self, model: bytes) -> PassResult:
        """Prune and fit every ensemble."""
        graph = onnx.load_from_string(model)

        def prune(trees: Trees, features: str) -> Trees:
            owned, starts = own_leaves(trees)
            group = _group(owned, starts)
            is_kept = _positions(group) % self._step == 0
            factor = np.bincount(group) / np.bincount(group[is_kept])
            scale = np.repeat(factor[group], np.diff(starts))
            pruned = replace(
                owned, roots=owned.roots[is_kept], leaf_value=(owned.leaf_value * scale).astype(np.float32)
            )
            values, sums = self._read_rows(graph, features, trees)
            count = max(2 * _MIN_ROWS, _MAX_VISITS // len(pruned))
            fitted = LeafValues(drop_unused(pruned), values[:count], sums[:count])
            fitted.fit(_SWEEPS)
            return merge_equal_subtrees(fitted.trees)

        return PassResult(model=bytes(map_trees(graph, prune).SerializeToString()), modified=True)

    def ensures(self, model: bytes) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A leaf is no finite number.
        """
        if not all(np.isfinite(trees.leaf_value).all() for trees in read_trees(onnx.load_from_string(model))):
            raise CompressionError("a leaf is not finite")

    def _read_rows(self, graph: onnx.ModelProto, features: str, trees: Trees) -> tuple[Floats, Floats]:
        """Return what an ensemble reads of training rows and of as many rows between them, and its sums."""
        key = f"{features} of {hashlib.sha256(graph.SerializeToString()).hexdigest()}"
        if key not in self._context.cache:
            rows = self._context.rows.sample(_MAX_ROWS // 2, self._context.seed)
            values = [compute_tensor(graph, features, sample) for sample in (rows, rows.mix(self._context.seed))]
            order = np.random.default_rng(self._context.seed).permutation(2 * len(rows))
            mixed = np.concatenate(values)[order]
            self._context.cache[key] = mixed, compute_sums(trees, mixed)
        read: tuple[Floats, Floats] = self._context.cache[key]
        return read


def _group(trees: Trees, starts: Ints) -> Ints:
    """Group the trees by the sum that their leaves add to; those of several sums are one group."""
    first, last = (extreme.reduceat(trees.leaf_target, starts[:-1]) for extreme in (np.minimum, np.maximum))
    _, group = np.unique(np.where(first == last, first, -1), return_inverse=True)
    return group


def _positions(group: Ints) -> Ints:
    """Return the place of each tree among those of its group."""
    order = np.argsort(group, kind="stable")
    position = np.empty(len(group), np.int64)
    position[order] = np.arange(len(group)) - np.searchsorted(group[order], group[order])
    return position
