"""MLServer and this server, which serve the same file, give the same responses to the same requests.

The tests run where benchmarks/server.py made MLServer's environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.helpers.ports import free_port
from tests.helpers.running_server import run_folder, write_scaling_model

ROOT = Path(__file__).parents[3]
MLSERVER = ROOT / ".venv-peers" / "mlserver" / "bin" / "mlserver"
RUNTIME = ROOT / "benchmarks" / "server_peers"  # mlserver_runtime.OnnxRuntimeModel
INFER = "/v2/models/scale/infer"
_NO_KEPT = httpx.Limits(max_keepalive_connections=0)  # after a 500, MLServer closes the connection
MAX_START_SECONDS = 120

pytestmark = pytest.mark.skipif(
    not MLSERVER.exists(), reason="MLServer has no environment: benchmarks/server.py makes it"
)


class Servers(NamedTuple):
    """The two servers.

    Attributes:
        mlserver: Sends requests to MLServer.
        own: Sends requests to this server.
    """

    mlserver: httpx.Client
    own: httpx.Client

    def ask(self, method: str, path: str, **options: Any) -> tuple[httpx.Response, httpx.Response]:
        """Return MLServer's response to a request, and this server's."""
        return self.mlserver.request(method, path, **options), self.own.request(method, path, **options)


@contextmanager
def _mlserver(file: Path, folder: Path) -> Iterator[httpx.Client]:
    http = free_port()
    model = {"name": "scale", "implementation": "mlserver_runtime.OnnxRuntimeModel"}
    ports = {"http_port": http, "grpc_port": free_port(), "metrics_port": free_port()}
    folder.mkdir()
    (folder / "model-settings.json").write_text(json.dumps(model))
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, **ports}))
    environ = {**os.environ, "MODEL": str(file), "THREADS": "1", "PYTHONPATH": str(RUNTIME)}
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen([MLSERVER, "start", folder], env=environ, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{http}", timeout=30, limits=_NO_KEPT) as client:
                _wait_until_ready(client, process, log)
                yield client
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + MAX_START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/v2/models/scale/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"MLServer did not become ready:\n{log.read_text()}")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("same")
    models = folder / "models"
    file = write_scaling_model(models)
    with run_folder(models) as own, _mlserver(file, folder / "mlserver") as mlserver:
        yield Servers(mlserver, own.client)


def tensor(data: object = (1.5, -2.0, 3.0, 4.0), **fields: object) -> dict[str, Any]:
    return {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": data, **fields}


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [tensor()]},
        {"id": "a-7", "inputs": [tensor()]},
        {"inputs": [tensor([[1.5, -2.0], [3.0, 4.0]])]},
        {"inputs": [tensor([1, 2, 3, 4])]},
        {"inputs": [tensor([7.0, 8.0], shape=[1, 2])]},
        {"inputs": [tensor([], shape=[0, 2])]},
        {"inputs": [tensor([0.1, 1e-30, 1e30, 16777217.0])]},
        {"inputs": [tensor(parameters={"content_type": "np"})], "parameters": {"any": "thing"}},
        {"inputs": [tensor()], "outputs": [{"name": "y"}]},
    ],
)
def test_a_valid_request_gets_the_same_tensors(servers: Servers, body: dict[str, Any]) -> None:
    theirs, ours = servers.ask("POST", INFER, json=body)
    assert (theirs.status_code, ours.status_code) == (200, 200), (theirs.text, ours.text)
    (expected,), (output,) = theirs.json()["outputs"], ours.json()["outputs"]
    for field in ("name", "shape", "datatype"):
        assert output[field] == expected[field]
    assert output["data"] == pytest.approx(expected["data"], rel=1e-6)
    assert ours.json()["model_name"] == theirs.json()["model_name"]
    if "id" in body:
        assert ours.json()["id"] == theirs.json()["id"] == "a-7"


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", INFER, b"{", 422),
        ("POST", INFER, b"", 422),
        ("POST", INFER, b"[]", 422),
        ("POST", INFER, b"{}", 422),
        ("POST", INFER, {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32"}]}, 422),
        ("POST", INFER, {"inputs": [tensor(shape="2")]}, 422),
        ("POST", INFER, {"inputs": [tensor(shape=[2.5, 2])]}, 422),
        ("POST", INFER, {"inputs": [tensor(datatype="NOPE")]}, 422),
        ("POST", INFER, {"inputs": 7}, 422),
        ("POST", INFER, {"inputs": [tensor(shape=[3, 2])]}, 500),
        ("POST", INFER, {"inputs": [tensor(name="z")]}, 500),
        ("POST", INFER, {"inputs": [tensor(["a", "b", "c", "d"])]}, 500),
        ("POST", INFER, {"inputs": [tensor(datatype="INT64", data=[1, 2, 3, 4])]}, 500),
        ("POST", INFER, {"inputs": []}, 500),
        ("POST", "/v2/models/none/infer", {"inputs": [tensor()]}, 404),
        ("GET", "/v2/models/none", None, 404),
        ("GET", "/v2/models/none/ready", None, 404),
        ("GET", "/v2/nothing", None, 404),
        ("GET", INFER, None, 405),
        ("DELETE", INFER, None, 405),
    ],
)
def test_an_invalid_request_is_refused_by_both(
    servers: Servers, method: str, path: str, content: bytes | dict[str, Any] | None, status: int
) -> None:
    """MLServer's status is noted. The protocol asks for a 4xx; where MLServer fails with a 500, ours is a 400."""
    body = content if isinstance(content, bytes) else None if content is None else json.dumps(content).encode()
    theirs, ours = servers.ask(method, path, content=body, headers={"content-type": "application/json"})
    assert theirs.status_code == status, theirs.text
    assert ours.status_code == (status if status in (404, 405) else 400), ours.text
    assert list(ours.json()) == ["error"]


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/scale/ready", "/v2"])
def test_health_and_metadata_have_the_same_status(servers: Servers, path: str) -> None:
    theirs, ours = servers.ask("GET", path)
    assert (theirs.status_code, ours.status_code) == (200, 200)


def test_the_server_metadata_has_the_same_fields(servers: Servers) -> None:
    theirs, ours = servers.ask("GET", "/v2")
    assert set(ours.json()) == set(theirs.json())
