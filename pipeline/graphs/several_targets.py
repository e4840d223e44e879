"""The outputs of several targets: values, or the labels of a row, joined to one text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.contracts.signature import Signature
from pipeline.evaluation.several_targets import LABEL_THRESHOLD
from pipeline.graphs.blending import side_by_side
from pipeline.graphs.compose import join, make_model

__all__ = ["after_several_targets", "join_bodies"]

_value = helper.make_tensor_value_info


def after_several_targets(signature: Signature, prefix: str, body_output: str) -> onnx.ModelProto:
    """Make the graph from a body's answer to the outputs of contracts.signature.

    Args:
        signature: Signature of several targets.
        prefix: Prefix of the names of inner values.
        body_output: Its input: values, or probabilities of the labels, float32 [batch, targets].
    """
    return (
        _labels(signature, prefix, body_output) if signature.is_multilabel else _values(signature, body_output, prefix)
    )


def _values(signature: Signature, body_output: str, prefix: str) -> onnx.ModelProto:
    (value,) = signature.outputs
    shape = ["batch", len(signature.targets)]
    node = helper.make_node("Identity", [body_output], [value])
    inputs, outputs = [_value(body_output, TensorProto.FLOAT, shape)], [_value(value, TensorProto.FLOAT, shape)]
    return make_model(f"{prefix}after", [node], inputs, outputs)


def _labels(signature: Signature, prefix: str, body_output: str) -> onnx.ModelProto:
    """Probabilities, and the labels that are at least as likely as not, joined.

    Texts are joined pairwise, so that 50 labels take six steps: each label that is not the first of its row has the
    separator before it, and one that the row has not is empty.
    """
    label, probabilities = signature.outputs
    count = len(signature.classes)
    steps = max(1, (count - 1).bit_length())
    separated = [signature.separator + name for name in signature.classes]
    constants = [
        numpy_helper.from_array(np.array(LABEL_THRESHOLD, np.float32), f"{prefix}threshold"),
        numpy_helper.from_array(np.array([0, 0, 0, 2**steps - count], np.int64), f"{prefix}pads"),
        numpy_helper.from_array(np.array(0, np.int64), f"{prefix}zero"),
        numpy_helper.from_array(np.array(1, np.int64), f"{prefix}one"),
        numpy_helper.from_array(np.array([-1], np.int64), f"{prefix}flat"),
        numpy_helper.from_array(np.array([""], object), f"{prefix}nothing"),
        numpy_helper.from_array(_padded(signature.classes, 2**steps), f"{prefix}first"),
        numpy_helper.from_array(_padded(separated, 2**steps), f"{prefix}next"),
    ]
    nodes = [
        helper.make_node("Identity", [body_output], [probabilities]),
        helper.make_node("GreaterOrEqual", [body_output, f"{prefix}threshold"], [f"{prefix}has"]),
        helper.make_node("Cast", [f"{prefix}has"], [f"{prefix}narrow"], to=TensorProto.INT64),
        helper.make_node("Pad", [f"{prefix}narrow", f"{prefix}pads", f"{prefix}zero"], [f"{prefix}flags"]),
        helper.make_node("CumSum", [f"{prefix}flags", f"{prefix}one"], [f"{prefix}before"], exclusive=1),
        helper.make_node("Cast", [f"{prefix}flags"], [f"{prefix}chosen"], to=TensorProto.BOOL),
        helper.make_node("Cast", [f"{prefix}before"], [f"{prefix}later"], to=TensorProto.BOOL),
        helper.make_node("Where", [f"{prefix}later", f"{prefix}next", f"{prefix}first"], [f"{prefix}written"]),
        helper.make_node("Where", [f"{prefix}chosen", f"{prefix}written", f"{prefix}nothing"], [f"{prefix}text_0"]),
    ]
    for step in range(steps):
        pairs = [-1, 2 ** (steps - step - 1), 2]
        constants.append(numpy_helper.from_array(np.array(pairs, np.int64), f"{prefix}shape_{step}"))
        nodes += _join_pairs(prefix, step)
    nodes.append(helper.make_node("Reshape", [f"{prefix}text_{steps}", f"{prefix}flat"], [label]))
    shape = ["batch", count]
    outputs = [_value(label, TensorProto.STRING, ["batch"]), _value(probabilities, TensorProto.FLOAT, shape)]
    return make_model(f"{prefix}after", nodes, [_value(body_output, TensorProto.FLOAT, shape)], outputs, constants)


def _join_pairs(prefix: str, step: int) -> list[onnx.NodeProto]:
    """Texts [batch, 2 n] -> [batch, n]."""
    text, pairs = f"{prefix}text_{step}", f"{prefix}pairs_{step}"
    left, right = f"{prefix}left_{step}", f"{prefix}right_{step}"
    return [
        helper.make_node("Reshape", [text, f"{prefix}shape_{step}"], [pairs]),
        helper.make_node("Gather", [pairs, f"{prefix}zero"], [left], axis=2),
        helper.make_node("Gather", [pairs, f"{prefix}one"], [right], axis=2),
        helper.make_node("StringConcat", [left, right], [f"{prefix}text_{step + 1}"]),
    ]


def _padded(texts: Sequence[str], width: int) -> npt.NDArray[np.object_]:
    return np.array([*texts, *[""] * (width - len(texts))], dtype=object)


def join_bodies(bodies: Sequence[onnx.ModelProto], signature: Signature) -> onnx.ModelProto:
    """Make one body of those of the targets, which read the same rows: their answers, side by side.

    Args:
        bodies: One for each target, in order: values, or probabilities of the classes no and yes [batch, 2].
        signature: Signature of all targets.
    """
    if signature.is_multilabel:
        bodies = [join(body, _second_column(), prefix="yes/") for body in bodies]
    return side_by_side(bodies)


def _second_column() -> onnx.ModelProto:
    inputs = [_value("both", TensorProto.FLOAT, ["batch", 2])]
    outputs = [_value("second", TensorProto.FLOAT, ["batch", 1])]
    index = numpy_helper.from_array(np.array([1], np.int64), "place")
    return make_model(
        "second_column", [helper.make_node("Gather", ["both", "place"], ["second"], axis=1)], inputs, outputs, [index]
    )
