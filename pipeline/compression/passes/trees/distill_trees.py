"""A new, small ensemble that learns the sums of the ensemble that it replaces.

Requires  a tree ensemble, training rows, and LightGBM.
Does      boosts trees for each sum, by squared error, on the training rows and on mixtures of them.
Ensures   the number of trees.

Source: Bucila, Caruana and Niculescu-Mizil 2006, Model compression (https://doi.org/10.1145/1150402.1150464).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.trees.ensemble_rows import read_ensemble_rows
from pipeline.compression.passes.trees.equal_subtrees import merge_equal_subtrees
from pipeline.compression.passes.trees.tree_nodes import read_trees
from pipeline.compression.passes.trees.tree_pass import TreePass
from pipeline.contracts.errors import CompressionError, NotApplicableError
from pipeline.graphs.lightgbm_trees import lightgbm_trees
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["DistillTrees"]

_LEAVES = 31  # per tree
_LEARNING_RATE = 0.1

Floats = npt.NDArray[np.float32]


class DistillTrees(TreePass):
    """Boost a few trees in place of many.

    Args:
        context: Context with the training rows.
        count: Number of trees for each sum.
    """

    def __init__(self, context: PassContext, *, count: int) -> None:
        super().__init__(context)
        self._count = count

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There are no trees, at most ``count`` trees, or too few rows.
        """
        for trees in read_trees(model):
            if len(trees) <= self._count:
                raise NotApplicableError(f"there are {len(trees)} trees, and {self._count} would replace them")
        super().requires(model)

    def change(self, model: onnx.ModelProto, trees: Trees, features: str) -> Trees:
        """Return boosted trees that learn the sums."""
        values, sums = read_ensemble_rows(self._context, model, features, trees)
        columns = np.arange(values.shape[1])
        fitted = [
            self._learn(values, sums[:, target]).moved(features=columns, target=target)
            for target in range(sums.shape[1])
        ]
        return merge_equal_subtrees(Trees.join(fitted))

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A sum has more trees than promised.
        """
        for trees in read_trees(model):
            if len(trees) > self._count * (int(trees.leaf_target.max()) + 1):
                raise CompressionError(f"there are {len(trees)} trees")

    def _learn(self, values: Floats, sums: Floats) -> Trees:
        import lightgbm  # noqa: PLC0415 - takes a second, and only this pass needs it

        options = {
            "objective": "regression", "num_leaves": _LEAVES, "learning_rate": _LEARNING_RATE, "verbose": -1,
            "num_threads": self._context.threads, "seed": self._context.seed, "deterministic": True,
        }  # fmt: skip
        booster = lightgbm.train(options, lightgbm.Dataset(values.copy(), sums.copy()), self._count)
        return lightgbm_trees(booster.model_to_string(), targets=1)
