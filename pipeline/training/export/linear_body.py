"""Export linear models as one matrix product and one table of category weights for all models of a bag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from pipeline.graphs.writer import GraphWriter
from pipeline.training.export.bodies import core_graph
from pipeline.training.features.merged_preprocessing import merge_preprocessing
from pipeline.training.features.preprocessing import FEATURES, Preprocessing

__all__ = ["LinearBody"]

_ABSENT_CLASS_SCORE = -1e9  # score of a class without training rows, so that its probability is 0
_MAX_CATEGORY_SCORES = 10_000  # maximum of categorical columns x models x scores, which are in memory for each row

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearBody:
    """The body of a linear model.

    Args:
        preprocessing: Computes the numbers and flags.
        weights: Weights of the numbers and flags [numbers and flags, scores].
        ids: Weights of the category ids [ids of all categorical columns, scores].
        bias: Bias of each score [scores].
        classes: Number of classes; 0: the score is the value; 2: there is one score, the logit of the second class.
    """

    preprocessing: Preprocessing
    weights: Doubles
    ids: Doubles
    bias: Doubles
    classes: int

    @classmethod
    def of(cls, columns: Any, model: Any, preprocessing: Preprocessing, classes: int) -> Self | None:
        """Read a fitted scikit-learn model.

        Args:
            columns: The fitted ColumnTransformer of features.preprocessing.scaled_and_one_hot.
            model: A LogisticRegression, HuberRegressor or Ridge that was fitted on the columns' output.
            preprocessing: The preprocessing of features.preprocessing.linear_features.
            classes: Number of classes; 0 for a regression.

        Returns:
            The body; None if one row's scores would take too much memory.
        """
        numbers, cardinalities = preprocessing.encoding_offset, preprocessing.cardinalities
        coefficients = np.atleast_2d(model.coef_).T
        bias = np.atleast_1d(model.intercept_).astype(np.float64)
        if numbers:
            scaler = columns.named_transformers_["scale"]
            weights = coefficients[:numbers] / scaler.scale_[:, None]
            bias = bias - scaler.mean_ @ weights
        else:
            weights = np.empty((0, coefficients.shape[1]))
        tables = np.split(coefficients[numbers:], np.cumsum([count - 1 for count in cardinalities])[:-1])
        unknown = np.zeros((1, coefficients.shape[1]))
        ids = np.concatenate([rows for table in tables for rows in (table, unknown)]) if cardinalities else unknown[:0]
        if classes > 2:
            weights, ids, bias = _for_all_classes(weights, ids, bias, model.classes_, classes)
        body = cls(preprocessing=preprocessing, weights=weights, ids=ids, bias=bias, classes=classes)
        return body if len(cardinalities) * len(bias) <= _MAX_CATEGORY_SCORES else None

    def __call__(self) -> onnx.ModelProto:
        graph = self.average([self])
        assert graph is not None, "the scores of one model fit (of)"
        return graph

    def average(self, bodies: Sequence[Self]) -> onnx.ModelProto | None:
        """Export the mean prediction of several models; for regressions, one model with the mean of the weights.

        Returns:
            The body; None if one row's scores would take too much memory.
        """
        count, scores = (len(bodies) if self.classes else 1), len(self.bias)
        if len(self.preprocessing.cardinalities) * count * scores > _MAX_CATEGORY_SCORES:
            return None
        ids = [body.ids for body in bodies] if self.classes else [np.mean([body.ids for body in bodies], axis=0)]
        table = np.concatenate(ids, axis=1).astype(np.float32)
        numbers = merge_preprocessing([
            replace(body.preprocessing, id_encodings=np.empty((len(body.ids), 0), np.float32)) for body in bodies
        ])  # fmt: skip
        weights, bias = np.zeros((numbers.features.width, count * scores)), np.zeros(count * scores)
        for index, (body, feature_indices) in enumerate(zip(bodies, numbers.feature_indices, strict=True)):
            score_slice = slice(index * scores, (index + 1) * scores) if self.classes else slice(0, scores)
            model_weight = 1 if self.classes else 1 / len(bodies)
            weights[feature_indices, score_slice] += model_weight * body.weights
            bias[score_slice] += model_weight * body.bias
        features = replace(numbers.features, id_encodings=table)
        return core_graph(features, self._graph(features, weights, bias, models=count))

    def _graph(self, features: Preprocessing, weights: Doubles, bias: Doubles, *, models: int) -> onnx.ModelProto:
        """Return the graph from ``features`` [batch, numbers + scores of each category] to the mean prediction."""
        graph, columns, scores = GraphWriter(), len(features.cardinalities), len(bias)
        sums = graph.constant(bias.astype(np.float32))
        numbers, categories = FEATURES, FEATURES
        if columns and len(weights):
            sizes = graph.constant(np.array([len(weights), columns * scores], np.int64))
            numbers, categories = "_numbers", "_categories"
            graph.nodes.append(helper.make_node("Split", [FEATURES, sizes], [numbers, categories], axis=1))
        if len(weights):
            product = graph.add("MatMul", numbers, graph.constant(weights.astype(np.float32)))
            sums = graph.add("Add", product, sums)
        if columns:
            shape = graph.constant(np.array([-1, columns, scores], np.int64))
            category_scores = graph.add("Reshape", categories, shape)
            sums = graph.add(
                "Add", graph.add("ReduceSum", category_scores, graph.constant(np.array([1])), keepdims=0), sums
            )
        graph_input = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", features.width])
        output = self._add_prediction(graph, sums, models)
        return graph.model(
            {FEATURES: graph_input}, output, kind=TensorProto.FLOAT, shape=["batch", max(1, self.classes)]
        )

    def _add_prediction(self, graph: GraphWriter, sums: str, models: int) -> str:
        """Add nodes from scores [batch, models x scores] to mean probabilities or values; return their name."""
        if not self.classes:
            return sums
        if self.classes > 2:
            shape = graph.constant(np.array([-1, models, self.classes], np.int64))
            probabilities = graph.add("Softmax", graph.add("Reshape", sums, shape), axis=2)
            return graph.add("ReduceMean", probabilities, graph.constant(np.array([1])), keepdims=0)
        second = graph.add("Sigmoid", sums)
        if models > 1:
            second = graph.add("ReduceMean", second, graph.constant(np.array([1])), keepdims=1)
        return graph.add("Concat", graph.add("Sub", graph.constant(1.0), second), second, axis=1)


def _for_all_classes(
    weights: Doubles, ids: Doubles, bias: Doubles, fitted: npt.NDArray[np.int64], classes: int
) -> tuple[Doubles, Doubles, Doubles]:
    """Extend weights, ids and bias to all classes; if two classes were fitted, the score of the first is 0."""
    wide_bias = np.full(classes, _ABSENT_CLASS_SCORE)
    wide_bias[fitted] = 0
    scored = fitted[1:] if len(fitted) == 2 else fitted
    wide_bias[scored] = bias
    return _widen(weights, scored, classes), _widen(ids, scored, classes), wide_bias


def _widen(scores: Doubles, score_indices: npt.NDArray[np.int64], classes: int) -> Doubles:
    wide = np.zeros((len(scores), classes))
    wide[:, score_indices] = scores
    return wide
