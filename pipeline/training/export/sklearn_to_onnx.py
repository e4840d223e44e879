"""Convert scikit-learn estimators to bodies (graphs.served_graph) with skl2onnx."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.graphs.compose import OPSETS, join, make_model
from pipeline.training.export.bodies import core_graph
from pipeline.training.features.preprocessing import FEATURES, Preprocessing

__all__ = ["place_class_columns", "sklearn_body"]


def sklearn_body(estimator: Any, preprocessing: Preprocessing, *, classifier: bool) -> onnx.ModelProto:
    """Convert an estimator (or a pipeline) with skl2onnx.

    Args:
        estimator: An estimator that was fitted on the features of ``preprocessing``.
        preprocessing: Computes the features.
        classifier: Whether the estimator predicts probabilities.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    graph = to_onnx(
        estimator,
        initial_types=[(FEATURES, FloatTensorType([None, preprocessing.width]))],
        target_opset={domain: OPSETS[domain] for domain in ("", "ai.onnx.ml")},
        options={"zipmap": False} if classifier else None,
    )
    return core_graph(preprocessing, graph)


def place_class_columns(body: onnx.ModelProto, columns: npt.NDArray[np.float32]) -> onnx.ModelProto:
    """Move the probabilities [batch, fitted classes] of a body to the columns of all classes [batch, classes].

    Args:
        body: Graph whose only output has the probabilities.
        columns: 0/1 matrix [fitted classes, classes].
    """
    fitted, placed = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", count])
        for name, count in zip(("fitted", "placed"), columns.shape, strict=True)
    )
    node = helper.make_node("MatMul", ["fitted", "columns"], ["placed"])
    constants = [numpy_helper.from_array(columns, "columns")]
    return join(body, make_model("place_classes", [node], [fitted], [placed], constants), prefix="classes/")
