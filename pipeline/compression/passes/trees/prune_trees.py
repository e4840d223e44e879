"""Fewer trees: keep some trees of each sum, and fit their leaves to the sum of all trees.

Requires  a tree ensemble with several trees for each sum, and training rows.
Does      chooses trees of each sum, and fits the leaves to the sums of all trees, for the training rows and for
          mixtures of them: rows with some columns from another row.
Ensures   the share of the trees.

Boosting needs many trees because each learns little; a few of them with other leaves predict like all (Friedman and
Popescu 2003, Importance sampled learning ensembles). Mixtures of rows are from Bucila, Caruana and Niculescu-Mizil 2006
(https://doi.org/10.1145/1150402.1150464): no model of a bag has learned them, whereas the trees of each fold have
learned most of the training rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.trees.choose_trees import Choice, choose_by_position, choose_greedily, group_trees
from pipeline.compression.passes.trees.ensemble_rows import name_ensemble, read_ensemble_rows
from pipeline.compression.passes.trees.equal_subtrees import merge_equal_subtrees
from pipeline.compression.passes.trees.leaf_values import fit_leaves, separate_leaves
from pipeline.compression.passes.trees.tree_nodes import read_trees
from pipeline.compression.passes.trees.tree_pass import TreePass
from pipeline.contracts.errors import NotApplicableError
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["PruneTrees"]

_MIN_TREES = 4  # trees of each sum that must remain


class PruneTrees(TreePass):
    """Keep one tree in ``step``.

    Args:
        context: Context with the training rows.
        step: One tree in ``step`` is kept.
        choice: ``greedy``: the trees whose combination is nearest to the sum; ``evenly``: every ``step``-th;
            ``first``: the first ones.
    """

    def __init__(self, context: PassContext, *, step: int, choice: Choice = "greedy") -> None:
        super().__init__(context)
        self._step = step
        self._choice = choice

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There are no trees, too few of them, or too few rows.
        """
        ensembles = map(separate_leaves, read_trees(model))
        fewest = min(int(np.bincount(group_trees(*ensemble)).min()) for ensemble in ensembles)
        if fewest < _MIN_TREES * self._step:
            raise NotApplicableError(
                f"to keep one tree in {self._step}, {_MIN_TREES * self._step} trees are needed, and there are {fewest}"
            )
        super().requires(model)

    def change(self, model: onnx.ModelProto, trees: Trees, features: str) -> Trees:
        """Return some of the trees, with fitted leaves."""
        owned, starts = separate_leaves(trees)
        group = group_trees(owned, starts)
        values, sums = read_ensemble_rows(self._context, model, features, trees)
        if self._choice == "greedy":
            cache = self._context.cache.setdefault(f"pursuits of {name_ensemble(features, trees)}", {})
            factor = choose_greedily(owned, group, self._step, values, cache)
        else:
            factor = choose_by_position(group, self._step, self._choice)
        scale = np.repeat(factor, np.diff(starts))
        remaining = replace(
            owned, roots=owned.roots[factor != 0], leaf_value=(owned.leaf_value * scale).astype(np.float32)
        )
        return merge_equal_subtrees(fit_leaves(remaining.reached(), values, sums))
