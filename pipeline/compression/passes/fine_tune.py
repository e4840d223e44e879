"""Fine-tuning: the weights learn again, from the predictions of the uncompressed candidate and from the truth.

Requires  training rows, weights, and operators that torch has too.
Does      some epochs of Adam within the time budget; zeros stay zeros.
Ensures   the same graph, with finite weights.

Source: Hinton et al. 2015, Distilling the knowledge in a neural network (arXiv:1503.02531).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from pipeline.compression.fine_tuning.constraints import Constraint, KeepZeros, Weights
from pipeline.compression.fine_tuning.fit import FineTuningConfig, fit
from pipeline.compression.fine_tuning.hints import FeatureHints
from pipeline.compression.fine_tuning.mixup import can_mix
from pipeline.compression.fine_tuning.objective import Objective
from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.compression.weight_tensors import read_weights
from pipeline.contracts.errors import CompressionError, NotApplicableError

__all__ = ["FineTune", "FineTuningConfig"]

_MIN_ROWS = 32


class FineTune(GraphPass):
    """Fine-tune a body.

    Subclasses override ``constrain`` to prune or share weights meanwhile, or ``read_graph`` to round them.
    """

    def __init__(self, context: PassContext, config: FineTuningConfig | None = None) -> None:
        self._context = context
        self._config = config or FineTuningConfig()

    def constrain(self, weights: Weights) -> Constraint:
        """Return the constraint on the weights during fine-tuning."""
        return KeepZeros(weights)

    def read_graph(self, model: onnx.ModelProto) -> TorchGraph:
        """Return the body as a module that learns."""
        return TorchGraph(model.SerializeToString())

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There are too few rows, no time, weights that torch cannot train, or texts to mix.
        """
        if not self._context.budget.left and self._context.checkpoints.load() is None:
            raise NotApplicableError("compression.minutes had passed before the pass could start")
        rows, _ = self._training_data
        if len(rows) < _MIN_ROWS:
            explanation = f" of {len(self._context.rows)} that are predicted as finite numbers"
            explanation = explanation if len(rows) < len(self._context.rows) else ""
            raise NotApplicableError(
                f"fine-tuning needs {_MIN_ROWS} training rows at least, and there are {len(rows)}{explanation}"
            )
        graph, fine_tuning = self.read_graph(model), self._context.fine_tuning
        if fine_tuning.mixup and not can_mix(rows.read(graph.inputs, slice(1))):
            raise NotApplicableError("compression.fine_tuning.mixup mixes numbers, and the network reads texts")
        if fine_tuning.hints:
            self._hints(model, graph)

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Return the body with the weights that it has learned."""
        context = self._context
        rows, predictions = self._training_data
        torch.set_num_threads(context.threads)
        torch.manual_seed(context.seed)
        graph, fine_tuning = self.read_graph(model), context.fine_tuning
        fit(
            graph,
            rows,
            Objective.of(predictions, rows, several_labels=context.several_labels),
            self.constrain(graph.named_weights()),
            config=replace(self._config, mixup=fine_tuning.mixup),
            budget=context.budget,
            checkpoints=context.checkpoints,
            report=context.report,
            seed=context.seed,
            hints=self._hints(model, graph) if fine_tuning.hints else None,
        )
        return graph.to_onnx()

    @cached_property
    def _training_data(self) -> tuple[TrainingRows, npt.NDArray[Any]]:
        """Return the rows with finite teacher predictions, and those predictions: NaN would spread to all weights."""
        rows = self._context.rows
        if not len(rows):
            return rows, np.empty(0)
        predictions = predict(self._context.teacher, rows)
        finite = np.isfinite(predictions).reshape(len(rows), -1).all(axis=1)
        return (rows, predictions) if finite.all() else (rows.take(np.flatnonzero(finite)), predictions[finite])

    def _hints(self, model: onnx.ModelProto, graph: TorchGraph) -> FeatureHints:
        example = self._training_data[0].read(graph.inputs, slice(_MIN_ROWS))
        return FeatureHints(
            self._context.teacher, model.SerializeToString(), example, weight=self._context.fine_tuning.hints
        )

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A weight is not finite.
        """
        if not all(np.isfinite(weights).all() for weights in read_weights(model)):
            raise CompressionError("fine-tuning diverged: a weight is not finite")
