"""Tensors of a graph for one row, as C variables with static shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from pipeline.contracts.errors import InvalidModelError

__all__ = ["CTensor", "c_type", "literal", "literals"]

_C_TYPES = {
    TensorProto.FLOAT: "float",
    TensorProto.DOUBLE: "double",
    TensorProto.INT64: "int64_t",
    TensorProto.INT32: "int32_t",
    TensorProto.UINT8: "uint8_t",
    TensorProto.INT8: "int8_t",
    TensorProto.BOOL: "uint8_t",
    TensorProto.STRING: "const char *",
}
_MAX_LINE = 110  # characters per line of numbers


@dataclass(frozen=True, kw_only=True, slots=True)
class CTensor:
    """A tensor as a C array.

    Attributes:
        name: C identifier.
        dtype: Element type, a TensorProto.DataType.
        shape: Static shape; () is a scalar, stored as an array of one element.
        value: Elements of a constant; None if they are computed.
    """

    name: str
    dtype: int
    shape: tuple[int, ...]
    value: npt.NDArray[np.generic] | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def c_type(self) -> str:
        """C type of an element."""
        return _C_TYPES[self.dtype]

    def declare(self) -> str:
        """Return the declaration of a computed tensor."""
        return f"{self.c_type} {self.name}[{max(self.size, 1)}];"

    def define(self) -> str:
        """Return the definition of a constant, with its elements."""
        assert self.value is not None
        kind = "const char *const" if self.dtype == TensorProto.STRING else f"const {self.c_type}"
        return f"static {kind} {self.name}[{max(self.size, 1)}] = {{\n{literals(self.value.ravel())}\n}};"


def c_type(dtype: int, tensor: str) -> str:
    """Return the C type of an element.

    Raises:
        InvalidModelError: C source does not support the type, for example float16.
    """
    if dtype not in _C_TYPES:
        raise InvalidModelError(f"tensor '{tensor}' is {TensorProto.DataType.Name(dtype)}, which C source cannot hold")
    return _C_TYPES[dtype]


def literals(values: npt.NDArray[np.generic]) -> str:
    """Return comma-separated C literals, wrapped into lines."""
    lines, line = [], ""
    for value in values.tolist():
        text = literal(value, is_float32=values.dtype == np.float32) + ","
        if line and len(line) + len(text) > _MAX_LINE:
            lines.append(line)
            line = ""
        line += text
    return "\n".join([*lines, line or "0"])


def literal(value: object, *, is_float32: bool = False) -> str:
    """Return one C literal that reads back as exactly ``value``."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int):
        return f"{value}LL" if abs(value) > np.iinfo(np.int32).max else str(value)
    if isinstance(value, float):
        return _float_literal(value, is_float32=is_float32)
    text = value.decode() if isinstance(value, bytes) else str(value)
    return '"' + "".join(_escape(byte) for byte in text.encode()) + '"'


def _float_literal(value: float, *, is_float32: bool) -> str:
    if np.isnan(value):
        return "NAN"
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = str(np.float32(value)) if is_float32 else repr(value)
    if "." not in text and "e" not in text:
        text += ".0"
    return text.removesuffix("0") + "f" if is_float32 and text.endswith(".0") else text + ("f" if is_float32 else "")


def _escape(byte: int) -> str:
    """Return a byte in a C string; octal escapes end after three digits, so that any character may follow."""
    character = chr(byte)
    if character in '"\\':
        return f"\\{character}"
    return character if " " <= character <= "~" and character != "?" else f"\\{byte:03o}"
