"""How many requests a second does `modeldrop serve` respond to, beside other Python servers?

The same ONNX file on the same machine, one worker each, load from wrk, one server at a time, in rounds, so that a busy
machine slows all alike. Peers run in environments of their own: ``--peers FOLDER`` has one virtual environment each,
``fastapi`` (made if it is missing) and ``mlserver`` (used if it is there). wrk is a Debian package.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where pipeline.py is a benchmark

import numpy as np
from common import report
from server_models import INPUT_SHAPES, write_models

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "benchmarks" / "server_peers"
START = "import sys; from pipeline.cli.entry import main; main()"
WANTED = {"fastapi/json/4": 2.0, "mlserver/json/4": 8.0, "own json/binary 100 rows/4": 1.5, "unbatched/wide/32": 3.0}
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class Load(NamedTuple):
    """One measurement."""

    model: str
    protocol: str
    rows: int
    clients: int


class Measured(NamedTuple):
    """Requests a second, p99 in milliseconds, and failed requests."""

    requests: float
    p99: float
    failures: int


JSON_LOADS = [Load("table", "json", 1, clients) for clients in (1, 4, 32)] + [
    Load("table", "json", 100, 4), Load("cnn", "json", 1, 4),
]  # fmt: skip
BINARY_LOADS = [Load("table", "binary", 1, 4), Load("table", "binary", 100, 4)]
WIDE_LOADS = [Load("wide", "binary", 1, 32)]


def request_of(load: Load) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a load's requests."""
    array = np.random.default_rng(1).normal(size=(load.rows, *INPUT_SHAPES[load.model])).astype(np.float32)
    tensor: dict[str, Any] = {"name": "x", "shape": list(array.shape), "datatype": "FP32"}
    if load.protocol == "json":
        tensor["data"] = [round(float(value), 4) for value in array.ravel()]
        return json.dumps({"inputs": [tensor]}).encode(), {"Content-Type": "application/json"}
    tensor["parameters"] = {"binary_data_size": array.nbytes}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return header + array.tobytes(), {"Inference-Header-Content-Length": str(len(header))}


def measure(url: str, load: Load, folder: Path, seconds: int) -> Measured:
    """Load a server with wrk."""
    body, headers = request_of(load)
    (folder / "body").write_bytes(body)
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    reading = f'local f = io.open("{folder}/body", "rb"); wrk.body = f:read("*all"); f:close()'
    counting = (
        "done = function(s, l, r) io.write(string.format('RESULT %f %f %d', s.requests / (s.duration / 1e6), "
        "l:percentile(99) / 1e3, s.errors.status + s.errors.read + s.errors.timeout)) end"
    )
    script = folder / "load.lua"
    script.write_text("\n".join(['wrk.method = "POST"', *lines, reading, counting]))
    command = ["wrk", "-t1", f"-c{load.clients}", f"-d{seconds}s", "--timeout", "20s", "-s", script, url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests, p99, failures = printed.split("RESULT ")[1].split()
    return Measured(float(requests), float(p99), int(failures))


@contextmanager
def running(command: list[Any], url: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server and wait until it is ready."""
    with subprocess.Popen(
        command, env=os.environ | environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(url, process)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"no server is ready at {url}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server_command(name: str, file: Path, port: int, peers: Path, scratch: Path) -> tuple[list[Any], dict[str, str]]:
    """Return the command of a server, and its environment."""
    environ = {"MODEL": str(file), "THREADS": "1" if file.stat().st_size < 4 << 20 else str(os.cpu_count())}
    if name in ("modeldrop", "unbatched"):
        options = ["--http-port", str(port), "--grpc-port", "0", "--no-auth", "--no-access-log"]
        options += [] if name == "modeldrop" else ["--no-batching"]
        command = [sys.executable, "-c", START, "serve", "--file", file, "--name", "model", *options]
        return command, {"PYTHONPATH": str(ROOT)}
    binaries = peers / name / "bin"
    if name == "fastapi":
        uvicorn = [binaries / "uvicorn", "fastapi_app:app", "--app-dir", PEERS, "--port", str(port)]
        return [*uvicorn, "--http", "httptools", "--loop", "uvloop", "--no-access-log"], environ
    folder = scratch / "mlserver"
    folder.mkdir(exist_ok=True)
    settings = {"name": "model", "implementation": "mlserver_runtime.OnnxRuntimeModel"}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    server = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "parallel_workers": 0}
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", **server}))
    return [binaries / "mlserver", "start", folder], environ | {"PYTHONPATH": str(PEERS)}


def available_peers(peers: Path) -> list[str]:
    """Return the peers that can run; FastAPI's environment is made."""
    fastapi = peers / "fastapi"
    if not (fastapi / "bin" / "uvicorn").exists():
        subprocess.run([sys.executable, "-m", "venv", fastapi], check=True)
        packages = ["fastapi", "uvicorn", "httptools", "uvloop", "orjson", "numpy", "onnxruntime"]
        subprocess.run([fastapi / "bin" / "pip", "install", "--quiet", *packages], check=True)
    return ["fastapi", *(["mlserver"] if (peers / "mlserver" / "bin" / "mlserver").exists() else [])]


def loads_of(name: str) -> list[Load]:
    if name == "unbatched":
        return [*WIDE_LOADS, Load("cnn", "json", 1, 32), Load("table", "json", 1, 32)]
    return JSON_LOADS if name != "modeldrop" else [*JSON_LOADS, *BINARY_LOADS, *WIDE_LOADS, Load("cnn", "json", 1, 32)]


def memory_mb(process: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def ratios_of(results: dict[str, dict[Load, Measured]], peers: list[str]) -> dict[str, float]:
    """Return our requests a second as multiples of others'."""
    own = results["modeldrop"]
    ratios = {
        f"{peer}/{'' if load.model == 'table' else load.model + ' '}{load.protocol}"
        f"{'' if load.rows == 1 else ' 100 rows'}/{load.clients}": own[load].requests / measured.requests
        for peer in peers
        for load, measured in results[peer].items()
    }
    ratios["own json/binary 100 rows/4"] = (
        own[Load("table", "binary", 100, 4)].requests / own[Load("table", "json", 100, 4)].requests
    )
    for load, measured in results["unbatched"].items():
        ratios[f"unbatched/{load.model}/{load.clients}"] = own[load].requests / measured.requests
    return {name: round(ratio, 2) for name, ratio in ratios.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers", help="folder of their environments")
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is expected: apt-get install wrk")
    peers = available_peers(arguments.peers)
    measured: dict[str, dict[Load, list[Measured]]] = defaultdict(lambda: defaultdict(list))
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_models(folder)
        for _ in range(arguments.rounds):
            for name in ("modeldrop", "unbatched", *peers):
                for model in dict.fromkeys(load.model for load in loads_of(name)):
                    port = free_port()
                    file = folder / model / "1" / "model.onnx"
                    command, environ = server_command(name, file, port, arguments.peers, folder)
                    base = f"http://127.0.0.1:{port}/v2"
                    with running(command, f"{base}/health/ready", environ) as process:
                        for load in (load for load in loads_of(name) if load.model == model):
                            url = f"{base}/models/model/infer"
                            measure(url, load, folder, 1)
                            measured[name][load].append(measure(url, load, folder, arguments.seconds))
                        memory[f"{name} {model}"] = memory_mb(process.pid)
    results = {name: {load: _median(runs) for load, runs in loads.items()} for name, loads in measured.items()}
    ratios = ratios_of(results, peers)
    failures = sum(run.failures for run in results["modeldrop"].values())
    shown = {
        name: {" ".join(map(str, load)): run._asdict() for load, run in runs.items()} for name, runs in results.items()
    }
    met = failures == 0 and all(ratios[name] >= ratio for name, ratio in WANTED.items() if name in ratios)
    own = {"modeldrop": shown.pop("modeldrop"), "unbatched": shown.pop("unbatched"), "memory_mb": memory}
    report("server", results=own, floor=None, peers=shown, ratios=ratios, met=met)


def _median(runs: list[Measured]) -> Measured:
    return Measured(
        round(max(0.1, statistics.median(run.requests for run in runs)), 1),  # 0.1: none finished in time
        round(statistics.median(run.p99 for run in runs), 2),
        sum(run.failures for run in runs),
    )


if __name__ == "__main__":
    main()
