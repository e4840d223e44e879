"""A pass that replaces every tree ensemble of a body."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import onnx

from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.trees.tree_nodes import map_trees, read_trees
from pipeline.contracts.errors import CompressionError, NotApplicableError
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["TreePass"]

_MIN_ROWS = 32


class TreePass(GraphPass):
    """Base class of passes that fit the trees of a body to training rows.

    Args:
        context: Context with the training rows.
    """

    def __init__(self, context: PassContext) -> None:
        self._context = context

    @abstractmethod
    def change(self, model: onnx.ModelProto, trees: Trees, features: str) -> Trees:
        """Return the ensemble that replaces one of the body.

        Args:
            model: The body.
            trees: The ensemble.
            features: Name of the tensor that the ensemble reads.
        """

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There are no trees, or fewer than 32 training rows.
        """
        read_trees(model)
        if len(self._context.rows) < _MIN_ROWS:
            raise NotApplicableError(
                f"fitting leaves needs {_MIN_ROWS} training rows at least, and there are {len(self._context.rows)}"
            )

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Replace every ensemble."""
        return map_trees(model, lambda trees, features: self.change(model, trees, features))

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A leaf is not finite.
        """
        if not all(np.isfinite(trees.leaf_value).all() for trees in read_trees(model)):
            raise CompressionError("a leaf is not finite")
