"""Tensors of a request whose cells are spelled as in the training file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column
from pipeline.parsing.numbers import NumberFormat
from pipeline.serving.tensors import TensorDecoder
from tests.helpers.request_rows import AGE, CAFE, VIP, columns_of

NAN = float("nan")
GERMAN = NumberFormat(decimal=",", group=".")

# Tensors


def tensor(name: str, datatype: str, *data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": list(data)}


@pytest.mark.parametrize(
    ("column", "datatype", "data", "values"),
    [
        (Column(name="x", kind="numeric", number_format=GERMAN), "BYTES", ["80,5", "NA", None], [80.5, NAN, NAN]),
        (Column(name="x", kind="numeric", is_wide=True), "FP64", [1000000035.25, None], [1000000035.25, NAN]),
        (Column(name="x", kind="numeric", is_wide=True), "FP32", [1, None], [1, NAN]),
        (Column(name="x", kind="numeric", is_wide=True), "INT64", [1000000035, None], [1000000035, NAN]),
        (Column(name="x", kind="boolean"), "BOOL", [True, 0, None], [1, 0, NAN]),
        (Column(name="x", kind="boolean"), "INT8", [1, 0, None], [1, 0, NAN]),
        (Column(name="x", kind="boolean"), "BYTES", ["Yes", "0", ""], [1, 0, NAN]),
        (Column(name="x", kind="datetime", time_unit="yyyymmdd"), "INT64", [19700102, None], [86400, NAN]),
        (Column(name="x", kind="datetime", time_unit="ms"), "BYTES", ["1500", "1970-01-02"], [1.5, 86400]),
        (Column(name="x", kind="categorical", is_code=True), "INT64", [7, 2**53 + 1], ["7", str(2**53 + 1)]),
        (Column(name="x", kind="categorical", is_code=True), "BYTES", ["7.0", None], ["7", ""]),
    ],
)
def test_a_tensor_may_spell_cells_as_the_training_file_does(
    column: Column, datatype: str, data: list[Any], values: Any
) -> None:
    feeds = TensorDecoder(columns_of(column))([tensor("x", datatype, *data)])
    np.testing.assert_array_equal(feeds["x"], np.array(values, feeds["x"].dtype))
    assert feeds["x"].dtype == (np.float64 if column.is_wide or column.kind == "datetime" else feeds["x"].dtype)


@pytest.mark.parametrize(
    ("column", "datatype", "data", "words"),
    [
        (Column(name="x", kind="numeric"), "BYTES", ["1", "80,5"], "input 'x', element 1: a number such as"),
        (Column(name="x", kind="numeric"), "BOOL", [True], "datatype: one of FP32"),
        (Column(name="x", kind="numeric"), "BYTES", [1], "BYTES or null is expected, this is a number"),
        (Column(name="x", kind="boolean"), "INT8", [1, 2], "input 'x', element 1: true, false, 1, 0"),
        (Column(name="x", kind="categorical"), "INT64", [1], "datatype: one of BYTES"),
    ],
)
def test_a_tensor_with_another_spelling_or_datatype_is_refused(
    column: Column, datatype: str, data: list[Any], words: str
) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        TensorDecoder(columns_of(column))([tensor("x", datatype, *data)])
    assert words in raised.value.message


def test_an_optional_tensor_may_be_absent_and_names_may_be_spelled_as_in_the_header() -> None:
    decode = TensorDecoder(columns_of(AGE, CAFE, VIP))
    for name in ("age", " age", "age "):
        feeds = decode([tensor(name, "FP32", 1, 2), tensor("cafe\u0301", "BYTES", "x", "y")])
        assert (feeds["age"].tolist(), feeds["café"].tolist()) == ([1, 2], ["x", "y"])
        assert np.isnan(feeds["vip"]).tolist() == [True, True]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (
            [tensor("age", "FP32", 1), tensor(" age", "FP32", 1), tensor("café", "BYTES", "x")],
            "inputs[1]: 'age' is repeated",
        ),
        ([tensor(" age", "BOOL", True)], "input 'age', datatype: one of FP32"),
        ([tensor("vip", "BOOL", True)], "inputs lacks 'age', 'café'; expected:"),
        ([], "inputs: one tensor per column"),
        ([None], "inputs[0]: an object is expected, not null"),
    ],
)
def test_invalid_tensors_are_refused(inputs: list[Any], words: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        TensorDecoder(columns_of(AGE, CAFE, VIP))(inputs)
    assert raised.value.message.startswith(words)
