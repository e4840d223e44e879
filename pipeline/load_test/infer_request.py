"""Inference requests of the Open Inference Protocol, with generated values of the types that a model's metadata names.

References:
    Open Inference Protocol, https://github.com/kserve/open-inference-protocol
    Triton Inference Server, "Binary Tensor Data Extension",
    https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.datatypes import BINARY_FORMS

__all__ = ["InputTensor", "binary_body", "json_body", "make_inputs"]

_TEXT = b"a"
_MAX_INTEGER = 2  # exclusive, since 0 and 1 are valid values of most inputs


@dataclass(frozen=True, kw_only=True, slots=True)
class InputTensor:
    """One input of a request.

    Attributes:
        name: Name of the input.
        datatype: Datatype of the protocol, such as FP32.
        values: Values in the shape of the input; for BYTES an array of bytes objects.
    """

    name: str
    datatype: str
    values: NDArray[Any]

    def binary(self) -> bytes:
        """Return the values in the binary form of the protocol."""
        if self.datatype == "BYTES":
            return b"".join(struct.pack("<I", len(value)) + value for value in self.values.ravel())
        return self.values.tobytes()

    def header(self) -> dict[str, Any]:
        """Return the name, shape and datatype as a JSON object."""
        return {"name": self.name, "shape": list(self.values.shape), "datatype": self.datatype}


def make_inputs(metadata: Mapping[str, Any], rows: int) -> list[InputTensor]:
    """Generate values for the inputs of a model: numbers in [0, 1), integers 0 or 1, and the text "a".

    Args:
        metadata: Response of ``GET /v2/models/{model}``.
        rows: Length of the first axis if it is free (-1); other free axes get the length 1.

    Raises:
        InvalidRequestError: The metadata names no inputs, or a datatype that the protocol does not have.
    """
    inputs = metadata.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise InvalidRequestError(
            "the model's metadata names no inputs: a model of the Open Inference Protocol is expected"
        )
    random = np.random.default_rng(0)
    return [_make_input(described, rows, random) for described in inputs]


def json_body(inputs: Sequence[InputTensor]) -> bytes:
    """Return the body of a request with values as JSON."""
    return orjson.dumps({"inputs": [{**tensor.header(), "data": _json_values(tensor)} for tensor in inputs]})


def binary_body(inputs: Sequence[InputTensor]) -> tuple[bytes, int]:
    """Return the body of a request with values in binary form, and the length of its JSON header."""
    values = [tensor.binary() for tensor in inputs]
    described = [
        {**tensor.header(), "parameters": {"binary_data_size": len(data)}}
        for tensor, data in zip(inputs, values, strict=True)
    ]
    header = orjson.dumps({"inputs": described, "parameters": {"binary_data_output": True}})
    return b"".join((header, *values)), len(header)


def _make_input(described: Mapping[str, Any], rows: int, random: np.random.Generator) -> InputTensor:
    name, datatype = str(described.get("name")), str(described.get("datatype"))
    shape = [int(length) for length in described.get("shape", [])]
    shape = [length if length >= 0 else rows if axis == 0 else 1 for axis, length in enumerate(shape)]
    if datatype == "BYTES":
        return InputTensor(name=name, datatype=datatype, values=np.full(shape, _TEXT, dtype=object))
    form = BINARY_FORMS.get(datatype)
    if form is None:
        raise InvalidRequestError(f"input '{name}' has the datatype {datatype}, which the protocol does not have")
    if datatype.startswith("FP"):
        return InputTensor(name=name, datatype=datatype, values=random.random(shape).astype(form))
    if datatype == "BF16":  # the upper 16 bits of a float32
        halves = (random.random(shape).astype("<f4").view("<u4") >> 16).astype(form)
        return InputTensor(name=name, datatype=datatype, values=halves)
    return InputTensor(name=name, datatype=datatype, values=random.integers(0, _MAX_INTEGER, shape).astype(form))


def _json_values(tensor: InputTensor) -> list[Any]:
    flat = tensor.values.ravel()
    if tensor.datatype == "BYTES":
        return [value.decode() for value in flat]
    if tensor.datatype == "BOOL":
        flat = flat.astype(bool)
    elif tensor.datatype == "BF16":
        flat = (flat.astype("<u4") << 16).view("<f4")
    return list(flat.tolist())
