"""Join several bodies to one graph: the weighted mean of their predictions, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from pipeline.graphs.compose import IR_VERSION, OPSETS, normalize
from pipeline.graphs.decision import clip_probabilities

__all__ = ["blend", "side_by_side"]


def blend(
    bodies: Sequence[onnx.ModelProto], weights: Sequence[float], *, classes: int, width: int | None = None
) -> onnx.ModelProto:
    """Average several bodies (graphs.served_graph) that read the same rows. Inputs of one name are one.

    Args:
        bodies: The bodies.
        weights: Weight of each body.
        classes: Number of classes; 0: the bodies predict values.
        width: Outputs of a body; None: one per class, or one value.

    Returns:
        A body that predicts the weighted mean [batch, width].
    """
    width = max(1, classes) if width is None else width
    members = _Members.of(bodies, width=width)
    shares = [f"share_{index}" for index, _ in enumerate(weights)]
    for index, weight in enumerate(weights):
        members.constants.append(numpy_helper.from_array(np.array(weight, np.float32), f"weight_{index}"))
        members.nodes.append(helper.make_node("Mul", [members.outputs[index], f"weight_{index}"], [shares[index]]))
    members.nodes.append(helper.make_node("Sum", shares, ["blended"]))
    if not classes:
        return members.model("blended", width)
    clip, bounds = clip_probabilities("blended", "probabilities")
    members.nodes.extend(clip)
    members.constants.extend(bounds)
    return members.model("probabilities", width)


def side_by_side(bodies: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """Return a graph of the values that each of several bodies predicts, [batch, bodies]."""
    members = _Members.of(bodies, width=1)
    members.nodes.append(helper.make_node("Concat", members.outputs, ["all_answers"], axis=1))
    return members.model("all_answers", len(bodies))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Members:
    """The bodies in one graph without an output; ``answers`` are the names of their predictions [batch, width]."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    inputs: dict[str, onnx.ValueInfoProto] = field(default_factory=dict)
    functions: dict[tuple[str, str], onnx.FunctionProto] = field(default_factory=dict)
    domains: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, bodies: Sequence[onnx.ModelProto], *, width: int) -> _Members:
        members = cls(constants=[numpy_helper.from_array(np.array([-1, width], np.int64), "shape")])
        for index, body in enumerate(bodies):
            member = compose.add_prefix(normalize(body), f"member_{index}/", rename_inputs=False)
            members.inputs.update({value.name: value for value in member.graph.input})
            members.functions.update({(function.domain, function.name): function for function in member.functions})
            members.domains.update({opset.domain: opset.version for opset in member.opset_import})
            members.constants.extend(member.graph.initializer)
            members.nodes.extend(member.graph.node)
            (output,) = (value.name for value in member.graph.output)
            members.outputs.append(f"answer_{index}")
            members.nodes.append(helper.make_node("Reshape", [output, "shape"], [members.outputs[-1]]))
        return members

    def model(self, output: str, width: int) -> onnx.ModelProto:
        inputs = [self.inputs[name] for name in sorted(self.inputs)]
        output_info = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])
        graph = helper.make_graph(self.nodes, "members", inputs, [output_info], self.constants)
        return helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid(*opset) for opset in ({"": OPSETS[""]} | self.domains).items()],
            functions=list(self.functions.values()),
            producer_name="modeldrop",
        )
