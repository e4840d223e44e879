"""Compose graphs: bring them to one version, join two in sequence, or keep only what an output needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import compose, helper
from onnxruntime.quantization.onnx_model import ONNXModel

__all__ = ["IR_VERSION", "OPSETS", "add_input", "attributes_of", "join", "keep_needed", "make_model", "normalize"]

IR_VERSION = 10
OPSETS = {"": 20, "ai.onnx.ml": 5, "com.microsoft": 1}


def make_model(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto] = (),
) -> onnx.ModelProto:
    """Make a model of nodes, with the IR version and opsets that all graphs of modeldrop have."""
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    domains = ("", "ai.onnx.ml", *sorted(_domains(graph) - {"", "ai.onnx.ml"}))
    opsets = [helper.make_opsetid(domain, OPSETS[domain]) for domain in domains]
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets, producer_name="modeldrop")


def normalize(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that can be merged: one IR version, the opsets of the domains in use, nodes in topological order.

    Quantization adds domains that no node uses and appends its nodes out of order. The metadata of nodes and values is
    deleted: torch's exporter writes stack traces with local paths there.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    used = _domains(copy.graph) | {""}
    versions = {opset.domain: opset.version for opset in copy.opset_import if opset.domain in used}
    del copy.opset_import[:]
    copy.opset_import.extend(helper.make_opsetid(domain, OPSETS.get(domain, versions[domain])) for domain in versions)
    copy.ir_version = IR_VERSION
    for item in (copy, copy.graph, *copy.graph.node, *copy.graph.value_info, *copy.graph.input, *copy.graph.output):
        del item.metadata_props[:]
    ordered = ONNXModel(copy)
    ordered.topological_sort()
    return ordered.model


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes as Python values."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _domains(graph: onnx.GraphProto) -> set[str]:
    """Return the operator domains of a graph and of its subgraphs."""
    inner = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    return {node.domain for node in graph.node}.union(*map(_domains, inner))


def join(first: onnx.ModelProto, second: onnx.ModelProto, *, prefix: str, output: str | None = None) -> onnx.ModelProto:
    """Connect the outputs of ``first`` to the inputs of ``second``, in their order.

    Args:
        first: The first graph.
        second: The second graph, whose names get ``prefix``.
        prefix: Keeps the names of both graphs distinct.
        output: Output of ``second`` to keep, with the nodes that it needs; None: keep all outputs.
    """
    inner = compose.add_prefix(normalize(second), prefix)
    pairs = zip(first.graph.output, inner.graph.input, strict=True)
    return compose.merge_models(
        normalize(first),
        inner,
        io_map=[(produced.name, consumed.name) for produced, consumed in pairs],
        outputs=None if output is None else [f"{prefix}{output}"],
        producer_name="modeldrop",
    )


def add_input(body: onnx.ModelProto, name: str, producer: onnx.ModelProto, *, prefix: str) -> onnx.ModelProto:
    """Compute an input of ``body`` by another graph; the other inputs of ``body`` stay.

    Args:
        body: The graph, whose names get ``prefix``.
        name: Name of the input.
        producer: The graph that computes the input: it has one output, and no names of the body's other inputs.
        prefix: Keeps the names of both graphs distinct.
    """
    reads = [value.name for value in body.graph.input]
    nodes, inputs, outputs = list(producer.graph.node), list(producer.graph.input), []
    for value in body.graph.input:
        if value.name == name:
            outputs.append(producer.graph.output[0])
            continue
        passed = onnx.ValueInfoProto()
        passed.CopyFrom(value)
        passed.name = f"{value.name}_as_it_is"
        nodes.append(helper.make_node("Identity", [value.name], [passed.name]))
        inputs.append(value)
        outputs.append(passed)
    assert name in reads, f"the body has no input {name}"
    return join(make_model("before", nodes, inputs, outputs, producer.graph.initializer), body, prefix=prefix)


def keep_needed(model: onnx.ModelProto, outputs: Sequence[onnx.ValueInfoProto]) -> onnx.ModelProto:
    """Return a copy that computes ``outputs``, with the nodes, constants and inputs that they need."""
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    needed = {output.name for output in outputs}
    nodes = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input) | _read_within(node)
    del smaller.graph.node[:]
    smaller.graph.node.extend(reversed(nodes))
    for values in (smaller.graph.initializer, smaller.graph.input):
        items = [value for value in values if value.name in needed]
        del values[:]
        values.extend(items)
    del smaller.graph.output[:], smaller.graph.value_info[:]
    smaller.graph.output.extend(outputs)
    return smaller


def _read_within(node: onnx.NodeProto) -> set[str]:
    """Return the names that the subgraphs of a node read."""
    names: set[str] = set()
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                names |= set(inner.input) | _read_within(inner)
    return names
