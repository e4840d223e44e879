"""Write the layers of one network, or of several networks of the same architecture at once, as ONNX nodes.

Tensors that differ between the networks are stacked along a leading dimension, so that a layer is one batched
operation. Equal tensors are not stacked, and operations on them run once (as with torch.func.vmap).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto
from torch import Tensor, nn

from pipeline.graphs.writer import CannotWriteError, GraphWriter, Value

__all__ = ["LayerWriter", "modules_of", "write_piecewise_linear"]

_LOWEST = np.finfo(np.float32).min


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerWriter:
    """Writes layers of networks to a graph.

    Args:
        graph: The graph to write to.
        models: Number of networks.
    """

    graph: GraphWriter
    models: int

    def tensor(self, modules: Sequence[Any], name: str, rank: int = 0) -> Value:
        """Return the parameter or buffer ``name`` of one module per network as a constant (see ``array``)."""
        return self.array([_numpy(getattr(module, name)) for module in modules], rank)

    def array(self, arrays: Sequence[npt.NDArray[np.generic]], rank: int = 0) -> Value:
        """Return a constant of one array per network, stacked if they differ.

        Args:
            arrays: One array per network, all of the same shape.
            rank: Rank of the value that the constant is broadcast with, without the leading dimension.

        Raises:
            CannotWriteError: The arrays differ in shape.
        """
        first = arrays[0]
        if any(array.shape != first.shape for array in arrays):
            raise CannotWriteError(f"{[array.shape for array in arrays]}: one shape is expected")
        if all(np.array_equal(first, array) for array in arrays):
            return Value(name=self.graph.constant(first))
        ones = (1,) * max(0, rank - first.ndim)
        stack = np.stack(arrays).reshape(len(arrays), *ones, *first.shape)
        return Value(name=self.graph.constant(stack), stacked=True)

    def add(self, operator: str, *values: Value, **attributes: object) -> Value:
        """Add a node that works elementwise or along the last dimensions; return its output."""
        output = self.graph.add(operator, *(value.name for value in values), **attributes)
        return Value(name=output, stacked=any(value.stacked for value in values))

    def number(self, value: float) -> Value:
        """Return a constant number."""
        return Value(name=self.graph.constant(float(value)))

    def clip(self, value: Value, low: float, high: float) -> Value:
        """Clip a value to [low, high]."""
        return self.add("Clip", value, self.number(low), self.number(high))

    def linear(self, value: Value, layers: Sequence[nn.Linear], rank: int = 2) -> Value:
        """Apply one linear layer per network to ``value`` [..., in] of ``rank`` dimensions; return [..., out]."""
        weights = self.array([_numpy(layer.weight).T for layer in layers], rank)
        return self.add("Add", self.add("MatMul", value, weights), self.tensor(layers, "bias", rank))

    def layer_norm(self, value: Value, layers: Sequence[nn.LayerNorm], rank: int = 2) -> Value:
        """Apply one layer norm per network along the last dimension of ``value``, which has ``rank`` dimensions."""
        scale, bias = (self.tensor(layers, name, rank) for name in ("weight", "bias"))
        return self.add("LayerNormalization", value, scale, bias, axis=-1, epsilon=layers[0].eps)

    def sequential(self, value: Value, steps: Iterable[Sequence[Any]]) -> Value:
        """Apply modules one after another.

        Args:
            value: The input.
            steps: The modules at each step, one per network.

        Raises:
            CannotWriteError: A module is not a linear layer, a layer norm, a ReLU or dropout.
        """
        for modules in steps:
            kinds = {type(module) for module in modules}
            if kinds == {nn.Linear}:
                value = self.linear(value, modules)
            elif kinds == {nn.LayerNorm}:
                value = self.layer_norm(value, modules)
            elif kinds == {nn.ReLU}:
                value = self.add("Relu", value)
            elif kinds != {nn.Dropout}:
                raise CannotWriteError(f"{kinds}: linear layers, layer norms, ReLU and dropout are expected")
        return value

    def columns(self, value: Value, indices: npt.NDArray[np.int64]) -> Value:
        """Return the columns of ``value`` [batch, columns] with these indices; ``value`` must not be stacked."""
        return Value(name=self.graph.add("Gather", value.name, self.graph.constant(indices), axis=1))

    def embed(self, name: str, embeddings: Sequence[nn.ModuleList]) -> list[Value]:
        """Embed the ids of the input ``name`` [batch, columns].

        Args:
            name: Name of the input.
            embeddings: Embedding layers of the columns, per network.

        Returns:
            The embedded ids of each column [batch, dimensions].
        """
        values = []
        for index, tables in enumerate(zip(*embeddings, strict=True)):
            ids = Value(name=self.graph.add("Gather", name, self.graph.constant(index), axis=1))
            table = self.tensor(tables, "weight")
            values.append(self.add("Gather", table, ids, axis=int(table.stacked)))
        return values

    def concat(self, values: Sequence[Value]) -> Value:
        """Concatenate values [batch, ...] along the last dimension."""
        if len(values) == 1:
            return values[0]
        if not any(value.stacked for value in values):
            return self.add("Concat", *values, axis=-1)
        leading_shape = Value(name=self.graph.constant(np.array([self.models, 1, 1], np.int64)))
        stacked = [
            value if value.stacked else Value(name=self.add("Expand", value, leading_shape).name, stacked=True)
            for value in values
        ]
        return self.add("Concat", *stacked, axis=-1)

    def flatten_last(self, value: Value) -> Value:
        """Reshape [batch, columns, numbers] to [batch, columns x numbers]."""
        return self.reshape(value, [0, 0, -1] if value.stacked else [0, -1])

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """Reshape a value to an ONNX shape; for a stacked value it must include the leading dimension."""
        return self.add("Reshape", value, Value(name=self.graph.constant(np.array(shape, np.int64))))

    def swap_first(self, value: Value) -> Value:
        """Transpose [batch, members, numbers] to [members, batch, numbers], or back."""
        return self.add("Transpose", value, perm=[0, 2, 1, 3] if value.stacked else [1, 0, 2])

    def to_float(self, value: Value) -> Value:
        """Cast a value to float32."""
        return self.add("Cast", value, to=TensorProto.FLOAT)


def modules_of(blocks: Sequence[nn.Module], index: int) -> list[Any]:
    """Return the module at ``index`` of each nn.Sequential."""
    return [block.get_submodule(str(index)) for block in blocks]


def write_piecewise_linear(layers: LayerWriter, numbers: Value, modules: Sequence[Any]) -> Value:
    """Write rtdl_num_embeddings' PiecewiseLinearEmbeddings of version B without activation.

    All columns are padded to the same number of pieces: a column's last piece moves to the last index, after pieces
    with weights of 0.

    Args:
        layers: Writes the nodes.
        numbers: Numbers [batch, columns].
        modules: The embedding modules, one per network.

    Returns:
        Embeddings [batch, columns x embedding].

    References:
        Gorishniy, Rubachev and Babenko 2022, On Embeddings for Numerical Features in Tabular Deep Learning.
    """
    pieces = max(module.impl.weight.shape[1] for module in modules)

    def padded(tensors: Iterable[Tensor]) -> Value:
        return layers.array([_pad_pieces(_numpy(tensor), pieces) for tensor in tensors], 3)

    low, high = zip(*(_bounds(module.impl, pieces) for module in modules), strict=True)
    last = Value(name=layers.graph.constant(np.array([-1], np.int64)))
    unsqueezed = layers.add("Unsqueeze", numbers, last)
    steep = layers.add("Mul", unsqueezed, padded(module.impl.weight for module in modules))
    shifted = layers.add("Add", steep, padded(module.impl.bias for module in modules))
    covered = layers.add("Min", layers.add("Max", shifted, layers.array(low, 3)), layers.array(high, 3))
    weights = padded(module.linear.weight for module in modules)
    piecewise_output = layers.swap_first(layers.add("MatMul", layers.swap_first(covered), weights))
    linear = [module.linear0 for module in modules]
    scaled = layers.add("Mul", unsqueezed, layers.tensor(linear, "weight", 3))
    linear_output = layers.add("Add", scaled, layers.tensor(linear, "bias", 3))
    return layers.flatten_last(layers.add("Add", linear_output, piecewise_output))


def _pad_pieces(array: npt.NDArray[np.float32], pieces: int) -> npt.NDArray[np.float32]:
    """Pad an array [columns, fewer pieces, ...] to [columns, pieces, ...]; the last piece stays last."""
    wide = np.zeros((array.shape[0], pieces, *array.shape[2:]), np.float32)
    wide[:, : array.shape[1] - 1], wide[:, -1] = array[:, :-1], array[:, -1]
    return wide


def _bounds(encoding: Any, pieces: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the bounds [columns, pieces] to clip pieces to: [0, 1], but the first has no lower, the last no upper."""
    columns = encoding.weight.shape[0]
    low, high = np.zeros((columns, pieces), np.float32), np.ones((columns, pieces), np.float32)
    low[:, 0], high[:, -1] = _LOWEST, -_LOWEST
    if encoding.weight.shape[1] == 1:
        low[:, -1] = _LOWEST
    elif encoding.single_bin_mask is not None:
        low[encoding.single_bin_mask.numpy(), -1] = _LOWEST
    return low, high


def _numpy(tensor: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = tensor.detach().cpu().numpy()
    return array
