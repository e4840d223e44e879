"""Write a graph node by node, with names given by the caller (NamedGraph) or generated (GraphWriter)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from pipeline.graphs.compose import make_model

__all__ = ["CannotWriteError", "GraphWriter", "NamedGraph", "Value"]


class CannotWriteError(ValueError):
    """Raised if several models have no common graph, or a layer cannot be written as nodes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A tensor of a graph; if ``stacked``, its leading dimension has an entry for each of several models."""

    name: str
    stacked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedGraph:
    """The nodes and constants so far, with names given by the caller.

    Args:
        prefix: Prefix of the names of constants and inner values, which distinguishes them from inputs and outputs.
    """

    prefix: str = ""
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, values: npt.ArrayLike) -> str:
        """Add a constant, and return its name with the prefix."""
        self.constants.append(numpy_helper.from_array(np.asarray(values), f"{self.prefix}{name}"))
        return f"{self.prefix}{name}"

    def add(self, operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output with the prefix."""
        return self.add_output(operator, *inputs, output=f"{self.prefix}{name}", **attributes)

    def add_output(self, operator: str, *inputs: str, output: str, **attributes: Any) -> str:
        """Add a node whose output is named ``output``, without the prefix, and return this name."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def model(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """Return the graph with these inputs and outputs."""
        return make_model(f"{self.prefix}{name}", self.nodes, inputs, outputs, self.constants)


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphWriter:
    """The nodes and constants so far, with generated names; equal constants are stored once.

    Args:
        prefix: Prefix of the names of values, which distinguishes them from inputs and other graphs.
    """

    prefix: str = "_"
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = field(default_factory=dict)

    def constant(self, values: npt.NDArray[Any] | float | int) -> str:
        """Return the name of a constant with these values; Python's numbers become float32 and int64."""
        if isinstance(values, float | int):
            values = np.array(values, np.float32 if isinstance(values, float) else np.int64)
        values = np.ascontiguousarray(values) if values.ndim else values
        key = (str(values.dtype), values.shape, values.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(values, f"{self.prefix}constant_{len(self.constants)}")
        name: str = self.constants[key].name
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        name = f"{self.prefix}{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def model(
        self, inputs: Mapping[str, onnx.ValueInfoProto], output: str, *, kind: int, shape: list[str | int]
    ) -> onnx.ModelProto:
        """Return the graph that computes ``output``, with only those ``inputs`` that a node reads."""
        read = {name for node in self.nodes for name in node.input}
        return make_model(
            "body",
            self.nodes,
            [value for name, value in inputs.items() if name in read],
            [helper.make_tensor_value_info(output, kind, shape)],
            list(self.constants.values()),
        )
