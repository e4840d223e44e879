"""The predict function and the server give the same responses to valid and invalid requests."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.model_cache import ModelCache
from pipeline.serving.model_loader import ModelLoader, make_session_factory
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.helpers.api_requests import Api, authorized
from tests.helpers.running_server import run_folder
from tests.helpers.served_models import CLASSIFIER, ROWS, model_bytes, publish

INFER = "/v2/models/adult/infer"
JSON = {"content-type": "application/json"}


class Carriers(NamedTuple):
    """The predict function and the server."""

    function: Api
    server: Any

    def respond(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> list[tuple[int, str | None, bytes]]:
        """Return status, content type and body of the function's response, and of the server's."""
        event = authorized(
            "predict",
            httpMethod=method,
            path=path,
            headers=headers,
            multiValueHeaders={name: [value] for name, value in headers.items()},
            queryStringParameters=None,
            multiValueQueryStringParameters=None,
            body=base64.b64encode(body).decode() if body else None,
            isBase64Encoded=bool(body),
        )
        answer = self.function.call(event)
        content = answer["body"].encode()
        if answer.get("isBase64Encoded"):
            content = base64.b64decode(content)
        response_headers = {name.lower(): value for name, value in _headers(answer).items()}
        response = self.server.client.request(method, path, content=body, headers=headers)
        return [
            (answer["statusCode"], response_headers.get("content-type"), content),
            (response.status_code, response.headers.get("content-type"), response.content),
        ]


@pytest.fixture
def carriers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Carriers]:
    table, artifacts = FakeTable(), FakeObjectStore()
    publish(table, artifacts)
    function = Api("predict", capsys)
    loader = ModelLoader(table, artifacts, make_session_factory(1))
    function.give(api=PredictionApi(ModelCache(loader, alias_seconds=5)))
    folder = tmp_path / "adult" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model_bytes(CLASSIFIER))
    (folder / "signature.json").write_text(json.dumps(CLASSIFIER.to_dict()))
    with run_folder(tmp_path) as server:
        yield Carriers(function, server)


def _headers(answer: dict[str, Any]) -> dict[str, str]:
    several = {name: values[-1] for name, values in (answer.get("multiValueHeaders") or {}).items()}
    return {**(answer.get("headers") or {}), **several}


def _tensors(**changes: Any) -> dict[str, Any]:
    tensors = [
        {"name": "age", "shape": [1], "datatype": "FP32", "data": [30]},
        {"name": "job", "shape": [1], "datatype": "BYTES", "data": ["cook"]},
        {"name": "hours per week", "shape": [1], "datatype": "FP32", "data": [40.5]},
        {"name": "member", "shape": [1], "datatype": "BOOL", "data": [True]},
    ]
    tensors[0] |= changes
    return {"inputs": tensors}


def _binary(values: bytes, length: str | None = None) -> tuple[bytes, dict[str, str]]:
    document = _tensors(parameters={"binary_data_size": 4})
    del document["inputs"][0]["data"]
    header = json.dumps(document).encode()
    return header + values, {"inference-header-content-length": length or str(len(header)), "accept": "*/*"}


def _post(document: Any, path: str = INFER) -> tuple[str, str, bytes, dict[str, str]]:
    return "POST", path, json.dumps(document).encode(), JSON


CSV = b"age,job,hours per week,member\n30,cook,40.5,true\n,,,\n"
NESTED = b'{"rows":' + b"[" * 3_000 + b"]" * 3_000 + b"}"
CORPUS: list[tuple[str, str, bytes, dict[str, str]]] = [
    _post({"rows": ROWS}), _post({"rows": ROWS[:1]}), _post({"rows": []}), _post({"rows": 3}), _post({"rows": [3]}),
    _post({"rows": ROWS, "inputs": []}), _post({}), _post([]), _post(None), _post({"rows": [{"age": 1}]}),
    _post({"rows": [{**ROWS[0], "age": "old"}]}), _post({"rows": [{**ROWS[0], "color": "red"}]}),
    _post({"columns": {name: [row[name] for row in ROWS] for name in ROWS[0]}}), _post({"columns": {"age": [1]}}),
    _post(_tensors()), _post(_tensors(data=["x"])), _post(_tensors(data=[None])), _post(_tensors(data=[1, 2])),
    _post(_tensors(shape=[2])), _post(_tensors(shape="x")), _post(_tensors(datatype="FP99")), _post(_tensors(name="b")),
    _post(_tensors(data=[[30]], shape=[1, 1])), _post(_tensors(data=[1e39])), _post({"inputs": 1}),
    _post(_tensors() | {"id": "7"}), _post(_tensors() | {"id": 7}), _post(_tensors() | {"outputs": [{"name": "none"}]}),
    _post(_tensors() | {"parameters": {"binary_data_output": 1}}),
    ("POST", INFER, *_binary(struct.pack("<f", 30))), ("POST", INFER, *_binary(struct.pack("<f", float("nan")))),
    ("POST", INFER, *_binary(b"abc")), ("POST", INFER, *_binary(b"abcde")), ("POST", INFER, *_binary(b"abcd", "9999")),
    ("POST", INFER, *_binary(b"abcd", "x")),
    ("POST", INFER, b"", JSON), ("POST", INFER, b"{", JSON), ("POST", INFER, b"\xff\xfe", JSON),
    ("POST", INFER, b'{"rows": [NaN]}', JSON), ("POST", INFER, b'{"rows": [], "rows": []}', JSON),
    ("POST", INFER, NESTED, JSON),
    ("POST", INFER, CSV, {"content-type": "text/csv"}), ("POST", INFER, b"age\n1\n", {"content-type": "text/csv"}),
    ("POST", INFER, CSV, {"content-type": "text/csv", "accept": "text/csv"}),
    ("POST", INFER, b"x", {"content-type": "image/png"}), ("POST", INFER, b"x", {"content-type": "application/pdf"}),
    ("POST", INFER, b"x", {"content-type": "text/csv; charset=utf-16"}),
    _post({"instances": ROWS}, "/v1/models/adult:predict"), _post({"inputs": 3}, "/v1/models/adult:predict"),
    _post({"examples": ROWS}, "/v1/models/adult:classify"), _post({"examples": ROWS}, "/v1/models/adult:regress"),
    _post({"dataframe_records": ROWS}, "/v1/models/adult/invocations"),
    _post({"dataframe_split": {"columns": ["age"], "data": []}}, "/v1/models/adult/invocations"),
    _post({"rows": ROWS}, "/v2/models/adult/versions/1/infer"), _post({"rows": ROWS}, "/v2/models/a b/infer"),
    _post({"rows": ROWS}, "/v2/models/adult/versions/x/infer"), _post({"rows": ROWS}, "/v3/models/adult/infer"),
    ("GET", "/v2/models/adult", b"", {}), ("GET", INFER, b"", {}), ("DELETE", "/v2/models/adult", b"", {}),
    ("GET", "/v2/models/adult/ready", b"", {}), ("GET", "/v1/models/adult", b"", {}),
    ("GET", "/v1/models/adult/metadata", b"", {}), ("GET", "/v2/models/adult/openapi.json", b"", {}),
]  # fmt: skip


def test_each_request_of_the_corpus_gets_the_same_response(carriers: Carriers) -> None:
    statuses = set()
    for request in CORPUS * 2:  # the second time the server knows the head, and runs it in the event loop
        by_function, by_server = carriers.respond(*request)
        assert by_function == by_server, request
        statuses.add(by_server[0])
    assert statuses == {200, 400, 404, 405, 415}


_values = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3)
_documents = st.recursive(
    _values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ROWS[0], "x"]), inner)
)
_bodies = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda rows: json.dumps({"rows": rows}).encode(), st.lists(_documents, max_size=3)),
    st.builds(lambda name, value: json.dumps(_tensors(**{name: value})).encode(),
              st.sampled_from(["name", "shape", "datatype", "data", "parameters"]), _documents),
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=_bodies)
def test_any_body_gets_the_same_response(carriers: Carriers, body: bytes) -> None:
    by_function, by_server = carriers.respond("POST", INFER, body, JSON)
    assert by_function == by_server
    assert by_server[0] in (200, 400)
