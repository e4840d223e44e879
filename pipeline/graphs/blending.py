"""Several bodies as one graph: the weighted mean of what they answer, or their answers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from pipeline.graphs.compose import IR_VERSION, OPSETS, normalize

__all__ = ["blend", "side_by_side"]


def blend(
    bodies: Sequence[onnx.ModelProto], weights: Sequence[float], *, classes: int, width: int | None = None
) -> onnx.ModelProto:
    """Average several bodies (graphs.served_graph) that read the same rows. Inputs of one name are one.

    Args:
        bodies: what is averaged.
        weights: what each counts.
        classes: how many classes the probabilities are of; 0: the bodies answer values.
        width: numbers in an answer; None: a number for each class, or one value.

    Returns:
        A body that answers the weighted mean [batch, width].
    """
    width = max(1, classes) if width is None else width
    members = _Members.of(bodies, width=width)
    shares = [f"share_{index}" for index, _ in enumerate(weights)]
    for index, weight in enumerate(weights):
        members.constants.append(numpy_helper.from_array(np.array(weight, np.float32), f"weight_{index}"))
        members.nodes.append(helper.make_node("Mul", [members.outputs[index], f"weight_{index}"], [shares[index]]))
    members.nodes.append(helper.make_node("Sum", shares, ["blended"]))
    return members.model("blended", width)


def side_by_side(bodies: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """Return a graph that answers [batch, bodies]: what each body, which answers values, says."""
    members = _Members.of(bodies, width=1)
    members.nodes.append(helper.make_node("Concat", members.outputs, ["all_answers"], axis=1))
    return members.model("all_answers", len(bodies))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Members:
    """The bodies in one graph, before it has an output. ``answers``: a name each, [batch, width]."""

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
