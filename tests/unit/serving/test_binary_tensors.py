"""The binary tensor extension gives the same predictions as JSON, and invalid data is refused."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column, Signature
from pipeline.serving.api.messages import Caller, HttpRequest, HttpResponse
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.formats.binary_tensors import attach_binary_data, write_binary_tensor
from pipeline.serving.loaded_model import LoadedModel
from tests.fakes.models import OneModel
from tests.helpers.served_models import CLASSIFIER, direct, loaded

NAN = float("nan")
PATH = "/v2/models/adult/infer"
COLUMNS: dict[str, np.ndarray[Any, Any]] = {
    "age": np.array([30, NAN, -1e-3], np.float32),
    "job": np.array(["cook", "", "juggler"], object),
    "hours per week": np.array([40.5, NAN, 1e30], np.float64),
    "member": np.array([True, False, False]),
}
AS_FED: dict[str, list[Any]] = {name: column.tolist() for name, column in COLUMNS.items()}
DATATYPES = {"age": "FP32", "job": "BYTES", "hours per week": "FP64", "member": "BOOL"}


def triton_inputs(repeats: int = 1) -> list[InferInput]:
    inputs = []
    for name, column in COLUMNS.items():
        array = np.tile(column, repeats)
        tensor = InferInput(name, array.shape, DATATYPES[name])
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs


def post(body: bytes, headers: dict[str, str], signature: Signature = CLASSIFIER) -> HttpResponse:
    return PredictionApi(OneModel(loaded(signature))).respond(HttpRequest("POST", PATH, body, headers), Caller("demo"))


def request(inputs: list[InferInput], **options: Any) -> tuple[bytes, dict[str, str]]:
    body, length = InferenceServerClient.generate_request_body(inputs, **options)
    return body, {} if length is None else {"inference-header-content-length": str(length)}


@pytest.mark.parametrize("repeats", [1, 10])
def test_the_triton_client_gets_the_predictions_of_onnxruntime(repeats: int) -> None:
    labels, probabilities = direct(CLASSIFIER, **{name: cells * repeats for name, cells in AS_FED.items()})
    response = post(*request(triton_inputs(repeats), request_id="7"))
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    result = InferResult.from_response_body(response.body, header_length=length)
    assert (result.get_response()["id"], result.get_response()["model_version"]) == ("7", "3")
    assert [label.decode() for label in result.as_numpy("label")] == labels.tolist()
    assert np.array_equal(result.as_numpy("probabilities"), probabilities)
    assert response.facts["rows"] == 3 * repeats


def test_a_client_that_accepts_only_json_gets_json_that_the_triton_client_reads() -> None:
    body, headers = request(triton_inputs())
    response = post(body, headers | {"accept": "application/json"})
    assert response.headers == {"content-type": "application/json"}
    result = InferResult.from_response_body(response.body)
    _, probabilities = direct(CLASSIFIER, **AS_FED)
    assert np.array_equal(result.as_numpy("probabilities"), probabilities)


def test_a_response_may_mix_json_and_binary_outputs() -> None:
    outputs = [InferRequestedOutput("probabilities"), InferRequestedOutput("label", binary_data=False)]
    response = post(*request(triton_inputs(), outputs=outputs))
    length = int(response.headers["inference-header-content-length"])
    header = json.loads(response.body[:length])
    assert [output["name"] for output in header["outputs"]] == ["probabilities", "label"]
    assert header["outputs"][0]["parameters"] == {"binary_data_size": len(response.body) - length}
    assert len(header["outputs"][1]["data"]) == 3


def test_json_tensors_get_a_json_response() -> None:
    inputs = triton_inputs()
    for tensor, column in zip(inputs, COLUMNS.values(), strict=True):
        tensor.set_data_from_numpy(np.nan_to_num(column) if column.dtype.kind == "f" else column, binary_data=False)
    outputs = [InferRequestedOutput("label", binary_data=False)]
    body, headers = request(inputs, outputs=outputs)
    assert headers == {}
    assert json.loads(post(body, headers).body)["outputs"][0]["datatype"] == "BYTES"


@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "INT8", "INT16", "INT64", "UINT8", "UINT32", "BF16"])
def test_a_single_matrix_may_hold_all_columns_of_a_numeric_model(datatype: str, rows: int) -> None:
    signature = Signature(
        task="regression", target="y", columns=tuple(Column(name=name, kind="numeric") for name in "abc")
    )
    matrix = np.arange(3.0 * rows, dtype=np.float32).reshape(rows, 3)
    (expected,) = direct(signature, a=matrix[:, 0], b=matrix[:, 1], c=matrix[:, 2])
    dtypes = {
        "FP16": "<f2",
        "FP64": "<f8",
        "INT8": "i1",
        "INT16": "<i2",
        "INT64": "<i8",
        "UINT8": "u1",
        "UINT32": "<u4",
    }
    data = matrix.astype(dtypes.get(datatype, "<f4")).tobytes()
    if datatype == "BF16":
        data = (matrix.view("<u4") >> 16).astype("<u2").tobytes()
    tensor = {"name": "x", "shape": [rows, 3], "datatype": datatype, "parameters": {"binary_data_size": len(data)}}
    header = json.dumps({"inputs": [tensor]}).encode()
    response = post(header + data, {"inference-header-content-length": str(len(header))}, signature)
    assert json.loads(response.body)["outputs"][0]["data"] == pytest.approx(expected.tolist())


NUMBERS = Signature(task="regression", target="y", columns=tuple(Column(name=name, kind="numeric") for name in "abc"))


def table_request(table: np.ndarray[Any, Any], datatype: str, names: str = "abc") -> tuple[bytes, dict[str, str]]:
    """A request with one binary tensor for each row of ``table``."""
    inputs = []
    for name, column in zip(names, table, strict=True):
        inputs.append(InferInput(name, column.shape, datatype))
        inputs[-1].set_data_from_numpy(column)
    return request(inputs)


@pytest.mark.parametrize("rows", [1, 2, 20])
@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT8", "INT32", "INT64", "UINT16"])
def test_numeric_tensors_in_any_order_are_predicted_the_same_each_time(datatype: str, rows: int) -> None:
    dtype = {"FP32": "f4", "FP64": "f8", "INT8": "i1", "INT32": "i4", "INT64": "i8", "UINT16": "u2"}[datatype]
    table = np.arange(3 * rows).reshape(3, rows).astype(dtype)
    (expected,) = direct(NUMBERS, a=table[1], b=table[0], c=table[2])
    model = PredictionApi(OneModel(loaded(NUMBERS)))
    body, headers = table_request(table, datatype, "bac")
    for _ in range(2):
        response = model.respond(HttpRequest("POST", PATH, body, headers), Caller("demo"))
        length = int(response.headers["inference-header-content-length"])
        assert np.array_equal(np.frombuffer(response.body[length:], np.float32), expected)


def test_errors_in_later_data_are_found_when_the_header_is_known() -> None:
    model = PredictionApi(OneModel(loaded(NUMBERS)))
    table = np.ones((3, 4), np.float32)
    body, headers = table_request(table, "FP32")

    def respond(body: bytes) -> HttpResponse:
        return model.respond(HttpRequest("POST", PATH, body, headers), Caller("demo"))

    expected = respond(body)
    table[1, 2] = np.inf
    with pytest.raises(InvalidRequestError, match="input 'b', element 2: a number within"):
        respond(table_request(table, "FP32")[0])
    with pytest.raises(InvalidRequestError, match=r"inputs\[2\]: 16 bytes"):
        respond(body[:-1])
    with pytest.raises(InvalidRequestError, match="49 bytes of binary data"):
        respond(body + b"1")
    assert respond(body) == expected


def test_headers_with_an_id_are_not_remembered() -> None:
    model = loaded(NUMBERS)
    api = PredictionApi(OneModel(model))
    inputs = []
    for name in "abc":
        inputs.append(InferInput(name, (4,), "FP32"))
        inputs[-1].set_data_from_numpy(np.ones(4, np.float32))
    for number in range(40):
        body, headers = request(inputs, request_id=f"{number}")
        response = api.respond(HttpRequest("POST", PATH, body, headers), Caller("demo"))
        assert b'"id":"%d"' % number in response.body
    assert not model.known_requests
    body, headers = request(inputs)
    api.respond(HttpRequest("POST", PATH, body, headers), Caller("demo"))
    assert len(model.known_requests) == 1


def row_request(age: float, job: bytes, hours: float = 40.5) -> tuple[bytes, bytes]:
    """Header and data of one row of CLASSIFIER, with the job in the middle."""
    pieces = [struct.pack("<f", age), struct.pack("<I", len(job)) + job, struct.pack("<d", hours), b"\1"]
    inputs = [
        {"name": name, "shape": [1], "datatype": datatype, "parameters": {"binary_data_size": len(piece)}}
        for (name, datatype), piece in zip(DATATYPES.items(), pieces, strict=True)
    ]
    document = {"note": '100 % "binary_data_size": 9', "inputs": inputs}  # others' fields are ignored
    return json.dumps(document).encode(), b"".join(pieces)


def respond_to(model: LoadedModel, header: bytes, data: bytes) -> bytes | str:
    """The response, or the message of the error."""
    request = HttpRequest("POST", PATH, header + data, {"inference-header-content-length": str(len(header))})
    try:
        return PredictionApi(OneModel(model)).respond(request, Caller("demo")).body
    except InvalidRequestError as error:
        return error.message


def test_rows_with_texts_of_other_sizes_reuse_the_known_header() -> None:
    model = loaded(CLASSIFIER)
    for age, job in ((30, b"cook"), (NAN, b""), (-1, "zoölogist".encode()), (7, b"cook")):
        assert respond_to(model, *row_request(age, job)) == respond_to(loaded(CLASSIFIER), *row_request(age, job))
    assert len(model.known_requests) == 1
    ((_, read),) = model.known_requests
    feeds = read(*row_request(NAN, b"juggler", -2))
    assert feeds is not None
    assert np.isnan(feeds["age"]).all()
    assert [feeds[name].item() for name in ("job", "hours per week", "member")] == ["juggler", -2, 1]


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (row_request(1, b"cook")[0], row_request(1, b"chef ")[1]),
        (row_request(1, b"cook")[0], row_request(1, b"cook")[1][:-1]),
        (row_request(1, b"cook")[0], row_request(1, b"cook")[1] + b"1"),
        (row_request(1, b"cook")[0], b""),
        (row_request(1, b"cook")[0].replace(b": 8}", b": 08}"), row_request(1, b"cook")[1]),
        (row_request(1, b"cook")[0].replace(b"FP64", b"INT8"), row_request(1, b"cook")[1]),
        row_request(1, b"c\xffok"),
        row_request(float("inf"), b"cook"),
        row_request(1, b"cook", -float("inf")),
        (row_request(1, b"cook")[0], struct.pack("<fI", 1, 2**32 - 1) + b"cook"),
    ],
)
def test_errors_in_a_later_row_are_found_when_the_header_is_known(header: bytes, data: bytes) -> None:
    model = loaded(CLASSIFIER)
    respond_to(model, *row_request(30, b"cook"))
    message = respond_to(model, header, data)
    assert isinstance(message, str)
    assert message == respond_to(loaded(CLASSIFIER), header, data)


def test_a_known_json_request_does_not_change_the_response_to_another() -> None:
    model = loaded(CLASSIFIER)

    def respond(cells: list[Any], **options: Any) -> Any:
        tensors = zip(DATATYPES.items(), cells, strict=True)
        inputs = [{"name": n, "shape": [1], "datatype": datatype, "data": [cell]} for (n, datatype), cell in tensors]
        answer = respond_to(model, json.dumps({"inputs": inputs, **options}).encode(), b"")
        return answer if isinstance(answer, str) else json.loads(answer)

    plain = respond([30.0, "cook", 1.0, True])
    assert respond([30.0, "cook", 1.0, True], id="7") == plain | {"id": "7"}
    (only,) = respond([30.0, "cook", 1.0, True], outputs=[{"name": "label"}])["outputs"]
    assert only == plain["outputs"][0]
    assert respond([30.0, "cook", 1.0, True]) == plain
    assert "input 'age', element 0: FP32 or null" in respond(["30", "cook", 1.0, True])
    assert "input 'age', element 0: FP32 or null" in respond([True, "cook", 1.0, True])
    assert "input 'job', element 0: BYTES or null" in respond([30.0, 1.0, 1.0, True])


@pytest.mark.parametrize("rows", [20, 40])
def test_a_boolean_in_a_numeric_tensor_is_refused(rows: int) -> None:
    inputs = [{"name": name, "shape": [rows], "datatype": "FP32", "data": [1.0] * rows} for name in "abc"]
    inputs[1]["data"][rows - 1] = True  # type: ignore[index]  # it is a list
    body = json.dumps({"inputs": inputs}).encode()
    with pytest.raises(InvalidRequestError, match=f"input 'b', element {rows - 1}: FP32 or null .* a boolean"):
        post(body, {}, NUMBERS)


@pytest.mark.parametrize(
    ("tensor", "data", "facts"),
    [
        ({"binary_data_size": 8}, b"1234567", ["8 bytes", "7 more"]),
        ({"binary_data_size": 4, "shape": [1]}, b"12345678", ["8 bytes", "4"]),
        ({"binary_data_size": 7, "shape": [1]}, b"1234567", ["FP32", "4 bytes"]),
        ({"binary_data_size": -1}, b"", ["binary_data_size"]),
        ({"binary_data_size": "8"}, b"12345678", ["binary_data_size", "text"]),
        ({"binary_data_size": True}, b"1", ["binary_data_size", "boolean"]),
        ({"binary_data_size": 8, "shape": [3]}, b"12345678", ["3 elements", "2"]),
        ({"binary_data_size": 8, "datatype": "FP8"}, b"12345678", ["datatype", "FP32"]),
        ({"binary_data_size": 8, "data": [1, 2]}, b"12345678", ["data", "binary_data_size"]),
        ({"binary_data_size": 3, "datatype": "BYTES"}, b"abc", ["element 0", "truncated"]),
        ({"binary_data_size": 6, "datatype": "BYTES"}, struct.pack("<I", 9) + b"ab", ["element 0", "truncated"]),
        ({"binary_data_size": 5, "datatype": "BYTES"}, struct.pack("<I", 1) + b"\xff", ["element 0", "UTF-8"]),
    ],
)
def test_invalid_binary_data_is_refused_with_the_place(tensor: dict[str, Any], data: bytes, facts: list[str]) -> None:
    parameters = {"binary_data_size": tensor.pop("binary_data_size")}
    inputs = [{"name": "x", "shape": [2], "datatype": "FP32", "parameters": parameters} | tensor]
    with pytest.raises(InvalidRequestError) as raised:
        attach_binary_data(inputs, data)
    assert all(fact in raised.value.message for fact in facts)


@pytest.mark.parametrize("length", ["", "-1", "x", "1000000", "9" * 30, "²"])
def test_an_invalid_header_length_is_refused(length: str) -> None:
    with pytest.raises(InvalidRequestError, match="Inference-Header-Content-Length"):
        post(b'{"inputs": []}', {"inference-header-content-length": length})


@pytest.mark.parametrize("rows", [1, 20])
def test_infinity_is_refused_with_the_place(rows: int) -> None:
    inputs = triton_inputs(rows)
    inputs[2].set_data_from_numpy(np.array([1.0] * (3 * rows - 1) + [np.inf]))
    with pytest.raises(InvalidRequestError, match=rf"'hours per week', element {3 * rows - 1}: a number within"):
        post(*request(inputs))


def test_a_binary_text_tensor_has_the_length_before_each_text() -> None:
    assert write_binary_tensor(np.array(["é", ""], object)) == b"\x02\0\0\0\xc3\xa9\0\0\0\0"


@pytest.mark.parametrize("body", [b'{"rows": []}', b'{"inputs": {}}', b'{"inputs": [7]}', b"[]"])
def test_binary_data_without_tensors_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        post(body + b"1234", {"inference-header-content-length": str(len(body))})


@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8"), max_size=300) | st.sampled_from(["", "a", "b" * 130]), min_size=2
    )
)
def test_a_binary_text_tensor_is_read_back_unchanged(texts: list[str]) -> None:
    data = write_binary_tensor(np.array(texts, object))
    shape, parameters = [len(texts)], {"binary_data_size": len(data)}
    tensor: dict[str, Any] = {"name": "t", "datatype": "BYTES", "shape": shape, "parameters": parameters}
    attach_binary_data([tensor], data)
    assert tensor["data"] == texts


@pytest.mark.parametrize("text", ["abc", "äbc", "a" * 200])
def test_truncated_texts_are_reported_with_the_element(text: str) -> None:
    data = write_binary_tensor(np.array([text] * 3, object))
    element = len(data) // 3
    for size in range(element + 1, len(data)):
        if size % element:
            tensor = {"datatype": "BYTES", "shape": [3], "parameters": {"binary_data_size": size}}
            with pytest.raises(InvalidRequestError, match=f"element {size // element} is truncated"):
                attach_binary_data([tensor], data[:size])
