"""Fine-tuning: the weights learn again, from the predictions of the candidate as it was trained and from the truth.

Requires  training rows, weights, and operators that torch has too.
Does      some epochs of Adam within the time that there is; zeros stay zeros.
Ensures   the same graph, with finite weights.

Source: Hinton et al. 2015, Distilling the knowledge in a neural network (arXiv:1503.02531).
"""

from __future__ import annotations

import numpy as np
import onnx
import torch

from pipeline.compression.fine_tuning.constraints import Constraint, KeepZeros, Weights
from pipeline.compression.fine_tuning.fit import FineTuningConfig, fit
from pipeline.compression.fine_tuning.objective import Objective
from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.compression.passes.graph_pass import GraphPass, PassResult
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.training_rows import predict
from pipeline.compression.weight_tensors import read_weights
from pipeline.contracts.errors import CompressionError, NotApplicableError

__all__ = ["FineTune", "FineTuningConfig"]

_MIN_ROWS = 32


class FineTune(GraphPass):
    """Fine-tune a body.

    Subclasses prune or share weights meanwhile: their ``constrain`` says how; or round them: their ``read_graph`` does.
    """

    def __init__(self, context: PassContext, config: FineTuningConfig | None = None) -> None:
        self._context = context
        self._config = config or FineTuningConfig()

    def constrain(self, weights: Weights) -> Constraint:
        """Return what the weights keep to."""
        return KeepZeros(weights)

    def read_graph(self, model: bytes) -> TorchGraph:
        """Return the body as a module that learns."""
        return TorchGraph(model)

    def requires(self, model: bytes) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There are too few rows, no time, or weights that torch cannot train.
        """
        if len(self._context.rows) < _MIN_ROWS:
            raise NotApplicableError(
                f"fine-tuning needs {_MIN_ROWS} training rows at least, and there are {len(self._context.rows)}"
            )
        if not self._context.budget.left and self._context.checkpoints.load() is None:
            raise NotApplicableError("compression.minutes were over before it began")
        self.read_graph(model)

    def call(self, model: bytes) -> PassResult:
        """Return the body with the weights that it has learned."""
        context = self._context
        torch.set_num_threads(context.threads)
        graph = self.read_graph(model)
        objective = Objective.of(
            predict(context.teacher, context.rows), context.rows, several_labels=context.several_labels
        )
        fit(
            graph,
            context.rows,
            objective,
            self.constrain(graph.named_weights()),
            config=self._config,
            budget=context.budget,
            checkpoints=context.checkpoints,
            report=context.report,
            seed=context.seed,
        )
        return PassResult(model=graph.to_onnx(), modified=True)

    def ensures(self, model: bytes) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A weight is no finite number.
        """
        if not all(np.isfinite(weights).all() for weights in read_weights(onnx.load_from_string(model))):
            raise CompressionError("fine-tuning diverged: a weight is not finite")
