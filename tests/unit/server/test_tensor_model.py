"""Tensors of model files without a signature; short and long lists are decoded the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.errors import InvalidRequestError
from pipeline.server.execution.sessions import make_server_session
from pipeline.server.models.tensor_model import TensorModel
from tests.helpers.running_server import write_scaling_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TensorModel:
    path: Path = write_scaling_model(tmp_path_factory.mktemp("models"))
    session = make_server_session(path.read_bytes(), threads=1, with_batching=False)
    return TensorModel(tenant="local", model="scale", version=1, session=session)


def _decode(model: TensorModel, data: list[Any]) -> np.ndarray[Any, Any]:
    tensor = {"name": "x", "datatype": "FP32", "shape": [len(data) // 2, 2], "data": data}
    return model.decode_tensors([tensor])["x"]


numbers = (
    st.floats(width=32, allow_nan=False, allow_infinity=False) | st.floats(-1e38, 1e38) | st.integers(-(2**62), 2**62)
)


@given(data=st.lists(numbers, min_size=2, max_size=2))
def test_short_and_long_lists_are_rounded_the_same(model: TensorModel, data: list[Any]) -> None:
    few = _decode(model, data)
    many = _decode(model, [*data, *[0.5] * 100])
    if float in map(type, data):  # integers alone are rounded once, beside fractions by way of float64
        assert few.tobytes() == many[:1].tobytes()
    assert few.dtype == np.float32


@pytest.mark.parametrize("count", [2, 200])
@pytest.mark.parametrize("value", ["1", 1e39, -1e39, 10**400, [1.0], {}, math.inf])
def test_a_value_that_is_not_a_number_in_range_is_refused(model: TensorModel, value: Any, count: int) -> None:
    with pytest.raises(InvalidRequestError):
        _decode(model, [0.5] * (count - 1) + [value])


@pytest.mark.parametrize("data", [[0.5, True], [1, True], [[0.5, False]], [True, True], [0.5] * 199 + [True]])
def test_a_boolean_among_numbers_is_refused(model: TensorModel, data: list[Any]) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1 if len(data) < 3 else 100, 2], "data": data}
    with pytest.raises(InvalidRequestError, match="data: FP32 is expected"):
        model.decode_tensors([tensor])


def test_missing_numbers_are_nan(model: TensorModel) -> None:
    assert np.isnan(_decode(model, [0.5, None])).tolist() == [[False, True]]


def test_binary_data_is_not_copied(model: TensorModel) -> None:
    values = np.array([0.5, np.nan, np.inf, -0.0], np.float32)
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": values.nbytes}}
    decoded = model.decode_tensors([tensor], values.tobytes())["x"]
    assert decoded.tobytes() == values.tobytes()
    assert not decoded.flags.owndata


def test_nested_rows_are_read(model: TensorModel) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [[0.5, 2]]}
    assert model.decode_tensors([tensor])["x"].tolist() == [[0.5, 2]]
