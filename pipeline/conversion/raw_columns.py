"""Add inputs for raw columns before a converted graph, and named outputs after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, compose, helper

from pipeline.conversion.sample import Sample
from pipeline.graphs.writer import NamedGraph

__all__ = ["name_outputs", "read_columns"]

_ML_OPSET = 3  # the newest that the converters write; opset 5 deprecates the operators that they use for trees
_OPSET, _IR_VERSION = 20, 10
_value = helper.make_tensor_value_info


def read_columns(body: onnx.ModelProto, sample: Sample) -> onnx.ModelProto:
    """Return ``body`` with one input ``[batch]`` per column: float for numbers, string for texts.

    Args:
        body: Graph whose input is a matrix ``[batch, columns]``, or which has one input ``[batch, 1]`` per column, in
            order.
        sample: Rows of the columns.
    """
    kinds = [TensorProto.STRING if sample.is_text(name) else TensorProto.FLOAT for name in sample.columns]
    inputs = [_value(name, kind, ["batch"]) for name, kind in zip(sample.columns, kinds, strict=True)]
    tall = [f"_/tall_{index}" for index, _ in enumerate(sample.columns)]
    graph = NamedGraph()
    axis = graph.constant("_/axis", np.array([1], np.int64))
    for name, output in zip(sample.columns, tall, strict=True):
        graph.add("Unsqueeze", name, axis, name=output)
    if len(body.graph.input) == 1 and len(tall) > 1:
        matrix = graph.add("Concat", *tall, name="_/matrix", axis=1)
        outputs = [_value(matrix, TensorProto.FLOAT, ["batch", len(tall)])]
    else:
        outputs = [_value(name, kind, ["batch", 1]) for name, kind in zip(tall, kinds, strict=True)]
    return _join(graph.model("columns", inputs, outputs), compose.add_prefix(body, "_/model/"))


def name_outputs(model: onnx.ModelProto, classes: Sequence[object] | None) -> onnx.ModelProto:
    """Return ``model`` with the outputs of a served file: label (string) and probabilities, or value ``[batch]``.

    Args:
        model: Graph whose outputs are a label and probabilities, or a value ``[batch, 1]`` or ``[batch]``.
        classes: Labels in the order of the probabilities; None for regression.
    """
    inputs = [_value(f"model_output_{index}", *_type(output)) for index, output in enumerate(model.graph.output)]
    graph = NamedGraph()
    if classes is None:
        graph.add("Reshape", inputs[0].name, graph.constant("shape", np.array([-1], np.int64)), name="value")
        del model.graph.output[1:]
        return _join(model, graph.model("value", inputs[:1], [_value("value", TensorProto.FLOAT, ["batch"])]))
    if inputs[0].type.tensor_type.elem_type == TensorProto.INT64:
        labels = {
            "keys_int64s": [int(str(name)) for name in classes],
            "values_strings": [str(name) for name in classes],
        }
        graph.add("LabelEncoder", inputs[0].name, name="label", domain="ai.onnx.ml", **labels)
    else:
        graph.add("Identity", inputs[0].name, name="label")
    graph.add("Identity", inputs[1].name, name="probabilities")
    outputs = [
        _value("label", TensorProto.STRING, ["batch"]),
        _value("probabilities", TensorProto.FLOAT, ["batch", len(classes)]),
    ]
    del model.graph.output[2:]
    return _join(model, graph.model("labels", inputs[:2], outputs))


def _type(output: onnx.ValueInfoProto) -> tuple[int, list[str | int]]:
    tensor = output.type.tensor_type
    return tensor.elem_type, ["batch", *(dimension.dim_value for dimension in tensor.shape.dim[1:])]


def _join(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    """Return both graphs in sequence, in one version."""
    outputs, inputs = first.graph.output, second.graph.input
    pairs = [(source.name, target.name) for source, target in zip(outputs, inputs, strict=True)]
    return compose.merge_models(_convert_version(first), _convert_version(second), io_map=pairs)


def _convert_version(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``model`` with the versions of the joined graph; no operator in use changed its meaning since opset 13."""
    model.ir_version = _IR_VERSION
    versions = {opset.domain: opset.version for opset in model.opset_import} | {"": _OPSET, "ai.onnx.ml": _ML_OPSET}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions.items())
    return model
