"""Start `modeldrop serve` and its peers, each in its own environment."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["OWN", "PEERS", "ROOT", "START", "Server", "prepare_peers", "running", "server_of"]

ROOT = Path(__file__).parents[1]
APPS = ROOT / "benchmarks" / "server_peers"
START = "import sys; from pipeline.cli.entry import main; main()"
OWN = ("modeldrop", "unbatched")
_FASTAPI = ("fastapi", "uvicorn", "httptools", "uvloop", "orjson", "numpy", "onnxruntime")
PEERS: Mapping[str, tuple[str, tuple[str, ...], str]] = {  # peer -> environment, packages, program
    "fastapi": ("fastapi", _FASTAPI, "uvicorn"),
    "fastapi_orjson": ("fastapi", _FASTAPI, "uvicorn"),
    "mlserver": ("mlserver", ("mlserver", "onnxruntime"), "mlserver"),
    "kserve": ("kserve", ("kserve", "onnxruntime", "open-inference-openapi"), "python"),
    "bentoml": ("bentoml", ("bentoml", "onnxruntime"), "bentoml"),
}


class Server(NamedTuple):
    """How to start a server, and its URLs: health, HTTP route for predictions, and gRPC."""

    command: list[Any]
    environ: dict[str, str]
    health: str
    http: str
    grpc: str


def prepare_peers(folder: Path) -> dict[str, str]:
    """Make the environments of peers that are missing.

    Returns:
        The peers that cannot be measured, with the reason.
    """
    absent = {}
    for peer, (environment, packages, program) in PEERS.items():
        binaries = folder / environment / "bin"
        try:
            if not binaries.exists():
                subprocess.run([sys.executable, "-m", "venv", folder / environment], check=True)
            if not (binaries / program).exists() or not list(folder.glob(f"{environment}/lib/*/*/onnxruntime")):
                subprocess.run([binaries / "pip", "install", "--quiet", *packages], check=True, timeout=300)
        except (subprocess.SubprocessError, OSError) as error:
            absent[peer] = f"{' '.join(packages)} cannot be installed: {type(error).__name__}"
    return absent


def server_of(name: str, file: Path, peers: Path, scratch: Path) -> Server:
    """Return how to start a server of one ONNX file, on free ports, with one worker."""
    http, grpc = free_port(), free_port()
    threads = "1" if file.stat().st_size < 4 << 20 else str(os.cpu_count())
    environ = {"MODEL": str(file), "THREADS": threads, "PYTHONPATH": ""}
    base = f"http://127.0.0.1:{http}"
    health, route = f"{base}/v2/health/ready", f"{base}/v2/models/model/infer"
    command: list[Any]
    if name in OWN:
        options = ["--http-port", str(http), "--grpc-port", str(grpc), "--no-auth", "--no-access-log"]
        options += ["--no-batching"] if name == "unbatched" else []
        command = [sys.executable, "-c", START, "serve", "--file", file, "--name", "model", *options]
        environ = {"PYTHONPATH": str(ROOT)}
    else:
        binaries = peers / PEERS[name][0] / "bin"
        if name.startswith("fastapi"):
            command = [binaries / "uvicorn", f"{name}_app:app", "--app-dir", APPS, "--port", str(http)]
            command += ["--http", "httptools", "--loop", "uvloop", "--no-access-log"]
        elif name == "mlserver":
            command = [binaries / "mlserver", "start", _mlserver_folder(http, grpc, scratch)]
            environ["PYTHONPATH"] = str(APPS)
        elif name == "kserve":
            command = [binaries / "python", APPS / "kserve_app.py"]
            environ |= {"HTTP_PORT": str(http), "GRPC_PORT": str(grpc)}
        else:
            command = [binaries / "bentoml", "serve", "bentoml_app:Service", "--port", str(http), "--working-dir", APPS]
            health, route = f"{base}/readyz", f"{base}/infer"
    return Server(command, environ, health, route, f"http://127.0.0.1:{grpc}")


def _mlserver_folder(http: int, grpc: int, scratch: Path) -> Path:
    """Write MLServer's settings: the server's own process predicts, since a worker process costs more than it saves."""
    folder = scratch / "mlserver"
    folder.mkdir(exist_ok=True)
    model = {"name": "model", "implementation": "mlserver_runtime.OnnxRuntimeModel"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    settings: dict[str, Any] = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": free_port()}
    (folder / "settings.json").write_text(json.dumps(settings | {"parallel_workers": 0}))
    return folder


@contextmanager
def running(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server and wait until it is ready."""
    with subprocess.Popen(
        server.command, env=os.environ | server.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(server.health, process)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"no server is ready at {url}")


def free_port() -> int:
    """Return a port that is free now; another process may still take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
