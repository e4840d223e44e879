"""Bodies (graphs.served_graph) of tree models, which can be averaged into one graph (resampling.bagging)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.graphs.compose import join, make_model
from pipeline.graphs.decision import clip_probabilities
from pipeline.graphs.tree_ensemble import Trees
from pipeline.graphs.writer import NamedGraph
from pipeline.training.features.merged_preprocessing import merge_preprocessing
from pipeline.training.features.preprocessing import FEATURES, Preprocessing

__all__ = ["TreeBody", "core_graph"]


def core_graph(preprocessing: Preprocessing, graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return the preprocessing followed by ``graph``, with its last output, since a classifier's first is the label."""
    return join(preprocessing.graph(), graph, prefix="model/", output=graph.graph.output[-1].name)


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeBody:
    """The body of a tree model.

    Args:
        preprocessing: Computes the features that the trees split on.
        read: Reads the trees from the fitted model.
        classes: Number of classes; 0 for a regression.
        link: Function from the sums of the leaves to probabilities; ``none``: the sums are probabilities (of two
            classes, the second one's), which rounding may move out of [0, 1], or values.
    """

    preprocessing: Preprocessing
    read: Callable[[], Trees]
    classes: int
    link: Literal["logistic", "none"]

    def __call__(self) -> onnx.ModelProto:
        return self.average([self])

    def average(self, bodies: Sequence[Self]) -> onnx.ModelProto:
        """Export the mean prediction of several models, as one node with all of their trees.

        Without a link, the leaves are averaged. With a link, the sums of each model are converted to probabilities,
        which are averaged: the mean of probabilities is not the probability of the mean.
        """
        merged = merge_preprocessing([body.preprocessing for body in bodies])
        sums = self.classes if self.classes > 2 else 1
        groups = len(bodies) if self.link == "logistic" else 1
        trees = [
            body.read().moved(
                features=feature_indices, target=sums * index if groups > 1 else 0, factor=groups / len(bodies)
            )
            for index, (body, feature_indices) in enumerate(zip(bodies, merged.feature_indices, strict=True))
        ]  # fmt: skip
        nodes = [Trees.join(trees).node(FEATURES, "sums", targets=sums * groups)]
        constants: list[onnx.TensorProto] = []
        output_name = "sums"
        if self.link == "logistic":
            output_name = _mean_probability(nodes, constants, classes=sums, models=groups)
        elif self.classes:
            output_name = "clipped"
            clip_probabilities(NamedGraph(nodes=nodes, constants=constants), "sums", output_name)
        if self.classes == 2:
            constants.append(numpy_helper.from_array(np.array(1, np.float32), "one"))
            nodes += [
                helper.make_node("Sub", ["one", output_name], ["first"]),
                helper.make_node("Concat", ["first", output_name], ["probabilities"], axis=1),
            ]
            output_name = "probabilities"
        graph_input = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", merged.features.width])
        output = helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["batch", max(1, self.classes)])
        return core_graph(merged.features, make_model("trees", nodes, [graph_input], [output], constants))


def _mean_probability(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], *, classes: int, models: int
) -> str:
    """Add nodes from ``sums`` [batch, models x classes] to the models' mean probabilities [batch, classes].

    Returns:
        The name of the mean.
    """
    if classes == 1:
        nodes.append(helper.make_node("Sigmoid", ["sums"], ["each"]))
    else:
        constants.append(numpy_helper.from_array(np.array([-1, models, classes], np.int64), "models_and_classes"))
        nodes += [
            helper.make_node("Reshape", ["sums", "models_and_classes"], ["sums_of_models"]),
            helper.make_node("Softmax", ["sums_of_models"], ["each"], axis=2),
        ]
    if classes == 1 and models == 1:
        return "each"
    constants.append(numpy_helper.from_array(np.array([1], np.int64), "models"))
    nodes.append(helper.make_node("ReduceMean", ["each", "models"], ["mean"], keepdims=int(classes == 1)))
    return "mean"
