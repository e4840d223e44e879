"""Models from ONNX files without a signature: requests and responses have the tensors of the graph."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column, Signature
from pipeline.serving.cells.errors import json_type
from pipeline.serving.formats.binary_tensors import attach_binary_data
from pipeline.serving.formats.known_tensors import make_number_reader
from pipeline.serving.formats.tensor_forms import ReadKnown
from pipeline.serving.loaded_model import InferenceSession, LoadedModel
from pipeline.serving.names import display_name
from pipeline.serving.request_decoder import Feeds

__all__ = ["TensorModel", "TensorSession", "TensorSpec", "tensor_specs"]

_Array = NDArray[Any]
_DATATYPES = {
    "tensor(float16)": ("FP16", "f2"),
    "tensor(float)": ("FP32", "f4"),
    "tensor(double)": ("FP64", "f8"),
    "tensor(int8)": ("INT8", "i1"),
    "tensor(int16)": ("INT16", "i2"),
    "tensor(int32)": ("INT32", "i4"),
    "tensor(int64)": ("INT64", "i8"),
    "tensor(uint8)": ("UINT8", "u1"),
    "tensor(uint16)": ("UINT16", "u2"),
    "tensor(uint32)": ("UINT32", "u4"),
    "tensor(uint64)": ("UINT64", "u8"),
    "tensor(bool)": ("BOOL", "?"),
    "tensor(string)": ("BYTES", "O"),
}
# kind of an input's dtype -> kinds of the data that may be cast to it
_KINDS: Mapping[str, str] = {"f": "fiu", "i": "iu", "u": "iu", "b": "b", "O": "O"}
_PLAIN_TYPES = frozenset({float, int})
_MAX_PACKED = 64  # elements; for more, numpy is faster than struct


class _Argument(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def shape(self) -> Sequence[int | str | None]: ...


class TensorSession(InferenceSession, Protocol):
    """An onnxruntime.InferenceSession with its inputs and outputs."""

    def get_inputs(self) -> Sequence[_Argument]:
        """Return the inputs of the graph."""
        ...

    def get_outputs(self) -> Sequence[_Argument]:
        """Return the outputs of the graph."""
        ...


class TensorSpec(NamedTuple):
    """Input or output of a graph.

    Attributes:
        name: Name of the input or output.
        datatype: Datatype in the Open Inference Protocol.
        dtype: Datatype in numpy.
        shape: Size of each axis; -1 for any size.
    """

    name: str
    datatype: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def fits(self, shape: Any) -> bool:
        """Return whether the shape of a tensor in a request matches this one."""
        if type(shape) is not list or len(shape) != len(self.shape):
            return False
        for axis, expected in zip(shape, self.shape):  # noqa: B905 - the lengths are equal
            if type(axis) is not int or (axis != expected if expected >= 0 else axis < 0):
                return False
        return True

    @property
    def metadata(self) -> dict[str, Any]:
        """Return the metadata in the Open Inference Protocol."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def tensor_specs(arguments: Iterable[_Argument]) -> list[TensorSpec]:
    """Return the specs of a graph's inputs or outputs.

    Raises:
        InvalidRequestError: An input or output is a sequence or a map, or has a type that the protocol lacks.
    """
    specs = []
    for argument in arguments:
        if argument.type not in _DATATYPES:
            raise InvalidRequestError(f"'{display_name(argument.name)}' is {argument.type}: tensors are expected")
        datatype, dtype = _DATATYPES[argument.type]
        shape = tuple(axis if isinstance(axis, int) else -1 for axis in argument.shape or ())
        specs.append(TensorSpec(argument.name, datatype, np.dtype(dtype), shape))
    return specs


class _TensorDecoder:
    """Decodes the tensors of a request into the feeds of a session."""

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}

    def __call__(self, inputs: Any, binary_data: bytes | None = None, *, ignore_extra: bool = False) -> Feeds:
        """Decode tensors.

        Args:
            inputs: ``inputs`` of the request; the data of a tensor is an array of one axis, or a list.
            binary_data: Data of the tensors whose parameter ``binary_data_size`` announces it.
            ignore_extra: Ignore tensors that the model does not read.

        Raises:
            InvalidRequestError: A tensor is missing, unknown, repeated, or has a wrong shape, datatype or data.
        """
        if type(inputs) is not list:
            raise InvalidRequestError(f"inputs: an array of tensors is expected, not {json_type(inputs)}")
        if binary_data is not None:
            attach_binary_data(inputs, binary_data)
        feeds: Feeds = {}
        for number, tensor in enumerate(inputs):
            if type(tensor) is not dict or type(tensor.get("name")) is not str:
                raise InvalidRequestError(f"inputs[{number}]: an object with name, shape, datatype, data is expected")
            spec = self._specs.get(tensor["name"])
            if spec is None:
                if not ignore_extra:
                    self._raise_unknown(tensor["name"])
            elif spec.name in feeds:
                raise InvalidRequestError(f"inputs[{number}]: '{display_name(spec.name)}' is repeated")
            else:
                feeds[spec.name] = _read_tensor(tensor, spec)
        if missing := [name for name in self._specs if name not in feeds]:
            raise InvalidRequestError(f"inputs lack {', '.join(map(display_name, missing))}")
        return feeds

    def make_request_reader(self, header: bytes, inputs: Any) -> ReadKnown | None:
        """Return a function that reads further requests with the same header; None if not all tensors are numbers.

        Args:
            header: JSON header of a request that was read.
            inputs: ``inputs`` of the header.
        """
        return make_number_reader(header, inputs, {name: spec.dtype for name, spec in self._specs.items()})

    def make_body_reader(self, body: bytes, inputs: Any) -> None:
        """Return None: no JSON body is remembered."""

    def _raise_unknown(self, name: str) -> NoReturn:
        expected = ", ".join(map(display_name, self._specs))
        raise InvalidRequestError(f"the model has no input '{display_name(name)}': {expected} is expected")


def _read_tensor(tensor: dict[str, Any], spec: TensorSpec) -> _Array:
    shape: Any = tensor.get("shape")
    data = tensor.get("data")
    if tensor.get("datatype") != spec.datatype:
        raise _refuse(spec, f", datatype: {spec.datatype} is expected")
    if not spec.fits(shape):
        if type(shape) is not list or not all(type(axis) is int and axis >= 0 for axis in shape):
            raise _refuse(spec, ", shape: an array of sizes is expected")
        raise _refuse(spec, f", shape: {list(spec.shape)} is expected (-1: any size)")
    if isinstance(data, list):
        types = set(map(type, data))
        if spec.datatype == "FP32" and len(data) <= _MAX_PACKED:
            packed = _pack_floats(data, types, shape)
            if packed is not None:
                return packed
        array = _to_array(data, types, spec)
    elif isinstance(data, np.ndarray):  # binary data, or the contents of a gRPC message
        array = data
    else:
        raise _refuse(spec, f", data: an array is expected, not {json_type(data)}")
    array = _cast(array, spec)
    if array.size != math.prod(shape):
        raise _refuse(spec, f": its shape has {math.prod(shape)} elements, its data {array.size}")
    return array.reshape(shape)


def _refuse(spec: TensorSpec, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"input '{display_name(spec.name)}'{problem}")


def _pack_floats(data: list[Any], types: set[type], shape: list[int]) -> _Array | None:
    """Return a few plain numbers as float32, with numpy's rounding, in a third of numpy's time.

    Return None for other data, and for integers only, which numpy rounds differently: it does not convert them to
    float64 first.
    """
    if float not in types or not types <= _PLAIN_TYPES or math.prod(shape) != len(data):
        return None
    try:
        packed = struct.pack(f"={len(data)}f", *data)
    except (struct.error, OverflowError):
        return None
    return None if math.inf in data or -math.inf in data else np.frombuffer(packed, np.float32).reshape(shape)


def _to_array(data: list[Any], types: set[type], spec: TensorSpec) -> _Array:
    try:
        array = np.array(data, object if spec.datatype == "BYTES" else None)
        if array.dtype == object and spec.dtype.kind == "f":  # as an extension, null is NaN
            array = np.array([math.nan if element is None else element for element in data])
    except ValueError:
        raise _refuse(spec, ", data: nested arrays of equal length are expected") from None
    if spec.datatype == "BYTES" and not all(type(element) is str for element in array.ravel()):
        raise _refuse(spec, ", data: texts are expected")
    if array.dtype.kind in "fiu" and _has_boolean(data, types):  # numpy converts booleans to 0 and 1
        raise _refuse(spec, f", data: {spec.datatype} is expected")
    return array


def _has_boolean(data: list[Any], types: set[type]) -> bool:
    return bool in types or (list in types and any(_has_boolean(row, set(map(type, row))) for row in data))


def _cast(array: _Array, spec: TensorSpec) -> _Array:
    """Cast an array to the datatype of an input.

    Raises:
        InvalidRequestError: The data has another kind, or a number is out of the range of the datatype.
    """
    if array.dtype == spec.dtype:
        return array
    if array.size and array.dtype.kind not in _KINDS[spec.dtype.kind]:
        raise _refuse(spec, f", data: {spec.datatype} is expected")
    if array.size and spec.dtype.kind in "iu":
        bounds = np.iinfo(spec.dtype)
        if array.min() < bounds.min or array.max() > bounds.max:
            raise _refuse(spec, f", data: a number is out of the range of {spec.datatype}")
    with np.errstate(over="ignore"):
        values = array.astype(spec.dtype)
    if spec.dtype.kind == "f" and np.isinf(values).any():
        raise _refuse(spec, f", data: a number is out of the range of {spec.datatype}")
    return values


class TensorModel(LoadedModel):
    """A version without a signature, which is called with tensors, not with rows. Thread-safe.

    Args:
        tenant: Tenant of the model.
        model: Name of the model.
        version: Number of the version.
        session: Runs the graph.
        file_bytes: Size of the model file.

    Raises:
        InvalidRequestError: An input or output is not a tensor.
    """

    def __init__(self, *, tenant: str, model: str, version: int, session: TensorSession, file_bytes: int = 0) -> None:
        self._inputs = tensor_specs(session.get_inputs())
        self._outputs = tensor_specs(session.get_outputs())
        columns = tuple(Column(name=spec.name, kind="numeric", shape=spec.shape[1:]) for spec in self._inputs)
        super().__init__(
            tenant=tenant,
            model=model,
            version=version,
            signature=Signature(task="regression", target="", columns=columns),
            session=session,
            file_bytes=file_bytes,
        )
        self.outputs = [spec.name for spec in self._outputs]
        self.decode_tensors = _TensorDecoder(self._inputs)  # type: ignore[assignment]  # has the same methods

    def metadata(self, versions: Iterable[int]) -> dict[str, Any]:
        """Return the metadata in the Open Inference Protocol; ``versions`` are the model's callable versions."""
        return {
            "name": self.model,
            "versions": [str(version) for version in versions],
            "platform": "onnx_onnxv1",
            "inputs": [spec.metadata for spec in self._inputs],
            "outputs": [spec.metadata for spec in self._outputs],
        }

    def predict(self, feeds: Feeds) -> NoReturn:
        """Refuse rows.

        Raises:
            InvalidRequestError: Always.
        """
        raise InvalidRequestError('this model has no signature: tensors ("inputs") are expected, not rows')

    predict_json = predict
