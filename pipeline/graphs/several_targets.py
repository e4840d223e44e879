"""The outputs for several targets: values, or the labels of a row, joined to one text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from pipeline.contracts.signature import Signature
from pipeline.evaluation.several_targets import LABEL_THRESHOLD
from pipeline.graphs.blending import concat_outputs
from pipeline.graphs.compose import join
from pipeline.graphs.writer import NamedGraph

__all__ = ["after_several_targets", "join_bodies"]

_value = helper.make_tensor_value_info


def after_several_targets(signature: Signature, prefix: str, body_output: str) -> onnx.ModelProto:
    """Make the graph from a body's predictions to the outputs of contracts.signature.

    Args:
        signature: Signature with several targets.
        prefix: Prefix of the names of inner values.
        body_output: Name of the graph's input: values, or probabilities of the labels, float32 [batch, targets].
    """
    return (
        _labels(signature, prefix, body_output) if signature.is_multilabel else _values(signature, body_output, prefix)
    )


def _values(signature: Signature, body_output: str, prefix: str) -> onnx.ModelProto:
    (value,) = signature.outputs
    shape = ["batch", len(signature.targets)]
    graph = NamedGraph(prefix=prefix)
    graph.add_output("Identity", body_output, output=value)
    return graph.model(
        "after", [_value(body_output, TensorProto.FLOAT, shape)], [_value(value, TensorProto.FLOAT, shape)]
    )


def _labels(signature: Signature, prefix: str, body_output: str) -> onnx.ModelProto:
    """Return the graph of probabilities and of the labels with a probability of LABEL_THRESHOLD or more, joined.

    Texts are joined pairwise, so that 50 labels take six steps. The separator precedes each label except the first of
    a row; a label that the row does not have becomes an empty text.
    """
    label, probabilities = signature.outputs
    count = len(signature.classes)
    steps = max(1, (count - 1).bit_length())
    separated = [signature.separator + name for name in signature.classes]
    graph = NamedGraph(prefix=prefix)
    threshold = graph.constant("threshold", np.float32(LABEL_THRESHOLD))
    pads = graph.constant("pads", np.array([0, 0, 0, 2**steps - count], np.int64))
    constant_0, constant_1 = graph.constant("zero", np.int64(0)), graph.constant("one", np.int64(1))
    flat, empty = graph.constant("flat", np.array([-1], np.int64)), graph.constant("nothing", np.array([""], object))
    first_texts = graph.constant("first", _padded(signature.classes, 2**steps))
    next_texts = graph.constant("next", _padded(separated, 2**steps))
    graph.add_output("Identity", body_output, output=probabilities)
    is_likely = graph.add("GreaterOrEqual", body_output, threshold, name="has")
    narrow = graph.add("Cast", is_likely, name="narrow", to=TensorProto.INT64)
    flags = graph.add("Pad", narrow, pads, constant_0, name="flags")
    before = graph.add("CumSum", flags, constant_1, name="before", exclusive=1)
    chosen = graph.add("Cast", flags, name="chosen", to=TensorProto.BOOL)
    later = graph.add("Cast", before, name="later", to=TensorProto.BOOL)
    written = graph.add("Where", later, next_texts, first_texts, name="written")
    text = graph.add("Where", chosen, written, empty, name="text_0")
    for step in range(steps):  # texts [batch, 2 n] -> [batch, n]
        shape = graph.constant(f"shape_{step}", np.array([-1, 2 ** (steps - step - 1), 2], np.int64))
        pairs = graph.add("Reshape", text, shape, name=f"pairs_{step}")
        left = graph.add("Gather", pairs, constant_0, name=f"left_{step}", axis=2)
        right = graph.add("Gather", pairs, constant_1, name=f"right_{step}", axis=2)
        text = graph.add("StringConcat", left, right, name=f"text_{step + 1}")
    graph.add_output("Reshape", text, flat, output=label)
    body_value, output = (_value(name, TensorProto.FLOAT, ["batch", count]) for name in (body_output, probabilities))
    return graph.model("after", [body_value], [_value(label, TensorProto.STRING, ["batch"]), output])


def _padded(texts: Sequence[str], width: int) -> npt.NDArray[np.object_]:
    return np.array([*texts, *[""] * (width - len(texts))], dtype=object)


def join_bodies(bodies: Sequence[onnx.ModelProto], signature: Signature) -> onnx.ModelProto:
    """Combine the bodies of several targets, which read the same rows, into one that returns all predictions.

    Args:
        bodies: One body for each target, in order; it predicts values, or probabilities of no and yes [batch, 2].
        signature: Signature of all targets.
    """
    if signature.is_multilabel:
        bodies = [join(body, _second_column(), prefix="yes/") for body in bodies]
    return concat_outputs(bodies)


def _second_column() -> onnx.ModelProto:
    graph = NamedGraph()
    graph.add("Gather", "both", graph.constant("place", np.array([1], np.int64)), name="second", axis=1)
    inputs = [_value("both", TensorProto.FLOAT, ["batch", 2])]
    return graph.model("second_column", inputs, [_value("second", TensorProto.FLOAT, ["batch", 1])])
