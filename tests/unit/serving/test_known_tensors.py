"""Binary tensors with a known header are views of the data; data with another header or size is not read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline.serving.formats.known_tensors import make_number_reader

DTYPES = {"x": np.dtype("<f4"), "n": np.dtype("<i8"), "empty": np.dtype("u1")}
X, N = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([7], np.int64)
INPUTS: list[dict[str, Any]] = [
    {"name": "n", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}},
    {"name": "x", "datatype": "FP32", "shape": [3, 2], "parameters": {"binary_data_size": 24}},
    {"name": "empty", "datatype": "UINT8", "shape": [0, 4], "parameters": {"binary_data_size": 0}},
]
HEADER = json.dumps({"inputs": INPUTS}).encode()


def changed(position: int, **fields: Any) -> list[dict[str, Any]]:
    return [tensor | fields if number == position else tensor for number, tensor in enumerate(INPUTS)]


def test_arrays_read_with_a_known_header_equal_the_data() -> None:
    read = make_number_reader(HEADER, INPUTS, DTYPES)
    assert read is not None
    for factor in (1, -3):
        feeds = read(HEADER, (N * factor).tobytes() + (X * factor).tobytes())
        assert feeds is not None
        np.testing.assert_array_equal(feeds["n"], N * factor, strict=True)
        np.testing.assert_array_equal(feeds["x"], X * factor, strict=True)
        assert feeds["empty"].shape == (0, 4)


def test_data_with_another_header_or_size_is_not_read() -> None:
    read = make_number_reader(HEADER, INPUTS, DTYPES)
    assert read is not None
    data = N.tobytes() + X.tobytes()
    assert read(HEADER + b" ", data) is None
    assert read(HEADER, data[:-1]) is None
    assert read(HEADER, data + b"\0") is None


@pytest.mark.parametrize(
    "inputs",
    [
        INPUTS[:2],
        [*INPUTS, INPUTS[0]],
        changed(0, name="other"),
        changed(0, datatype="INT32", shape=[2]),
        changed(0, datatype="UINT64"),
        changed(0, shape=[2]),
        changed(0, shape=None),
        changed(0, parameters={}),
        changed(0, datatype="BYTES", shape=[2]),
        changed(2, datatype="BOOL"),
        None,
    ],
)
def test_inputs_that_are_not_plain_views_are_not_learned(inputs: Any) -> None:
    assert make_number_reader(HEADER, inputs, DTYPES) is None


def test_bfloat16_is_not_read_as_uint16() -> None:
    inputs = [{"name": "x", "datatype": "BF16", "shape": [1], "parameters": {"binary_data_size": 2}}]
    assert make_number_reader(b"", inputs, {"x": np.dtype("<u2")}) is None
