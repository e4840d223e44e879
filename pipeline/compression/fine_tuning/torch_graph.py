"""An ONNX body as a torch module: onnxruntime runs the nodes before its weights, torch the nodes from there on.

Therefore any input of a body is possible, texts included, and only the operators of a network need torch counterparts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor, nn

from pipeline.compression.fine_tuning.torch_operators import OPERATORS
from pipeline.compression.weight_tensors import WEIGHT_INPUTS, is_large
from pipeline.contracts.errors import NotApplicableError
from pipeline.evaluation.sessions import session_options
from pipeline.graphs.compose import attributes_of, keep_needed

__all__ = ["TorchGraph"]

# Operator -> the indices of inputs that learn if they are constants.
_LEARNED_INPUTS = {
    **{operator: (index,) for operator, index in WEIGHT_INPUTS.items()},
    "Gemm": (1, 2),
    "Conv": (1, 2),
    "Add": (0, 1),
    "LayerNormalization": (1, 2),
    "BatchNormalization": (1, 2),
}

Arrays = Mapping[str, npt.NDArray[Any]]


class TorchGraph(nn.Module):
    """``forward(rows)``: the inputs of the body -> its output, differentiable in ``weights``.

    Attributes:
        weights: The tensors that learn: those of weight operators, and the biases and scales that follow them.
        inputs: The names of the body's inputs that are read.
    """

    def __init__(self, model: bytes) -> None:
        """Read a serialized body.

        Raises:
            NotApplicableError: It has no weights, or an operator after them without a torch counterpart.
        """
        super().__init__()
        self._model = onnx.load_from_string(model)
        _constants_to_initializers(self._model.graph)
        self._constants = {tensor.name: tensor for tensor in self._model.graph.initializer}
        self._after = self._find_weighted_nodes()
        unknown = sorted({node.op_type for node in self._after} - OPERATORS.keys())
        if not self._after:
            raise NotApplicableError("the model has no weights that could be fine-tuned")
        if unknown:
            raise NotApplicableError(f"the operators {', '.join(unknown)} cannot be fine-tuned")
        self._attributes = [attributes_of(node) for node in self._after]
        self._names, trainable = self._tensors()
        self.weights = nn.ParameterList(trainable.values())
        self._fixed = {name: tensor for name, tensor in self._names.items() if name not in trainable}
        self._trainable_names = tuple(trainable)
        self._before = self._open_prefix()
        self.inputs = tuple(dict.fromkeys((*self._read_before, *self._passed)))

    @property
    def output(self) -> str:
        """The name of the body's output."""
        return str(self._model.graph.output[0].name)

    @property
    def nodes(self) -> tuple[onnx.NodeProto, ...]:
        """The nodes that torch runs, in the order of the graph."""
        return tuple(self._after)

    def named_weights(self) -> dict[str, nn.Parameter]:
        """Return the tensors that learn, by the names of their initializers."""
        return dict(zip(self._trainable_names, self.weights, strict=True))

    def forward(self, rows: Arrays) -> Tensor:
        """Run the body on ``rows``: input -> values [rows, ...]."""
        prediction: Tensor = self.compute(rows)[self.output]
        return prediction

    def compute(self, rows: Arrays) -> dict[str, Any]:
        """Run the body, and return all values that torch computes, by their names."""
        values: dict[str, Any] = {**self._fixed, **self.named_weights(), "": None}
        feeds = {name: rows[name] for name in self._read_before}
        computed = self._before.run(None, feeds) if self._before is not None else ()
        values.update(zip(self._computed, map(_as_tensor, computed), strict=True))
        values.update((name, _as_tensor(rows[name])) for name in self._passed)
        for node, attributes in zip(self._after, self._attributes, strict=True):
            read = self.prepare_inputs(node, [values[name] for name in node.input])
            outputs = OPERATORS[node.op_type](read, attributes)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            values.update(zip(node.output, outputs, strict=False))
        return values

    def prepare_inputs(self, node: onnx.NodeProto, values: list[Any]) -> list[Any]:
        """Return the inputs of ``node``'s operator: ``values``, unless a subclass replaces them."""
        return values

    def to_onnx(self) -> onnx.ModelProto:
        """Return the body with the current weights."""
        written = onnx.ModelProto()
        written.CopyFrom(self._model)
        weights = self.named_weights()
        for tensor in written.graph.initializer:
            if tensor.name in weights:
                values = weights[tensor.name].detach().cpu().numpy()
                tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
        return written

    def _find_weighted_nodes(self) -> list[onnx.NodeProto]:
        """Return the nodes that have weights, and those that follow them."""
        reached: set[str] = set()
        nodes = []
        for node in self._model.graph.node:
            index = WEIGHT_INPUTS.get(node.op_type)
            weight = self._constants.get(node.input[index]) if index is not None and index < len(node.input) else None
            if (weight is not None and is_large(weight)) or reached & set(node.input):
                reached.update(node.output)
                nodes.append(node)
        return nodes

    def _tensors(self) -> tuple[dict[str, Tensor], dict[str, nn.Parameter]]:
        """Return the constants of the nodes that torch runs, and those among them that learn."""
        constants: dict[str, Tensor] = {}
        trainable: dict[str, nn.Parameter] = {}
        for node in self._after:
            for index, name in enumerate(node.input):
                if name not in self._constants:
                    continue
                tensor = constants.setdefault(name, _as_tensor(numpy_helper.to_array(self._constants[name]).copy()))
                if index in _LEARNED_INPUTS.get(node.op_type, ()) and tensor.is_floating_point() and tensor.numel() > 1:
                    trainable[name] = nn.Parameter(tensor)
        return constants, trainable

    def _open_prefix(self) -> onnxruntime.InferenceSession | None:
        """Open a session that computes the tensors that torch reads; None if torch only reads inputs of the body."""
        inputs = {value.name for value in self._model.graph.input}
        read = {name for node in self._after for name in node.input if name}
        computed_behind = {name for node in self._after for name in node.output}
        self._passed = sorted(read & inputs)
        self._computed = sorted(read - inputs - computed_behind - self._constants.keys())
        self._read_before: tuple[str, ...] = ()
        if not self._computed:
            return None
        prefix = keep_needed(self._model, [onnx.ValueInfoProto(name=name) for name in self._computed])
        self._read_before = tuple(value.name for value in prefix.graph.input)
        file = prefix.SerializeToString()
        return onnxruntime.InferenceSession(file, session_options(), providers=["CPUExecutionProvider"])


def _as_tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array) if array.ndim else np.array(array))


def _constants_to_initializers(graph: onnx.GraphProto) -> None:
    """Replace Constant nodes by initializers, so that there is one kind of constant."""
    constants = [
        node
        for node in graph.node
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value"
    ]
    for node in constants:
        tensor = onnx.TensorProto()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        if tensor.data_type != TensorProto.UNDEFINED:
            graph.initializer.append(tensor)
            graph.node.remove(node)
