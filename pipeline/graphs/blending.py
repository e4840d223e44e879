"""Several bodies as one: the weighted mean of what they answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from pipeline.graphs.joining import IR_VERSION, OPSETS, normalise

__all__ = ["blend"]

_ANSWER = "blended"


def blend(bodies: Sequence[onnx.ModelProto], weights: Sequence[float], *, classes: int) -> onnx.ModelProto:
    """A body (graphs.raw_inputs) that answers the ``weights``' mean of ``bodies``, which read the same rows.

    ``classes``: how many; 0: the bodies answer values. Of two bodies' inputs those of one name are one.
    """
    width = max(1, classes)
    shape = numpy_helper.from_array(np.array([-1, width], np.int64), "shape")
    nodes: list[onnx.NodeProto] = []
    constants, shares = [shape], []
    functions: dict[tuple[str, str], onnx.FunctionProto] = {}
    domains: dict[str, int] = {}
    inputs: dict[str, onnx.ValueInfoProto] = {}
    for index, (body, weight) in enumerate(zip(bodies, weights, strict=True)):
        part = compose.add_prefix(normalise(body), f"member_{index}/", rename_inputs=False)
        inputs |= {value.name: value for value in part.graph.input}
        functions |= {(one.domain, one.name): one for one in part.functions}
        domains |= {opset.domain: opset.version for opset in part.opset_import}
        nodes += part.graph.node
        constants += [*part.graph.initializer, numpy_helper.from_array(np.array(weight, np.float32), f"weight_{index}")]
        (answer,) = (value.name for value in part.graph.output)
        shares.append(f"share_{index}")
        nodes += [
            helper.make_node("Reshape", [answer, shape.name], [f"answer_{index}"]),
            helper.make_node("Mul", [f"answer_{index}", f"weight_{index}"], [shares[-1]]),
        ]
    nodes.append(helper.make_node("Sum", shares, [_ANSWER]))
    output = helper.make_tensor_value_info(_ANSWER, TensorProto.FLOAT, ["batch", width])
    graph = helper.make_graph(
        nodes, "blend", [inputs[name] for name in sorted(inputs, reverse=True)], [output], constants
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in ({"": OPSETS[""]} | domains).items()]
    return helper.make_model(
        graph,
        ir_version=IR_VERSION,
        opset_imports=opsets,
        functions=list(functions.values()),
        producer_name="modeldrop",
    )
