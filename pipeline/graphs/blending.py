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
        members.nodes.append(helper.make_node("Mul", [members.answers[index], f"weight_{index}"], [shares[index]]))
    members.nodes.append(helper.make_node("Sum", shares, ["blended"]))
    return members.model("blended", width)


def side_by_side(bodies: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """A graph that answers [batch, bodies]: what each body, which answers values, says."""
    members = _Members.of(bodies, width=1)
    members.nodes.append(helper.make_node("Concat", members.answers, ["all_answers"], axis=1))
    return members.model("all_answers", len(bodies))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Members:
    """The bodies in one graph, before it has an output. ``answers``: a name each, [batch, width]."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    inputs: dict[str, onnx.ValueInfoProto] = field(default_factory=dict)
    functions: dict[tuple[str, str], onnx.FunctionProto] = field(default_factory=dict)
    domains: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, bodies: Sequence[onnx.ModelProto], *, width: int) -> _Members:
        made = cls(constants=[numpy_helper.from_array(np.array([-1, width], np.int64), "shape")])
        for index, body in enumerate(bodies):
            part = compose.add_prefix(normalize(body), f"member_{index}/", rename_inputs=False)
            made.inputs.update({value.name: value for value in part.graph.input})
            made.functions.update({(one.domain, one.name): one for one in part.functions})
            made.domains.update({opset.domain: opset.version for opset in part.opset_import})
            made.constants.extend(part.graph.initializer)
            made.nodes.extend(part.graph.node)
            (answer,) = (value.name for value in part.graph.output)
            made.answers.append(f"answer_{index}")
            made.nodes.append(helper.make_node("Reshape", [answer, "shape"], [made.answers[-1]]))
        return made

    def model(self, output: str, width: int) -> onnx.ModelProto:
        inputs = [self.inputs[name] for name in sorted(self.inputs)]
        answer = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])
        graph = helper.make_graph(self.nodes, "members", inputs, [answer], self.constants)
        return helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid(*one) for one in ({"": OPSETS[""]} | self.domains).items()],
            functions=list(self.functions.values()),
            producer_name="modeldrop",
        )
