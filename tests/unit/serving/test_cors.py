"""Pages of other origins may call the API if the stack or the server allows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cors import CorsPolicy
from pipeline.serving.http import respond_to_event, write_response
from pipeline.serving.loaded_model import LoadedModel
from tests.helpers.running_server import run_folder, write_scaling_model
from tests.helpers.served_models import CLASSIFIER

PAGE = "https://app.example.com"


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [((PAGE,), PAGE, PAGE), (("*",), PAGE, "*"), ((PAGE,), "https://evil.example.com", None), ((), PAGE, None)],
)
def test_an_origin_is_allowed_if_it_is_listed(origins: tuple[str, ...], origin: str, allowed: str | None) -> None:
    policy = CorsPolicy(origins)
    assert policy.headers(origin).get("access-control-allow-origin") == allowed
    preflight = write_response(policy.preflight({"origin": origin}))
    assert (preflight["statusCode"], preflight["headers"].get("access-control-allow-origin")) == (204, allowed)
    assert ("x-api-key" in preflight["headers"].get("access-control-allow-headers", "")) == (allowed is not None)


def test_a_response_to_a_page_of_a_listed_origin_has_the_allow_origin_header() -> None:
    response: dict[str, Any] = {"statusCode": 400, "headers": {"content-type": "application/json"}, "body": "{}"}
    logged: list[dict[str, Any]] = []

    def answer(event: dict[str, Any]) -> dict[str, Any]:
        return respond_to_event(
            event,
            None,
            respond=lambda *_: (response, {"route": "/v2"}),
            log=lambda _, fields: logged.append(fields),
            cors=CorsPolicy((PAGE,)),
        )

    assert answer({"headers": {"Origin": PAGE}})["headers"]["access-control-allow-origin"] == PAGE
    assert answer({"headers": None}) == response
    assert [(fields["route"], fields["status"]) for fields in logged] == [("/v2", 400)] * 2


def test_a_server_responds_to_a_preflight_request_and_allows_the_origin(tmp_path: Path) -> None:
    write_scaling_model(tmp_path)
    path = "/v2/models/scale/infer"
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    with run_folder(tmp_path, cors_origins=(PAGE,)) as server:
        preflight_response = server.client.options(
            path, headers={"origin": PAGE, "access-control-request-method": "POST"}
        )
        assert (preflight_response.status_code, preflight_response.headers["access-control-allow-origin"]) == (
            204,
            PAGE,
        )
        answer = server.client.post(path, json={"inputs": [tensor]}, headers={"origin": PAGE})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)
        assert "access-control-allow-origin" not in server.client.post(path, json={"inputs": [tensor]}).headers


class Failing:
    """A session that fails as onnxruntime does."""

    def __init__(self, message: str) -> None:
        self.message = message

    def run(self, output_names: Any, input_feed: Any) -> list[Any]:
        raise onnxruntime_pybind11_state.RuntimeException(self.message)


def model(session: Any) -> LoadedModel:
    return LoadedModel(tenant="demo", model="adult", version=1, signature=CLASSIFIER, session=session)


def test_a_session_error_is_an_invalid_request_that_does_not_quote_values() -> None:
    with pytest.raises(InvalidRequestError) as raised:
        model(Failing("Non-zero status code: 'Jane Doe'")).run({"age": np.zeros(3, np.float32)})
    assert "these 3 rows" in str(raised.value)
    assert "Jane" not in str(raised.value)


def test_a_memory_error_of_the_session_is_not_an_invalid_request() -> None:
    with pytest.raises(onnxruntime_pybind11_state.RuntimeException):
        model(Failing("Failed to allocate memory for requested buffer")).run({"age": np.zeros(3, np.float32)})
