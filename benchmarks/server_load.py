"""Send load to a server from compiled clients: wrk for HTTP, h2load for gRPC."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from server_models import INPUT_SHAPES

__all__ = ["GRPC_PREFIX_BYTES", "Load", "Measured", "Target", "cpu_seconds", "measure", "memory_mb", "request_of"]

GRPC_PREFIX_BYTES = 5  # before each gRPC message: compression flag and size
TEXTS = ("the parcel came late and the box was open", "fast and friendly service", "it broke after a week")


class Load(NamedTuple):
    """The load of one measurement.

    Attributes:
        model: Name of a model of ``server_models``.
        protocol: ``json``, ``binary`` or ``grpc``.
        rows: Rows per request.
        clients: Number of connections, each with one open request.
    """

    model: str
    protocol: str
    rows: int
    clients: int


class Measured(NamedTuple):
    """Requests per second, p99 in milliseconds, failed requests, and the server's CPU microseconds per request."""

    requests: float
    p99: float
    failures: int
    cpu_us: float


class Target(NamedTuple):
    """A running server.

    Attributes:
        address: URL of the route; for gRPC ``http://host:port``.
        process: Id of the server's process.
        server: Name of the server; some have their own protocol.
    """

    address: str
    process: int
    server: str = "modeldrop"


def request_of(load: Load, server: str = "modeldrop") -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a load's requests."""
    random = np.random.default_rng(1)
    if load.model == "text":
        texts = [TEXTS[number % len(TEXTS)] for number in range(load.rows)]
        tensor: dict[str, Any] = {"name": "x", "shape": [load.rows], "datatype": "BYTES", "data": texts}
        return json.dumps({"inputs": [tensor]}).encode(), {"Content-Type": "application/json"}
    array = random.normal(size=(load.rows, *INPUT_SHAPES[load.model])).astype(np.float32)
    tensor = {"name": "x", "shape": list(array.shape), "datatype": "FP32"}
    if load.protocol == "grpc":
        return _grpc_body(array), {"content-type": "application/grpc", "te": "trailers"}
    if load.protocol == "json":
        rounded = array.astype(np.float64).round(4)
        if server == "bentoml":
            return json.dumps({"x": rounded.tolist()}).encode(), {"Content-Type": "application/json"}
        tensor["data"] = rounded.ravel().tolist()
        return json.dumps({"inputs": [tensor]}).encode(), {"Content-Type": "application/json"}
    tensor["parameters"] = {"binary_data_size": array.nbytes}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return header + array.tobytes(), {"Inference-Header-Content-Length": str(len(header))}


def measure(target: Target, load: Load, folder: Path, seconds: int) -> Measured:
    """Send load to a server for some seconds; the clients' files are written into ``folder``."""
    body, headers = request_of(load, target.server)
    (folder / "body").write_bytes(body)
    before = cpu_seconds(target.process)
    run = _run_h2load if load.protocol == "grpc" else _run_wrk
    requests, p99, failures = run(target.address, load.clients, headers, folder, seconds)
    used = (cpu_seconds(target.process) - before) / seconds
    return Measured(requests, p99, failures, round(used / max(requests, 0.1) * 1e6, 1))


def _run_wrk(url: str, clients: int, headers: dict[str, str], folder: Path, seconds: int) -> tuple[float, float, int]:
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    reading = f'local f = io.open("{folder}/body", "rb"); wrk.body = f:read("*all"); f:close()'
    counting = (
        "done = function(s, l, r) io.write(string.format('RESULT %f %f %d', s.requests / (s.duration / 1e6), "
        "l:percentile(99) / 1e3, s.errors.status + s.errors.read + s.errors.timeout)) end"
    )
    script = folder / "load.lua"
    script.write_text("\n".join(['wrk.method = "POST"', *lines, reading, counting]))
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "20s", "-s", script, url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    requests, p99, failures = printed.split("RESULT ")[1].split()
    return float(requests), float(p99), int(failures)


def _run_h2load(
    address: str, clients: int, headers: dict[str, str], folder: Path, seconds: int
) -> tuple[float, float, int]:
    _check_call(address, folder / "body")
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    url = f"{address}/inference.GRPCInferenceService/ModelInfer"
    options = [item for name, value in headers.items() for item in ("-H", f"{name}: {value}")]
    command = ["h2load", f"-c{clients}", "-m1", f"-D{seconds}", "-d", folder / "body", f"--log-file={log}"]
    printed = subprocess.run([*command, *options, url], capture_output=True, text=True, check=True).stdout
    rate = re.search(r"([0-9.]+) req/s", printed)
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", printed)
    if rate is None or failed is None:
        raise subprocess.CalledProcessError(1, "h2load", printed)
    milliseconds = [int(line.split()[2]) / 1e3 for line in log.read_text().splitlines()]
    p99 = float(np.percentile(milliseconds, 99)) if milliseconds else 0.0
    return float(rate[1]), round(p99, 3), sum(map(int, failed.groups()))


def _check_call(address: str, body: Path) -> None:
    """Call once by grpcio, which raises if the call fails: h2load does not read gRPC's status."""
    import grpc

    with grpc.insecure_channel(address.removeprefix("http://")) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        call(body.read_bytes()[GRPC_PREFIX_BYTES:], timeout=20)


def _grpc_body(array: np.ndarray) -> bytes:
    """Return a ModelInferRequest with raw contents, after gRPC's prefix for an uncompressed message."""
    from pipeline.server.grpc.messages import message_class

    request = message_class("inference.ModelInferRequest")(model_name="model")
    request.inputs.add(name="x", datatype="FP32", shape=array.shape)
    request.raw_input_contents.append(array.tobytes())
    message: bytes = request.SerializeToString()
    return b"\0" + len(message).to_bytes(4, "big") + message


def cpu_seconds(process: int) -> float:
    """Return the CPU seconds of a process and its descendants, in user and kernel mode."""
    ticks = 0
    for number in _process_tree(process):
        fields = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(process: int) -> float:
    """Return the resident memory of a process and its descendants, in MB."""
    pages = sum(int(Path(f"/proc/{number}/statm").read_text().split()[1]) for number in _process_tree(process))
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def _process_tree(process: int) -> list[int]:
    tree = [process]
    for number in tree:
        for children in Path(f"/proc/{number}/task").glob("*/children"):
            tree.extend(map(int, children.read_text().split()))
    return tree
