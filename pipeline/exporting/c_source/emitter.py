"""State of a translation: the statements so far, the constants that they read, and the tables that they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt
import onnx

from pipeline.contracts.errors import InvalidModelError
from pipeline.exporting.c_source.tensors import CTensor, literals
from pipeline.graphs.compose import attributes_of

__all__ = ["EMITTERS", "Emitter", "Operation", "check_operators", "emits", "index_expression"]


class Operation:
    """A node with its tensors.

    Args:
        node: Node of the ONNX graph.
        tensors: All tensors of the graph, by name.
    """

    def __init__(self, node: onnx.NodeProto, tensors: Mapping[str, CTensor]) -> None:
        self.kind = node.op_type
        self.name = node.name or node.output[0]
        self.attributes = attributes_of(node)
        self.inputs = [tensors[name] if name else None for name in node.input]
        self.outputs = [tensors[name] if name else None for name in node.output]

    @property
    def output(self) -> CTensor:
        """The first output."""
        assert self.outputs[0] is not None
        return self.outputs[0]

    def input(self, index: int) -> CTensor:
        """Return an input that must be present.

        Raises:
            InvalidModelError: The input is absent.
        """
        tensor = self.optional(index)
        if tensor is None:
            raise InvalidModelError(f"node '{self.name}' ({self.kind}) has no input {index}")
        return tensor

    def optional(self, index: int) -> CTensor | None:
        """Return an input that may be absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int) -> Any:
        """Return the value of an input that must be constant.

        Raises:
            InvalidModelError: The input is computed.
        """
        tensor = self.input(index)
        if tensor.value is None:
            raise InvalidModelError(f"node '{self.name}' ({self.kind}): input {index} must be a constant")
        return tensor.value

    def axis(self, default: int, rank: int) -> int:
        """Return the attribute ``axis``, counted from the first dimension."""
        axis = int(self.attributes.get("axis", default))
        return axis + rank if axis < 0 else axis

    def check_last_axis(self, default: int, feature: str) -> None:
        """Check that the operation is along the last axis of its first input.

        Raises:
            InvalidModelError: It is along another axis; C source has no such ``feature``.
        """
        rank = len(self.input(0).shape)
        if self.axis(default, rank) != rank - 1:
            raise self.refuse(feature)

    def refuse(self, feature: str) -> InvalidModelError:
        """Return the error that C source lacks ``feature``."""
        return InvalidModelError(f"node '{self.name}' ({self.kind}): C source has no {feature}")


class Emitter:
    """C statements of one graph."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.tables: list[str] = []  # definitions of static data that nodes need
        self._constants: dict[str, CTensor] = {}

    @property
    def constants(self) -> Sequence[CTensor]:
        """The constants that the statements read."""
        return list(self._constants.values())

    def emit(self, operation: Operation) -> None:
        """Append the statements of a node (see ``check_operators``).

        Raises:
            InvalidModelError: C source lacks a feature of the node.
        """
        self.statements += [tensor.declare() for tensor in operation.outputs if tensor is not None]
        EMITTERS[operation.kind](self, operation)

    def name(self, tensor: CTensor) -> str:
        """Return a tensor's identifier, and record a constant as read."""
        if tensor.value is not None:
            self._constants[tensor.name] = tensor
        return tensor.name

    def loop(self, count: int, body: str) -> None:
        """Append a loop over ``i``; for one element only its body, for none nothing."""
        if count == 1:
            self.statements.append(f"{{ const int i = 0; {body} }}")
        elif count:
            self.statements.append(f"for (int i = 0; i < {count}; i++) {{ {body} }}")

    def add(self, statement: str) -> None:
        """Append a statement."""
        self.statements.append(statement)

    def copy(self, source: CTensor, target: CTensor, position: str = "i") -> None:
        """Append a loop that copies to each element of ``target`` the element of ``source`` at ``position``."""
        self.loop(target.size, f"{target.name}[i] = {self.name(source)}[{position}];")

    def add_table(self, c_type: str, suffix: str, operation: Operation, values: npt.NDArray[Any]) -> str:
        """Define a static array for a node; return its identifier."""
        name = f"{operation.output.name}_{suffix}"
        self.tables.append(f"static const {c_type} {name}[{max(len(values), 1)}] = {{\n{literals(values)}\n}};")
        return name


def check_operators(graph: onnx.GraphProto) -> None:
    """Check that C source has every operator of a graph, before shape inference, which fails on unknown operators.

    Raises:
        InvalidModelError: C source lacks an operator; the message names the node.
    """
    for node in graph.node:
        if node.op_type not in EMITTERS:
            name = node.name or next(iter(node.output), "")
            raise InvalidModelError(
                f"node '{name}' ({node.op_type}) cannot become C source: trees, linear models and small networks over "
                "numbers and categories can"
            )


Emit = Callable[[Emitter, Operation], None]
EMITTERS: dict[str, Emit] = {}


def emits(*kinds: str) -> Callable[[Emit], Emit]:
    """Register a function as the emitter of operators."""

    def register(emitter: Emit) -> Emit:
        EMITTERS.update(dict.fromkeys(kinds, emitter))
        return emitter

    return register


def index_expression(shape: Sequence[int], output_shape: Sequence[int], variable: str = "i") -> str:
    """Return the index into a broadcast tensor for the flat index ``variable`` of the output.

    Args:
        shape: Shape of the tensor, broadcast to the output by ONNX's rules.
        output_shape: Shape of the output.
        variable: C variable of the flat output index.
    """
    padded = [1] * (len(output_shape) - len(shape)) + list(shape)
    if padded == list(output_shape):
        return variable
    terms, stride, output_stride = [], 1, 1
    for extent, output_extent in zip(reversed(padded), reversed(output_shape), strict=True):
        if extent > 1:
            position = variable if output_stride == 1 else f"{variable} / {output_stride}"
            terms.append(f"({position}) % {output_extent}" + (f" * {stride}" if stride > 1 else ""))
        stride *= extent
        output_stride *= output_extent
    return " + ".join(terms) or "0"
