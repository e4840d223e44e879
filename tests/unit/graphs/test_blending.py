from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.evaluation.scoring import OnnxModel
from pipeline.graphs.blending import blend
from pipeline.graphs.compose import make_model
from pipeline.graphs.encoding import CAT, NUM


def _times(factor: float) -> onnx.ModelProto:
    """Make a body that multiplies ``num`` [batch, 1] by ``factor``."""
    graph_input, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in (NUM, "answer")
    )
    constant = numpy_helper.from_array(np.array(factor, np.float32), "factor")
    return make_model(
        "times", [helper.make_node("Mul", [NUM, "factor"], ["answer"])], [graph_input], [output], [constant]
    )


def _category() -> onnx.ModelProto:
    """Make a body that returns ``cat`` [batch, 1] as a number [batch]."""
    graph_input = helper.make_tensor_value_info(CAT, TensorProto.INT64, ["batch", 1])
    output = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch"])
    flat = numpy_helper.from_array(np.array([-1], np.int64), "flat")
    nodes = [
        helper.make_node("Cast", [CAT], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["number", "flat"], ["answer"]),
    ]
    return make_model("category", nodes, [graph_input], [output], [flat])


def test_blended_probabilities_stay_between_0_and_1_if_weights_add_up_to_slightly_more() -> None:
    weights = [0.5, 0.5 + 1e-6]
    num = np.array([[1.0], [-1e-7], [np.nan]], np.float32)
    for classes, expected in ((1, [1, 0, np.nan]), (0, [1 + 1e-6, -1e-7, np.nan])):
        blended = OnnxModel(blend([_times(1), _times(1)], weights, classes=classes).SerializeToString())
        (predictions,) = blended.run_raw({NUM: num})
        np.testing.assert_allclose(predictions[:, 0], expected, rtol=5e-7, atol=1e-12)


def test_a_blend_predicts_the_weighted_mean_of_members_with_any_output_shape() -> None:
    blended = blend([_times(2), _category(), _times(10)], [0.5, 0.3, 0.2], classes=0)
    onnx.checker.check_model(blended)
    num, cat = np.array([[1.0], [3.0]], np.float32), np.array([[4], [5]])
    (predictions,) = OnnxModel(blended.SerializeToString()).run_raw({NUM: num, CAT: cat})
    np.testing.assert_allclose(predictions, 0.5 * 2 * num + 0.3 * cat + 0.2 * 10 * num, rtol=1e-6)
