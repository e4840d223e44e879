"""The unmodified gRPC client of tritonclient, in plain text and by TLS with a client certificate."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import httpx
import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from pipeline.load_test.load_test import LoadTest, run_load_test
from pipeline.server.config import TlsFiles
from tests.helpers.certificates import Authority, write_certificates
from tests.helpers.running_server import RunningServer, run_folder, write_scaling_model


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    for version in (1, 2):
        write_scaling_model(folder, version=version, factor=version + 1)
    with run_folder(folder) as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return write_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    write_scaling_model(folder)
    tls = TlsFiles(certificate=authority.certificate, key=authority.key, client_ca=authority.ca)
    with run_folder(folder, tls=tls) as running:
        yield running


def _inputs(*values: float) -> list[triton.InferInput]:
    tensor = triton.InferInput("x", [len(values) // 2, 2], "FP32")
    tensor.set_data_from_numpy(np.array(values, np.float32).reshape(-1, 2))
    return [tensor]


def test_the_triton_client_infers_and_describes_models(server: RunningServer) -> None:
    with triton.InferenceServerClient(server.grpc) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("scale")
        assert client.is_model_ready("scale", "1")
        assert client.get_model_metadata("scale", as_json=True)["inputs"][0]["datatype"] == "FP32"
        assert client.get_server_metadata().name
        result = client.infer("scale", _inputs(1, 2, 3, 4), request_id="7")
        assert result.as_numpy("y").tolist() == [[3, 6], [9, 12]]
        assert result.get_response().id == "7"
        requested = [triton.InferRequestedOutput("y")]
        older = client.infer("scale", _inputs(1, 2), model_version="1", outputs=requested)
        assert older.as_numpy("y").tolist() == [[2, 4]]


def test_asynchronous_calls_get_predictions(server: RunningServer) -> None:
    results: Queue[tuple[triton.InferResult, InferenceServerException | None]] = Queue()
    with triton.InferenceServerClient(server.grpc) as client:
        for number in range(8):
            client.async_infer("scale", _inputs(number, 0), lambda result, error: results.put((result, error)))
        ended = [results.get(timeout=5) for _ in range(8)]
    assert [error for _, error in ended] == [None] * 8
    assert sorted(float(result.as_numpy("y")[0, 0]) for result, _ in ended) == [3.0 * number for number in range(8)]


def test_error_responses_raise_the_clients_exception_classes(server: RunningServer) -> None:
    with triton.InferenceServerClient(server.grpc) as client:
        with pytest.raises(InferenceServerException, match="other"):
            client.infer("other", _inputs(1, 2))
        wrong = triton.InferInput("x", [1, 3], "FP32")
        wrong.set_data_from_numpy(np.zeros((1, 3), np.float32))
        with pytest.raises(InferenceServerException) as refused:
            client.infer("scale", [wrong])
        assert "INVALID_ARGUMENT" in str(refused.value.status())


def test_grpc_over_tls_requires_a_client_certificate(secure: RunningServer, authority: Authority) -> None:
    ca, own = str(authority.ca), {"private_key": str(authority.key), "certificate_chain": str(authority.certificate)}
    with triton.InferenceServerClient(secure.grpc, ssl=True, root_certificates=ca, **own) as client:
        assert client.infer("scale", _inputs(1, 2)).as_numpy("y").tolist() == [[2, 4]]
    with (
        triton.InferenceServerClient(secure.grpc, ssl=True, root_certificates=ca) as client,
        pytest.raises(InferenceServerException),
    ):
        client.infer("scale", _inputs(1, 2))


def test_https_requires_a_client_certificate(secure: RunningServer, authority: Authority) -> None:
    url = f"https://127.0.0.1:{secure.http_port}/v2/health/ready"
    context = ssl.create_default_context(cafile=authority.ca)
    with httpx.Client(verify=context) as client, pytest.raises(httpx.TransportError):
        client.get(url)
    context.load_cert_chain(authority.certificate, authority.key)
    assert httpx.get(url, verify=context).json() == {"ready": True}
    with pytest.raises(httpx.TransportError):
        httpx.get(url)  # signed by an authority that this client does not know


def test_a_load_test_runs_over_tls(tmp_path: Path, authority: Authority) -> None:
    write_scaling_model(tmp_path)
    with run_folder(tmp_path, tls=TlsFiles(certificate=authority.certificate, key=authority.key)) as server:
        for url in (f"https://127.0.0.1:{server.http_port}", f"grpcs://{server.grpc}"):
            test = LoadTest(url=url, model="scale", clients=(2,), seconds=1.0, ca=authority.ca)
            (level,) = run_load_test(test, lambda level: None)
            assert level.requests > 0
            assert level.errors == {}
