"""The unmodified HTTP client of tritonclient: JSON and binary tensors, metadata, the repository, errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from tests.helpers.running_server import RunningServer, run_folder, write_scaling_model


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("models")
    for version in (1, 2):
        write_scaling_model(folder, version=version, factor=version + 1)
    with run_folder(folder) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.http_port}") as client:
        yield client


def _input(*values: float, binary: bool, columns: int = 2) -> triton.InferInput:
    array = np.array(values, np.float32).reshape(-1, columns)
    tensor = triton.InferInput("x", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


@pytest.mark.parametrize("binary_output", [False, True])
@pytest.mark.parametrize("binary_input", [False, True])
def test_the_triton_client_gets_predictions(
    client: triton.InferenceServerClient, binary_input: bool, binary_output: bool
) -> None:
    inputs = [_input(1, 2, 3, 4, binary=binary_input)]
    outputs = [triton.InferRequestedOutput("y", binary_data=binary_output)]
    result = client.infer("scale", inputs, outputs=outputs, request_id="7")
    assert result.as_numpy("y").tolist() == [[3, 6], [9, 12]]
    assert result.get_response()["id"] == "7"
    assert ("data" in result.get_output("y")) is not binary_output


def test_a_request_without_named_outputs_gets_predictions(client: triton.InferenceServerClient) -> None:
    result = client.infer("scale", [_input(1, 2, binary=True)], model_version="1")
    assert result.as_numpy("y").tolist() == [[2, 4]]


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [False, True])
def test_a_compressed_request_gets_predictions(
    client: triton.InferenceServerClient, compression: str, binary: bool
) -> None:
    algorithms = {"request_compression_algorithm": compression, "response_compression_algorithm": compression}
    result = client.infer("scale", [_input(1, 2, binary=binary)], model_version="1", **algorithms)
    assert result.as_numpy("y").tolist() == [[2, 4]]


def test_the_triton_client_describes_the_server_and_its_models(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("scale", "1")
    assert client.get_server_metadata()["name"] == "modeldrop"
    metadata = client.get_model_metadata("scale")
    assert (metadata["versions"], metadata["inputs"][0]["shape"]) == (["1", "2"], [-1, 2])
    assert [(model["name"], model["state"]) for model in client.get_model_repository_index()] == [("scale", "READY")]


def test_models_are_unloaded_and_loaded(client: triton.InferenceServerClient) -> None:
    client.unload_model("scale")
    assert not client.is_model_ready("scale")
    client.load_model("scale")
    assert client.is_model_ready("scale")


def test_error_responses_raise_the_clients_exception_classes(client: triton.InferenceServerClient) -> None:
    for model, tensor in (("other", _input(1, 2, binary=True)), ("scale", _input(1, 2, 3, binary=True, columns=3))):
        with pytest.raises(InferenceServerException) as refused:
            client.infer(model, [tensor])
        assert refused.value.message()
