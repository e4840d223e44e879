"""Map the columns of a table to the inputs of an uploaded graph."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.contracts.errors import InvalidModelError
from pipeline.contracts.signature import Column, ColumnKind
from pipeline.validation.limits import MAX_COLUMNS, MAX_NAME_CHARACTERS

__all__ = ["PREFIX", "GraphInput", "read_inputs", "read_metadata_list"]

PREFIX = "brought/"  # prefix of the names of nodes and tensors that modeldrop adds
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
_WIDE = (TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT32, TensorProto.UINT64)
_NUMBERS = (*_FLOATS, *_WIDE, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16)
_SERVED = {"image": TensorProto.UINT8, "text": TensorProto.STRING, "numeric": TensorProto.FLOAT}
_CHANNELS = (1, 3)
_MAX_SIDE = 96  # pixels; requests with larger images exceed the payload limit of a Lambda function
# Metadata of images (ONNX: docs/MetadataProps.md): value -> (factor, offset) for pixels from 0 to 255.
_RANGES = {
    "NominalRange_0_255": (1.0, 0.0),
    "Normalized_0_1": (1 / 255, 0.0),
    "Normalized_1_1": (2 / 255, -1.0),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphInput:
    """An input of the graph, and the columns that fill it.

    Attributes:
        name: Name of the input.
        element: Type of its elements (onnx.TensorProto).
        columns: One column for an input ``[batch]`` or ``[batch, 1]``; one per index for ``[batch, width]``; one per
            index of each step for ``[batch, steps, width]``.
        rank: Number of dimensions, the batch included.
        steps: Number of time steps; 0: the input has none.
        layout: Position of an image's channels; empty for other inputs.
        scale: Factor and offset of the pixels of an image.
    """

    name: str
    element: int
    columns: tuple[Column, ...]
    rank: int
    steps: int = 0
    layout: Literal["", "NCHW", "NHWC"] = ""
    scale: tuple[float, float] = (1.0, 0.0)

    def array(self, feeds: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return the value of the input, computed by numpy from the columns' arrays ``[rows, ...]``."""
        dtype = helper.tensor_dtype_to_np_dtype(self.element)
        if self.layout:
            image = feeds[self.columns[0].name]
            if self.scale != (1.0, 0.0):
                image = image.astype(np.float32) * np.float32(self.scale[0]) + np.float32(self.scale[1])
            return (image if self.layout == "NHWC" else image.transpose(0, 3, 1, 2)).astype(dtype)
        columns = [feeds[column.name] for column in self.columns]
        array = columns[0] if self.rank == 1 else np.stack(columns, axis=1)
        if self.steps:
            array = array.reshape(len(array), self.steps, -1)
        return array if self.element == TensorProto.STRING else array.astype(dtype)

    def nodes(self, output: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
        """Return the nodes that do what ``array`` does, and their constants; ``output`` is the input's new name."""
        steps = _Steps(self.columns[0].name, f"{PREFIX}{self.name}/")
        if self.layout:
            if self.scale != (1.0, 0.0):
                steps.add("Cast", to=TensorProto.FLOAT)
                steps.add("Mul", np.array(self.scale[0], np.float32))
                steps.add("Add", np.array(self.scale[1], np.float32))
            if self.layout == "NCHW":
                steps.add("Transpose", perm=[0, 3, 1, 2])
        elif self.rank > 1 and len(self.columns) == 1:
            steps.add("Reshape", np.array([-1, 1], np.int64))
        elif self.rank > 1:
            steps.join([column.name for column in self.columns])
            steps.add("Reshape", np.array([len(self.columns), -1], np.int64))
            steps.add("Transpose", perm=[1, 0])
            # Without it, onnxruntime fuses Transpose into the first layer, which quantizers then do not recognize.
            steps.add("Reshape", np.array([-1, len(self.columns)], np.int64))
        if self.steps:
            steps.add("Reshape", np.array([-1, self.steps, len(self.columns) // self.steps], np.int64))
        if self.element != self.served_element:
            steps.add("Cast", to=self.element)
        return steps.end(output)

    @property
    def served_element(self) -> int:
        """Type of the columns' elements in a served file."""
        column = self.columns[0]
        element: int = TensorProto.DOUBLE if column.is_wide else _SERVED.get(column.kind, TensorProto.FLOAT)
        return element

    def value_infos(self) -> list[onnx.ValueInfoProto]:
        """Return the inputs of a served file for the columns."""
        return [
            helper.make_tensor_value_info(column.name, self.served_element, ["batch", *column.shape])
            for column in self.columns
        ]


class _Steps:
    """A chain of nodes, each of which reads the output of the previous one."""

    def __init__(self, start: str, prefix: str) -> None:
        self._last, self._prefix = start, prefix
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, constant: npt.NDArray[Any] | None = None, **attributes: Any) -> None:
        inputs = [self._last]
        if constant is not None:
            inputs.append(f"{self._prefix}constant_{len(self._nodes)}")
            self._constants.append(numpy_helper.from_array(constant, inputs[-1]))
        self._append(operator, inputs, attributes)

    def join(self, names: Sequence[str]) -> None:
        self._append("Concat", names, {"axis": 0})

    def _append(self, operator: str, inputs: Sequence[str], attributes: dict[str, Any]) -> None:
        self._last = f"{self._prefix}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [self._last], name=self._last, **attributes))

    def end(self, output: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
        self._nodes.append(helper.make_node("Identity", [self._last], [output], name=f"{self._prefix}end"))
        return self._nodes, self._constants


def read_inputs(model: onnx.ModelProto, header: Sequence[str], file: str) -> tuple[GraphInput, ...]:
    """Find the columns of a graph's inputs.

    A matrix that is the only input has the names in ``header``, or without a header those in the graph's metadata
    (``columns``, a JSON list) if their number fits. Columns of other matrices are named ``NAME_0`` and so on.

    Args:
        model: A checked graph.
        header: Features of calibration.csv, in order; empty without this file.
        file: Name of the file, for messages.

    Raises:
        InvalidModelError: Columns cannot fill an input; the message names it.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in constants]
    if not values:
        raise InvalidModelError(f"{file} has no input")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    names = _Names(header=header, metadata=metadata, is_alone=len(values) == 1, file=file)
    inputs = tuple(_read_input(value, names, metadata, file) for value in values)
    columns = [column.name for graph_input in inputs for column in graph_input.columns]
    if len(columns) > MAX_COLUMNS:
        raise InvalidModelError(f"{file} reads {len(columns):,} columns: at most {MAX_COLUMNS:,} are expected")
    for name in columns:
        if not name.strip() or len(name) > MAX_NAME_CHARACTERS or columns.count(name) > 1:
            raise InvalidModelError(f"{file}: '{name[:80]}' is not a valid column name, or names two columns")
    return inputs


@dataclass(frozen=True, kw_only=True, slots=True)
class _Names:
    """The sources of the names of a matrix's columns.

    Attributes:
        header: Features of calibration.csv; may be empty.
        metadata: Metadata of the graph.
        is_alone: Whether the matrix is the graph's only input; only then are header and metadata used.
        file: Name of the uploaded file, for messages.
    """

    header: Sequence[str]
    metadata: Mapping[str, str]
    is_alone: bool
    file: str

    def width(self, declared: int, name: str) -> int:
        """Return the width of a matrix; if the graph does not declare it (0), the length of the header."""
        if declared:
            return declared
        if self.is_alone and self.header:
            return len(self.header)
        raise InvalidModelError(
            f"{self.file}: the input '{name}' does not say how many columns it has: upload calibration.csv with it, "
            "with a header row"
        )

    def of_matrix(self, name: str, width: int) -> Sequence[str]:
        if self.is_alone and self.header:
            if len(self.header) != width:
                raise InvalidModelError(
                    f"calibration.csv has {len(self.header)} columns, and the input '{name}' of {self.file} reads "
                    f"{width}: only the model's features are expected, in order"
                )
            return self.header
        stored = read_metadata_list(self.metadata, "columns")
        if self.is_alone and len(stored) == width and all(isinstance(column, str) for column in stored):
            return stored
        return [name] if width == 1 else [f"{name}_{index}" for index in range(width)]


def read_metadata_list(metadata: Mapping[str, str], key: str) -> list[Any]:
    """Return a JSON list in a graph's metadata; empty if there is none."""
    try:
        items = json.loads(metadata.get(key, ""))
    except ValueError:
        return []
    return items if isinstance(items, list) else []


def _read_input(value: onnx.ValueInfoProto, names: _Names, metadata: Mapping[str, str], file: str) -> GraphInput:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        named = (kind or "value without a type").removesuffix("_type")
        raise InvalidModelError(f"{file}: the input '{value.name}' is a {named}, and only tensors can be served")
    tensor = value.type.tensor_type
    sizes = [dimension.dim_value for dimension in tensor.shape.dim]
    element = tensor.elem_type
    if element not in (*_NUMBERS, TensorProto.BOOL, TensorProto.STRING):
        named = TensorProto.DataType.Name(element) if element else "nothing"
        raise InvalidModelError(f"{file}: the input '{value.name}' has elements of {named}, which no column has")
    if not tensor.HasField("shape") or len(sizes) in (1, 2):
        return _read_columns(value.name, element, sizes, names)
    if len(sizes) == 3 and all(sizes[1:]):
        return _read_steps(value.name, element, sizes, names)
    if len(sizes) == 4 and element in (*_FLOATS, TensorProto.UINT8):
        return _read_image(value.name, element, sizes, metadata, file)
    raise InvalidModelError(
        f"{file}: the input '{value.name}' has the shape {_shape(tensor)}: rows [batch] or [batch, columns], a fixed "
        "number of steps [batch, steps, columns], or images [batch, channels, height, width] or [batch, height, width, "
        "channels] are expected"
    )


def _read_columns(name: str, element: int, sizes: Sequence[int], names: _Names) -> GraphInput:
    rank = len(sizes) or 2
    width = 1 if rank == 1 else names.width(sizes[1] if len(sizes) > 1 else 0, name)
    kind: ColumnKind = "numeric"
    if element == TensorProto.STRING:
        kind = "text"
    elif element == TensorProto.BOOL:
        kind = "boolean"
    is_named = width == 1 and (not names.is_alone or not names.header or name in names.header)
    column_names = [name] if is_named else names.of_matrix(name, width)
    columns = tuple(Column(name=column, kind=kind, is_wide=element in _WIDE) for column in column_names)
    return GraphInput(name=name, element=element, columns=columns, rank=rank)


def _read_steps(name: str, element: int, sizes: Sequence[int], names: _Names) -> GraphInput:
    """Return an input of several time steps: a column for each number of each step, step after step."""
    steps, width = sizes[1:]
    flat = _read_columns(name, element, [sizes[0], steps * width], names)
    columns = flat.columns
    if [column.name for column in columns] == [f"{name}_{index}" for index in range(steps * width)]:
        columns = tuple(
            replace(column, name=f"{name}_{index // width}_{index % width}") for index, column in enumerate(columns)
        )
    return replace(flat, columns=columns, rank=3, steps=steps)


def _read_image(name: str, element: int, sizes: Sequence[int], metadata: Mapping[str, str], file: str) -> GraphInput:
    layout: Literal["NCHW", "NHWC"] = "NCHW" if sizes[1] in _CHANNELS else "NHWC"
    channels, height, width = sizes[1:] if layout == "NCHW" else (sizes[3], sizes[1], sizes[2])
    if channels not in _CHANNELS or not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
        raise InvalidModelError(
            f"{file}: the input '{name}' has images of {height or '?'} x {width or '?'} pixels and {channels or '?'} "
            f"channels: fixed sizes up to {_MAX_SIDE} x {_MAX_SIDE}, and 1 or 3 channels, are expected"
        )
    usual = "NominalRange_0_255" if element == TensorProto.UINT8 else "Normalized_0_1"
    named = metadata.get("Image.NominalPixelRange", usual)
    if named not in _RANGES:
        raise InvalidModelError(
            f"{file}: Image.NominalPixelRange is '{named[:40]}' in its metadata: one of {', '.join(_RANGES)} is "
            "expected"
        )
    column = Column(name=name, kind="image", shape=(height, width, channels))
    return GraphInput(name=name, element=element, columns=(column,), rank=4, layout=layout, scale=_RANGES[named])


def _shape(tensor: onnx.TypeProto.Tensor) -> str:
    sizes = (dimension.dim_param or dimension.dim_value or "?" for dimension in tensor.shape.dim)
    return f"[{', '.join(map(str, sizes))}]"
