"""ONNX operators as torch functions: those that may follow a weight in a body, at the opset of graphs.compose.

An operator takes its inputs (None: omitted) and the attributes of its node, and returns its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper
from torch import Tensor
from torch.nn import functional

__all__ = ["OPERATORS", "Operator"]

Inputs = Sequence[Tensor | Any]  # Any: None if an optional input is omitted
Attributes = Mapping[str, Any]
Operator = Callable[[Inputs, Attributes], Tensor | tuple[Tensor, ...]]


def _gemm(inputs: Inputs, attributes: Attributes) -> Tensor:
    left = inputs[0].T if attributes.get("transA") else inputs[0]
    right = inputs[1].T if attributes.get("transB") else inputs[1]
    product: Tensor = attributes.get("alpha", 1.0) * (left @ right)
    return product if len(inputs) < 3 or inputs[2] is None else product + attributes.get("beta", 1.0) * inputs[2]


def _padded(image: Tensor, attributes: Attributes, value: float = 0.0) -> Tensor:
    """Pad an image by the attribute ``pads``, which lists the begins of all axes, then the ends."""
    pads = attributes.get("pads")
    if not pads or not any(pads):
        return image
    axes = len(pads) // 2
    flat = [pads[axis + side * axes] for axis in reversed(range(axes)) for side in (0, 1)]
    return functional.pad(image, flat, value=value)


def _conv(inputs: Inputs, attributes: Attributes) -> Tensor:
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[inputs[1].ndim - 3]
    return convolve(
        _padded(inputs[0], attributes),
        inputs[1],
        inputs[2] if len(inputs) > 2 else None,
        stride=attributes.get("strides", 1),
        dilation=attributes.get("dilations", 1),
        groups=attributes.get("group", 1),
    )


def _max_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    image = _padded(inputs[0], attributes, float("-inf"))
    return functional.max_pool2d(image, attributes["kernel_shape"], attributes.get("strides", 1))


def _average_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    if any(attributes.get("pads", ())) and not attributes.get("count_include_pad"):
        raise NotImplementedError("AveragePool that does not count its padding")
    image = _padded(inputs[0], attributes)
    return functional.avg_pool2d(image, attributes["kernel_shape"], attributes.get("strides", 1))


def _batch_normalization(inputs: Inputs, attributes: Attributes) -> Tensor:
    value, scale, bias, mean, variance = inputs
    return functional.batch_norm(value, mean, variance, scale, bias, eps=attributes.get("epsilon", 1e-5))


def _layer_normalization(inputs: Inputs, attributes: Attributes) -> Tensor:
    value, scale = inputs[:2]
    axis = attributes.get("axis", -1) % value.ndim
    normalized = functional.layer_norm(value, value.shape[axis:], eps=attributes.get("epsilon", 1e-5)) * scale
    return normalized.add(inputs[2]) if len(inputs) > 2 else normalized


def _reshape(inputs: Inputs, attributes: Attributes) -> Tensor:
    value, shape = inputs[0], inputs[1].tolist()
    if not attributes.get("allowzero"):
        shape = [value.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
    return value.reshape(shape)


def _axes(inputs: Inputs, attributes: Attributes) -> list[int]:
    """Return the axes, an input since opset 13 and an attribute before."""
    if len(inputs) > 1 and inputs[1] is not None:
        return list(inputs[1].reshape(-1).tolist())
    return list(attributes.get("axes", ()))


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    value, axes = inputs[0], _axes(inputs, attributes)
    for axis in sorted(axis % (value.ndim + len(axes)) for axis in axes):
        value = value.unsqueeze(axis)
    return value


def _squeeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    axes = _axes(inputs, attributes)
    return inputs[0].squeeze(tuple(axes)) if axes else inputs[0].squeeze()


def _reduce(function: Callable[..., Tensor]) -> Operator:
    def operator(inputs: Inputs, attributes: Attributes) -> Tensor:
        axes = _axes(inputs, attributes)
        if not axes and attributes.get("noop_with_empty_axes"):
            return inputs[0]
        dimensions = axes or list(range(inputs[0].ndim))
        return function(inputs[0], dim=dimensions, keepdim=bool(attributes.get("keepdims", 1)))

    return operator


def _slice(inputs: Inputs, attributes: Attributes) -> Tensor:
    value = inputs[0]
    starts, ends = inputs[1].tolist(), inputs[2].tolist()
    axes = inputs[3].tolist() if len(inputs) > 3 and inputs[3] is not None else range(len(starts))
    steps = inputs[4].tolist() if len(inputs) > 4 else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        indices = np.arange(value.shape[axis])[slice(start, end, step)]
        value = value.index_select(axis, torch.from_numpy(indices.copy()).to(value.device))
    return value


def _split(inputs: Inputs, attributes: Attributes) -> tuple[Tensor, ...]:
    axis = attributes.get("axis", 0)
    if len(inputs) > 1 and inputs[1] is not None:
        return tuple(torch.split(inputs[0], inputs[1].tolist(), dim=axis))
    return tuple(torch.tensor_split(inputs[0], attributes["num_outputs"], dim=axis))


def _gather(inputs: Inputs, attributes: Attributes) -> Tensor:
    value, indices = inputs
    axis = attributes.get("axis", 0) % value.ndim
    indices = torch.where(indices < 0, indices + value.shape[axis], indices)
    shape = (*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :])
    return value.index_select(axis, indices.reshape(-1)).reshape(shape)


def _cast(inputs: Inputs, attributes: Attributes) -> Tensor:
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(attributes["to"]))
    if attributes["to"] in (TensorProto.STRING, TensorProto.BFLOAT16):
        raise NotImplementedError(f"Cast to {dtype}")
    return inputs[0].to(torch.from_numpy(np.empty(0, dtype)).dtype)


def _clip(inputs: Inputs, attributes: Attributes) -> Tensor:
    low, high = (inputs[index] if len(inputs) > index else None for index in (1, 2))
    return inputs[0].clamp(low, high)


def _transpose(inputs: Inputs, attributes: Attributes) -> Tensor:
    return inputs[0].permute(attributes.get("perm", list(reversed(range(inputs[0].ndim)))))


def _elementwise(function: Callable[..., Tensor]) -> Operator:
    return lambda inputs, attributes: function(*inputs)


def _variadic(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda inputs, attributes: reduce(function, inputs)


OPERATORS: Mapping[str, Operator] = {
    "Abs": _elementwise(torch.abs),
    "Add": _elementwise(torch.add),
    "And": _elementwise(torch.logical_and),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda inputs, attributes: torch.cat(list(inputs), dim=attributes["axis"]),
    "Conv": _conv,
    "Div": _elementwise(torch.div),
    "Dropout": lambda inputs, attributes: inputs[0],
    "Einsum": lambda inputs, attributes: torch.einsum(attributes["equation"].decode(), *inputs),
    "Equal": _elementwise(torch.eq),
    "Erf": _elementwise(torch.erf),
    "Exp": _elementwise(torch.exp),
    "Expand": lambda inputs, attributes: inputs[0] * torch.ones(inputs[1].tolist(), dtype=inputs[0].dtype),
    "Flatten": lambda inputs, attributes: inputs[0].flatten(attributes.get("axis", 1)),
    "Gather": _gather,
    "Gelu": lambda inputs, attributes: functional.gelu(
        inputs[0], approximate=attributes.get("approximate", b"none").decode()
    ),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda inputs, attributes: inputs[0].mean(dim=list(range(2, inputs[0].ndim)), keepdim=True),
    "Greater": _elementwise(torch.gt),
    "Identity": lambda inputs, attributes: inputs[0],
    "LayerNormalization": _layer_normalization,
    "LeakyRelu": lambda inputs, attributes: functional.leaky_relu(inputs[0], attributes.get("alpha", 0.01)),
    "Less": _elementwise(torch.lt),
    "Log": _elementwise(torch.log),
    "LogSoftmax": lambda inputs, attributes: inputs[0].log_softmax(attributes.get("axis", -1)),
    "MatMul": _elementwise(torch.matmul),
    "Max": _variadic(torch.maximum),
    "MaxPool": _max_pool,
    "Min": _variadic(torch.minimum),
    "Mul": _elementwise(torch.mul),
    "Neg": _elementwise(torch.neg),
    "Not": _elementwise(torch.logical_not),
    "Pow": _elementwise(torch.pow),
    "Reciprocal": _elementwise(torch.reciprocal),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "Relu": _elementwise(torch.relu),
    "Reshape": _reshape,
    "Shape": lambda inputs, attributes: torch.tensor(inputs[0].shape),
    "Sigmoid": _elementwise(torch.sigmoid),
    "Slice": _slice,
    "Softmax": lambda inputs, attributes: inputs[0].softmax(attributes.get("axis", -1)),
    "Softplus": _elementwise(functional.softplus),
    "Split": _split,
    "Sqrt": _elementwise(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _elementwise(torch.sub),
    "Sum": _variadic(torch.add),
    "Tanh": _elementwise(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _elementwise(torch.where),
}
