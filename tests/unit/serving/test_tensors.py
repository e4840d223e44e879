"""The Open Inference Protocol in JSON: predictions, and refusals with place and reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column, Signature
from pipeline.serving.api.protocols.infer import infer_document
from pipeline.serving.request_decoder import RequestDecoder
from pipeline.serving.tensors import TensorDecoder
from tests.helpers.served_models import CLASSIFIER, REGRESSOR, direct, loaded

NAN = float("nan")


def tensors(**changes: Any) -> list[dict[str, Any]]:
    """Two rows; ``changes`` replace parts of the tensor ``age``."""
    return [
        {"name": "age", "shape": [2], "datatype": "FP32", "data": [30.5, None]} | changes,
        {"name": "job", "shape": [2], "datatype": "BYTES", "data": ["cook", None]},
        {"name": "hours per week", "shape": [2, 1], "datatype": "INT64", "data": [[40], [-1]]},
        {"name": "member", "shape": [2], "datatype": "BOOL", "data": [True, None]},
    ]


AS_FED = {"age": [30.5, NAN], "job": ["cook", ""], "hours per week": [40, -1], "member": [1, NAN]}


def answered(document: dict[str, Any], signature: Any = CLASSIFIER) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(infer_document(loaded(signature), document).body)
    return body


def refused(document: Any) -> str:
    with pytest.raises(InvalidRequestError) as raised:
        infer_document(loaded(), document)
    return raised.value.message


def test_tensors_get_the_predictions_of_onnxruntime() -> None:
    labels, probabilities = direct(CLASSIFIER, **AS_FED)
    body = answered({"id": "request 7", "parameters": {"any": 1}, "inputs": tensors()})
    assert {k: v for k, v in body.items() if k != "outputs"} == {
        "model_name": "adult",
        "model_version": "3",
        "id": "request 7",
    }
    label, probability = body["outputs"]
    assert label == {"name": "label", "datatype": "BYTES", "shape": [2], "data": labels.tolist()}
    assert (probability["name"], probability["datatype"], probability["shape"]) == ("probabilities", "FP32", [2, 3])
    assert np.array_equal(np.array(probability["data"], np.float32), probabilities.ravel())


def test_a_regression_returns_one_tensor_and_no_id_for_a_request_without_id() -> None:
    body = answered({"inputs": tensors()[::-1]}, REGRESSOR)
    (values,) = direct(REGRESSOR, **AS_FED)
    assert "id" not in body
    assert body["outputs"] == [
        {"name": "value", "datatype": "FP32", "shape": [2], "data": pytest.approx(values.tolist())}
    ]


@pytest.mark.parametrize("wanted", [["probabilities"], ["probabilities", "label"]])
def test_only_the_requested_outputs_are_returned_in_their_order(wanted: list[str]) -> None:
    body = answered({"inputs": tensors(), "outputs": [{"name": name} for name in wanted]})
    assert [output["name"] for output in body["outputs"]] == wanted


def test_the_rows_of_a_request_are_counted() -> None:
    assert infer_document(loaded(), {"inputs": tensors()}).facts["rows"] == 2


@pytest.mark.parametrize(
    "datatype", ["FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]
)
def test_every_numeric_datatype_is_accepted(datatype: str) -> None:
    predictions = answered({"inputs": tensors(datatype=datatype, data=[30, None])})
    assert predictions == answered({"inputs": tensors(data=[30.0, None])})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datatype": "BOOL"}, "input 'age', datatype: one of FP32, FP64, FP16"),
        ({"datatype": "BYTES"}, "input 'age', element 0: BYTES or null is expected, this is a number"),
        ({"datatype": 7}, "input 'age', datatype: one of FP32"),
        ({"datatype": ["FP32"]}, "input 'age', datatype: one of FP32"),
        ({"shape": [3]}, "input 'age': the shape [2] or [2, 1] is expected, its data has 2 elements"),
        ({"shape": [1, 2]}, "input 'age': the shape [2] or [2, 1] is expected"),
        ({"shape": 2}, "input 'age': the shape [2] or [2, 1] is expected"),
        ({"data": 30}, "input 'age', data: an array is expected, not a number"),
        ({"data": [1, "x"]}, "input 'age', element 1: FP32 or null is expected, this is text"),
        ({"data": [True, 1]}, "input 'age', element 0: FP32 or null is expected, this is a boolean"),
        ({"datatype": "INT8", "data": [1, 1.5]}, "input 'age', element 1: INT8 or null is expected, this is a number"),
        ({"data": [1, 1e39]}, "input 'age', element 1: a number within ±3.4e38 is expected, this is a larger one"),
        ({"data": [[1], [2, 3]]}, "input 'age', data[1]: an array of one element is expected"),
        ({"data": [[1], 2]}, "input 'age', data[1]: an array of one element is expected"),
        ({"data": [1, [2]]}, "input 'age', data[0]: an array of one element is expected"),
        ({"data": [[[1]], [[2]]]}, "input 'age', element 0: FP32 or null is expected, this is an array"),
        ({"data": [1], "shape": [1]}, "inputs: 'job' has 2 elements and 'age' has 1"),
        ({"data": [], "shape": [0]}, "inputs: 1 to 10000 rows are expected, there are 0"),
        ({"name": "job"}, "inputs[1]: 'job' is repeated"),
        ({"name": 5}, "inputs[0], name: text is expected, not a number"),
        ({"name": ["age"]}, "inputs[0], name: text is expected, not an array"),
        ({"name": "agee"}, "inputs lacks 'age' and has 'agee', which the model does not read ('agee' is near 'age')"),
    ],
)  # fmt: skip
def test_an_invalid_tensor_is_refused_with_name_and_place(changes: dict[str, Any], message: str) -> None:
    inputs = tensors(**changes)
    if changes.get("name") == "job":
        inputs[0] |= {"datatype": "BYTES", "data": ["x", "y"]}
    assert refused({"inputs": inputs}).startswith(message)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "inputs: an array of tensors is expected, not an object"),
        ([], "inputs: one tensor per column"),
        ([7], "inputs[0]: an object is expected, not a number"),
        ([{"name": "age"}], "inputs[0] lacks shape, datatype, data: a tensor has name, shape, datatype, data"),
        (tensors()[1:], "inputs lacks 'age'; expected:"),
    ],
)
def test_an_invalid_list_of_tensors_is_refused(inputs: Any, message: str) -> None:
    assert refused({"inputs": inputs}).startswith(message)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "outputs: an array of objects"),
        (["label"], "outputs: an array of objects"),
        ([{"name": "label"}, {"name": "value"}], "outputs[1]: its name is not one of label, probabilities"),
        ([{"name": ["label"]}], "outputs[0]: its name is not one of"),
        ([{}], "outputs[0]: its name is not one of"),
    ],
)
def test_an_unknown_output_is_refused(outputs: Any, message: str) -> None:
    assert refused({"inputs": tensors(), "outputs": outputs}).startswith(message)


def test_an_id_that_is_not_text_is_refused() -> None:
    assert refused({"id": 5, "inputs": tensors()}) == "id: text is expected, not a number"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], 'an object with "rows" or "inputs" is expected, not an array'),
        (None, 'an object with "rows" or "inputs" is expected, not null'),
        ({}, 'one of "rows", "columns" and "inputs" is expected, none is there'),
        ({"rows": [], "inputs": []}, 'one of "rows", "columns" and "inputs" is expected, inputs and rows are there'),
    ],
)
def test_a_request_must_have_exactly_one_format(document: Any, message: str) -> None:
    assert refused(document) == message


@pytest.mark.parametrize(("datatype", "data"), [("BYTES", ["1970-01-01T00:01Z", None]), ("FP64", [60.0, None])])
def test_a_tensor_of_dates_may_hold_text_or_seconds(datatype: str, data: list[Any]) -> None:
    signature = Signature(task="regression", target="y", columns=(Column(name="when", kind="datetime"),))
    decode = TensorDecoder(RequestDecoder(signature, 10))
    feeds = decode([{"name": "when", "shape": [2], "datatype": datatype, "data": data}])
    np.testing.assert_array_equal(feeds["when"], [60.0, NAN])


@pytest.mark.parametrize(
    "extra", [{"name": "agee", "shape": [2], "datatype": "FP32", "data": [1, 2]}, {**tensors()[1], "name": "income"}]
)
def test_extra_tensors_are_dropped_with_ignore_extra(extra: dict[str, Any]) -> None:
    document = {"inputs": [extra, *tensors()]}
    assert "?extra=ignore" in refused(document)
    assert json.loads(infer_document(loaded(), document, ignore_extra=True).body) == answered({"inputs": tensors()})


def test_a_tensor_of_an_unread_training_column_is_not_extra() -> None:
    signature = replace(CLASSIFIER, unread=("row number",))
    extra = {"name": "row number", "shape": [2], "datatype": "INT64", "data": [1, 2]}
    assert answered({"inputs": [*tensors(), extra]}, signature) == answered({"inputs": tensors()})


def test_an_absent_tensor_is_an_error_even_with_ignore_extra() -> None:
    with pytest.raises(InvalidRequestError, match="lacks 'age'"):
        infer_document(loaded(), {"inputs": tensors(name="agee")}, ignore_extra=True)
