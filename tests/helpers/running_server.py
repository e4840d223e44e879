"""A real server in a thread, and small ONNX files for it."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvloop
from onnx import TensorProto, helper

from pipeline.server.authentication import Authenticator, OpenAccess
from pipeline.server.config import ServerConfig, TlsFiles
from pipeline.server.execution.sessions import make_server_session
from pipeline.server.limits import ServerLimits
from pipeline.server.models.folder import FileModels, index_folder
from pipeline.server.models.model_files import LOCAL_TENANT
from pipeline.server.run import ServingProcess
from pipeline.server.sockets import bind_socket
from pipeline.server.telemetry.access_log import AccessLog
from pipeline.server.telemetry.metrics import ServerMetrics
from pipeline.server.telemetry.observer import RequestObserver, RequestTracer

__all__ = ["RunningServer", "run_folder", "write_scaling_model"]


def write_scaling_model(folder: Path, name: str = "scale", version: int = 1, *, factor: float = 2.0) -> Path:
    """Write a model ``y = factor * x``, ``x: FP32[-1, 2]``, in Triton's layout; the file is written atomically."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "scale",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path = folder / name / str(version) / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(model.SerializeToString())
    partial.rename(path)
    return path


@dataclass
class RunningServer:
    """A server that accepts requests.

    Attributes:
        client: HTTP client with the server's base URL.
        http_port: Port of HTTP.
        grpc: Address of gRPC.
        models: The server's models.
        logs: Lines of the access log and other events.
        stop: Stops the server.
        reports: Messages about loading models.
    """

    client: httpx.Client
    http_port: int
    grpc: str
    models: FileModels
    logs: io.BytesIO
    stop: Callable[[], None]
    reports: list[str] = field(default_factory=list)

    def infer(self, *values: float, model: str = "scale") -> httpx.Response:
        """Request predictions for rows of two numbers."""
        data = [float(value) for value in values]
        tensor = {"name": "x", "shape": [len(data) // 2, 2], "datatype": "FP32", "data": data}
        return self.client.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]})


def _load_folder(folder: Path, report: Callable[[str], None]) -> FileModels:
    models = FileModels(
        lambda: index_folder(folder),
        lambda file: make_server_session(file, threads=1, with_batching=True),
        max_bytes=1 << 20,
        report=report,
    )
    models.refresh()
    return models


@contextmanager
def run_folder(
    folder: Path,
    *,
    limits: ServerLimits | None = None,
    authenticator: Authenticator | None = None,
    refresh_seconds: float = 60.0,
    tls: TlsFiles | None = None,
    tracer: RequestTracer | None = None,
    cors_origins: tuple[str, ...] = (),
) -> Iterator[RunningServer]:
    """Serve the models of a folder until the block ends."""
    config = ServerConfig(
        http_port=0,
        grpc_port=0,
        refresh_seconds=refresh_seconds,
        tls=tls,
        limits=limits or ServerLimits(),
        cors_origins=cors_origins,
    )
    http, grpc = bind_socket(config.host, 0), bind_socket(config.host, 0)
    http_port, grpc_port = http.getsockname()[1], grpc.getsockname()[1]
    logs, reports = io.BytesIO(), list[str]()
    models = _load_folder(folder, reports.append)
    log, metrics = AccessLog(logs), ServerMetrics()
    server = ServingProcess(
        config,
        models=models,
        authenticator=authenticator or OpenAccess(LOCAL_TENANT),
        metrics=metrics,
        observer=RequestObserver(metrics, log, tracer),
        events=log,
    )
    ready, loops = threading.Event(), []

    async def run() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        await server.serve(http, grpc, stop, ready.set)

    thread = threading.Thread(target=lambda: uvloop.run(run()), daemon=True)
    thread.start()
    assert ready.wait(10), "the server did not become ready"

    def end() -> None:
        if thread.is_alive():
            loop, stop = loops[0]
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)
        assert not thread.is_alive(), "the server did not stop"

    client = httpx.Client(base_url=f"http://127.0.0.1:{http_port}", verify=False)  # a TLS context takes 100 ms
    try:
        with client:
            yield RunningServer(client, http_port, f"127.0.0.1:{grpc_port}", models, logs, end, reports)
    finally:
        end()
