"""Turn an uploaded graph into a served file (contracts.signature), with raw columns as inputs and named outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import onnx
from onnx import TensorProto, compose, helper, version_converter

from pipeline.brought.inputs import PREFIX, GraphInput
from pipeline.brought.outputs import GraphOutputs
from pipeline.contracts.signature import Signature
from pipeline.graphs.compose import OPSETS

__all__ = ["served_graphs"]

_MODEL = f"{PREFIX}model/"


def served_graphs(
    model: onnx.ModelProto, inputs: Sequence[GraphInput], outputs: GraphOutputs, signature: Signature
) -> Iterator[bytes]:
    """Yield the served file in the opset of the compression passes, if the graph can be converted, then in its own.

    Args:
        model: The graph, without maps.
        inputs: Inputs of the graph, and the columns that fill them.
        outputs: Outputs of the graph that are served.
        signature: The names of the columns and of the outputs.
    """
    for version in _versions(_open_batch(model, inputs)):
        yield _wrap(version, inputs, outputs, signature).SerializeToString()


def _versions(model: onnx.ModelProto) -> Iterator[onnx.ModelProto]:
    domains = {opset.domain: opset.version for opset in model.opset_import}
    version = domains.get("", domains.get("ai.onnx", 0))
    if version < OPSETS[""] and not domains.keys() - {"", "ai.onnx"}:
        with contextlib.suppress(Exception):  # onnx may raise any error: the graph then stays in its own opset
            yield version_converter.convert_version(model, OPSETS[""])
    yield model


def _open_batch(model: onnx.ModelProto, inputs: Sequence[GraphInput]) -> onnx.ModelProto:
    """Return the graph with a batch of any size, even if it was exported for a single row."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    filled = {graph_input.name for graph_input in inputs}
    for value in copy.graph.input:
        if value.name in filled and value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for output in copy.graph.output:
        if output.type.tensor_type.shape.dim:
            output.type.tensor_type.ClearField("shape")
    del copy.graph.value_info[:]
    return copy


def _wrap(
    model: onnx.ModelProto, inputs: Sequence[GraphInput], outputs: GraphOutputs, signature: Signature
) -> onnx.ModelProto:
    wrapped = compose.add_prefix(model, _MODEL)
    graph = wrapped.graph
    before = [graph_input.nodes(f"{_MODEL}{graph_input.name}") for graph_input in inputs]
    after = outputs.nodes(signature.outputs, [f"{_MODEL}{name}" for name in outputs.names])
    inner = list(graph.node)
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:], wrapped.metadata_props[:]
    for nodes, constants in before:
        graph.node.extend(nodes)
        graph.initializer.extend(constants)
    graph.node.extend(inner)
    graph.node.extend(after[0])
    graph.initializer.extend(after[1])
    graph.input.extend(info for graph_input in inputs for info in graph_input.value_infos())
    graph.output.extend(_output_infos(outputs, signature))
    wrapped.producer_name, wrapped.doc_string, graph.doc_string = "modeldrop", "", ""
    return wrapped


def _output_infos(outputs: GraphOutputs, signature: Signature) -> list[onnx.ValueInfoProto]:
    info = helper.make_tensor_value_info
    if outputs.form == "values":
        shape = ["batch"] if outputs.width == 1 else ["batch", outputs.width]
        return [info(signature.outputs[0], TensorProto.FLOAT, shape)]
    label, probabilities = signature.outputs
    return [
        info(label, TensorProto.STRING, ["batch"]),
        info(probabilities, TensorProto.FLOAT, ["batch", len(outputs.classes)]),
    ]
