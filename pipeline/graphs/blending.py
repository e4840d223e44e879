"""Join several bodies into one graph: it predicts the weighted mean of their predictions, or all predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, compose, helper

from pipeline.graphs.compose import IR_VERSION, OPSETS, normalize
from pipeline.graphs.decision import clip_probabilities
from pipeline.graphs.writer import NamedGraph

__all__ = ["blend", "concat_outputs"]


def blend(
    bodies: Sequence[onnx.ModelProto], weights: Sequence[float], *, classes: int, width: int | None = None
) -> onnx.ModelProto:
    """Average several bodies (graphs.served_graph) that read the same rows; they share inputs of the same name.

    Args:
        bodies: Graphs of the members.
        weights: Weight of each body.
        classes: Number of classes; 0: the bodies predict values.
        width: Number of outputs of a body; None: one per class, or one value.

    Returns:
        A body that predicts the weighted mean [batch, width].
    """
    width = max(1, classes) if width is None else width
    members = _Members.of(bodies, width=width)
    graph = members.graph
    weighted = [
        graph.add("Mul", output, graph.constant(f"weight_{index}", np.float32(weight)), name=f"share_{index}")
        for index, (output, weight) in enumerate(zip(members.outputs, weights, strict=True))
    ]
    graph.add("Sum", *weighted, name="blended")
    if not classes:
        return members.model("blended", width)
    clip_probabilities(graph, "blended", "probabilities")
    return members.model("probabilities", width)


def concat_outputs(bodies: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """Return a graph that predicts the value of each of several bodies [batch, bodies]."""
    members = _Members.of(bodies, width=1)
    members.graph.add("Concat", *members.outputs, name="all_answers", axis=1)
    return members.model("all_answers", len(bodies))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Members:
    """Several bodies in one graph without outputs; ``outputs`` are the names of their predictions [batch, width]."""

    graph: NamedGraph = field(default_factory=NamedGraph)
    outputs: list[str] = field(default_factory=list)
    inputs: dict[str, onnx.ValueInfoProto] = field(default_factory=dict)
    functions: dict[tuple[str, str], onnx.FunctionProto] = field(default_factory=dict)
    domains: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, bodies: Sequence[onnx.ModelProto], *, width: int) -> _Members:
        members = cls()
        shape = members.graph.constant("shape", np.array([-1, width], np.int64))
        for index, body in enumerate(bodies):
            member = compose.add_prefix(normalize(body), f"member_{index}/", rename_inputs=False)
            members.inputs.update({value.name: value for value in member.graph.input})
            members.functions.update({(function.domain, function.name): function for function in member.functions})
            members.domains.update({opset.domain: opset.version for opset in member.opset_import})
            members.graph.constants.extend(member.graph.initializer)
            members.graph.nodes.extend(member.graph.node)
            (output,) = (value.name for value in member.graph.output)
            members.outputs.append(members.graph.add("Reshape", output, shape, name=f"answer_{index}"))
        return members

    def model(self, output: str, width: int) -> onnx.ModelProto:
        inputs = [self.inputs[name] for name in sorted(self.inputs)]
        output_info = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])
        graph = helper.make_graph(self.graph.nodes, "members", inputs, [output_info], self.graph.constants)
        return helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid(*opset) for opset in ({"": OPSETS[""]} | self.domains).items()],
            functions=list(self.functions.values()),
            producer_name="modeldrop",
        )
