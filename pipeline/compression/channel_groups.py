"""Channels and neurons that can only be pruned together, found in an ONNX graph.

A layer's output channel is an output of its weights and bias, an entry of the norms that follow, and an input of the
next layers; an addition ties the channels of two layers together. This is the dependency graph of DepGraph (Fang et al.
2023, arXiv:2301.12900), built from a file instead of torch modules, so that it covers networks of any origin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from pipeline.graphs.compose import attributes_of

__all__ = ["ChannelGroup", "TensorAxis", "find_channel_groups", "keep_channels"]

_ELEMENTWISE = frozenset(
    {"Relu", "LeakyRelu", "Sigmoid", "Tanh", "Gelu", "Clip", "Identity", "Erf", "Softplus", "Dropout"}
)
_POOLS = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool"})
_PAIRWISE = frozenset({"Add", "Sub", "Mul", "Div"})
_IMAGE_AXIS, _LAST_AXIS = 1, -1

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorAxis:
    """An axis of an initializer along which the channels of a group lie, each in ``block`` consecutive entries."""

    tensor: str
    axis: int
    block: int = 1


@dataclass(eq=False, kw_only=True, slots=True)
class ChannelGroup:
    """Channels that are pruned together.

    Attributes:
        size: Number of channels.
        outputs: Axes of the weights and biases of layers that compute the channels, and of norms and constants on them.
        inputs: Axes of the weights of layers that read the channels.
        shapes: Names of the shape constants of Reshape nodes, which contain the number of channels.
        is_fixed: Whether another node reads the channels, so that none of them can be pruned.
    """

    size: int
    outputs: list[TensorAxis] = field(default_factory=list)
    inputs: list[TensorAxis] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)
    is_fixed: bool = False

    @property
    def axes(self) -> list[TensorAxis]:
        """All axes that shrink when channels of the group are removed."""
        return self.outputs + self.inputs


@dataclass(frozen=True, kw_only=True, slots=True)
class _Channels:
    """The axis of a value that holds the channels of a group: axis 1 of an image, or the last axis."""

    group: ChannelGroup
    axis: int
    block: int | None = 1  # consecutive entries per channel; None: unknown until a layer reads the value


def find_channel_groups(model: onnx.ModelProto) -> list[ChannelGroup]:
    """Return the groups whose channels can be pruned; a constant that two nodes read is duplicated in ``model``."""
    _separate_constants(model.graph)
    finder = _Finder(model.graph)
    for node in model.graph.node:
        finder.visit(node)
    return finder.prunable()


def keep_channels(model: onnx.ModelProto, group: ChannelGroup, indices: Indices) -> None:
    """Remove all channels of a group except ``indices`` from a model, in place."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for axis in group.axes:
        tensor = tensors[axis.tensor]
        entries = (indices[:, None] * axis.block + np.arange(axis.block)).reshape(-1)
        values = np.take(numpy_helper.to_array(tensor), entries, axis=axis.axis)
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), axis.tensor))
    for name in group.shapes:
        rows, features = numpy_helper.to_array(tensors[name]).tolist()
        feature_count = features // group.size * len(indices) if features > 0 else features
        tensors[name].CopyFrom(numpy_helper.from_array(np.array([rows, feature_count], np.int64), name))
    del model.graph.value_info[:]


def _separate_constants(graph: onnx.GraphProto) -> None:
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    read: set[str] = set()
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in tensors and name in read:
                copy = onnx.TensorProto()
                copy.CopyFrom(tensors[name])
                copy.name = f"{name}/{node.output[0]}/{index}"
                graph.initializer.append(copy)
                node.input[index] = copy.name
            read.add(name)


class _Finder:
    """Follows channels through the graph, node by node."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._outputs = {value.name for value in graph.output}
        self._channels: dict[str, _Channels] = {}
        self._groups: list[ChannelGroup] = []

    def prunable(self) -> list[ChannelGroup]:
        """Return the groups that only layers read, with at least one layer on each side."""
        for name in self._outputs & self._channels.keys():
            self._channels[name].group.is_fixed = True
        return [group for group in self._groups if not group.is_fixed and group.outputs and group.inputs]

    def visit(self, node: onnx.NodeProto) -> None:
        """Record what a node does with channels; an unsupported node fixes the channels that it reads."""
        followed = self._follow(node)
        if followed is None:
            for name in node.input:
                if name in self._channels:
                    self._channels[name].group.is_fixed = True
            return
        self._channels[node.output[0]] = followed

    def _follow(self, node: onnx.NodeProto) -> _Channels | None:
        """Return the channels of the node's output; None if they cannot be followed."""
        attributes = attributes_of(node)
        channels = self._channels.get(node.input[0]) if node.input else None
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            return self._layer(node, attributes, channels)
        if node.op_type in _PAIRWISE:
            return self._pair(node)
        if channels is None:
            return None
        if node.op_type in _ELEMENTWISE or (node.op_type in _POOLS and channels.axis == _IMAGE_AXIS):
            return channels
        rule = _RULES.get(node.op_type)
        return rule(self, node, attributes, channels) if rule else None

    def _layer(
        self, node: onnx.NodeProto, attributes: Mapping[str, Any], channels: _Channels | None
    ) -> _Channels | None:
        weights = self._constants.get(node.input[1])
        rank = len(weights.dims) if weights is not None else 0
        is_convolution = node.op_type == "Conv"
        if weights is None or (is_convolution and attributes.get("group", 1) != 1) or attributes.get("transA"):
            return None
        if not is_convolution and rank != 2:
            return None
        output_axis = 0 if is_convolution or attributes.get("transB") else 1
        input_axis = 1 - output_axis
        axis = _IMAGE_AXIS if is_convolution else _LAST_AXIS
        if channels is not None:
            count = weights.dims[input_axis]
            block = channels.block or count // channels.group.size
            if channels.axis != axis or block * channels.group.size != count:
                channels.group.is_fixed = True
            channels.group.inputs.append(TensorAxis(tensor=weights.name, axis=input_axis, block=block))
        group = ChannelGroup(size=weights.dims[output_axis])
        group.outputs.append(TensorAxis(tensor=weights.name, axis=output_axis))
        for name in node.input[2:]:
            bias = self._constants.get(name)
            if bias is None or list(bias.dims) != [group.size]:
                group.is_fixed = True
            else:
                group.outputs.append(TensorAxis(tensor=name, axis=0))
        self._groups.append(group)
        return _Channels(group=group, axis=axis)

    def _pair(self, node: onnx.NodeProto) -> _Channels | None:
        first, second = (self._channels.get(name) for name in node.input)
        if first is not None and second is not None:
            return self._tie(first, second)
        channels = first or second
        constant = self._constants.get(node.input[1] if first else node.input[0])
        if channels is None or constant is None or channels.block != 1:
            return None
        axis = len(constant.dims) - (3 if channels.axis == _IMAGE_AXIS else 1)
        if axis < 0 or constant.dims[axis] == 1:
            return channels
        if constant.dims[axis] != channels.group.size:
            return None
        channels.group.outputs.append(TensorAxis(tensor=constant.name, axis=axis))
        return channels

    def _tie(self, first: _Channels, second: _Channels) -> _Channels | None:
        """Merge the groups of two values that a node combines; None if their shapes differ."""
        if (first.axis, first.block, first.group.size) != (second.axis, second.block, second.group.size):
            return None
        merged, absorbed = first.group, second.group
        if merged is not absorbed:
            merged.outputs += absorbed.outputs
            merged.inputs += absorbed.inputs
            merged.shapes += absorbed.shapes
            merged.is_fixed |= absorbed.is_fixed
            self._groups.remove(absorbed)
            for name, channels in self._channels.items():
                if channels.group is absorbed:
                    self._channels[name] = _Channels(group=merged, axis=channels.axis, block=channels.block)
        return first

    def _norm(self, node: onnx.NodeProto, attributes: Mapping[str, Any], channels: _Channels) -> _Channels | None:
        axis = _IMAGE_AXIS if node.op_type == "BatchNormalization" else _LAST_AXIS
        names = [name for name in node.input[1:] if name]
        sizes = [list(self._constants[name].dims) for name in names if name in self._constants]
        if channels.axis != axis or channels.block != 1 or attributes.get("axis", -1) != -1:
            return None
        if sizes != [[channels.group.size]] * len(names):
            return None
        channels.group.outputs += [TensorAxis(tensor=name, axis=0) for name in names]
        return channels

    def _flatten(self, node: onnx.NodeProto, attributes: Mapping[str, Any], channels: _Channels) -> _Channels | None:
        """Follow [batch, channels, height, width] to [batch, channels x height x width]."""
        if channels.axis != _IMAGE_AXIS:
            return None
        if node.op_type == "Flatten":
            return (
                _Channels(group=channels.group, axis=_LAST_AXIS, block=None) if attributes.get("axis", 1) == 1 else None
            )
        shape = self._constants.get(node.input[1])
        if shape is None:
            return None
        sizes = numpy_helper.to_array(shape).tolist()
        as_many_rows = (-1,) if attributes.get("allowzero") else (0, -1)
        if len(sizes) != 2 or sizes[0] not in as_many_rows:
            return None
        channels.group.shapes.append(shape.name)
        return _Channels(group=channels.group, axis=_LAST_AXIS, block=None)

    def _spatial_mean(
        self, node: onnx.NodeProto, attributes: Mapping[str, Any], channels: _Channels
    ) -> _Channels | None:
        axes = self._constants.get(node.input[1]) if len(node.input) > 1 else None
        reduced = numpy_helper.to_array(axes).tolist() if axes is not None else list(attributes.get("axes", ()))
        if channels.axis != _IMAGE_AXIS or sorted(axis % 4 for axis in reduced) != [2, 3]:
            return None
        return channels if attributes.get("keepdims", 1) else _Channels(group=channels.group, axis=_LAST_AXIS)


_RULES: Mapping[str, Callable[[_Finder, onnx.NodeProto, Mapping[str, Any], _Channels], _Channels | None]] = {
    "BatchNormalization": _Finder._norm,
    "Flatten": _Finder._flatten,
    "LayerNormalization": _Finder._norm,
    "ReduceMean": _Finder._spatial_mean,
    "Reshape": _Finder._flatten,
}
