"""Does `modeldrop serve` lose requests or memory while versions change under load, or lose requests when it stops?

Load from wrk and calls of one gRPC client for ``--minutes`` (10), with a new version of the model every
``--change-seconds`` (10); then SIGTERM while clients of both still send. A failure is a response other than 2xx, a
connection that breaks before SIGTERM, or a gRPC status other than OK; failing to connect after SIGTERM is no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

import grpc
from common import report
from server_load import GRPC_PREFIX_BYTES, Load, Target, measure, memory_mb, request_of
from server_models import write_models
from server_processes import START

ROOT = Path(__file__).parents[1]
MAX_GROWTH = 0.05  # growth of the memory, relative to that after the first tenth of the time


def publish(model: Path, version: int) -> None:
    """Add a version, and remove all but the two newest."""
    folder = model / str(version)
    folder.mkdir()
    shutil.copy(model / "1.onnx", folder / "model.partial")
    (folder / "model.partial").rename(folder / "model.onnx")
    for old in (path for path in model.iterdir() if path.is_dir() and int(path.name) < version - 1):
        shutil.rmtree(old)


def soak(folder: Path, seconds: float, change_seconds: float, clients: int) -> dict[str, float]:
    """Run the server under load; return requests, failures, versions, and memory in MB."""
    model = folder / "model"
    command = [sys.executable, "-c", START, "serve", "--folder", folder, "--no-auth", "--no-access-log"]
    ports = ["--http-port", "0", "--grpc-port", "0", "--refresh-seconds", "0.2"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    facts = {"requests": 0.0, "failures": 0.0, "versions": 1.0, "memory_start": 0.0, "memory_end": 0.0}
    load = Load("table", "json", 1, clients)
    (folder / "table").rename(model)
    shutil.copy(model / "1" / "model.onnx", model / "1.onnx")
    with subprocess.Popen([*command, *ports], stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        url = ready["http"] + "/v2/models/model/infer"
        calls = GrpcCalls(ready["grpc"])
        calls.start()
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds:
            facts["versions"] += 1
            publish(model, int(facts["versions"]))
            span = max(1, round(min(change_seconds, seconds - elapsed)))
            measured = measure(Target(url, process.pid), load, folder, span)
            facts["requests"] += measured.requests * span
            facts["failures"] += measured.failures
            if elapsed <= seconds / 10:
                facts["memory_start"] = memory_mb(process.pid)
        facts["memory_end"] = memory_mb(process.pid)
        facts["failures"] += end_under_load(process, url, load)
        calls.join()
        facts["grpc_calls"], facts["grpc_failures"] = calls.count, calls.failures
        facts["exit_code"] = process.returncode
    return {name: round(value, 1) for name, value in facts.items()}


class GrpcCalls(threading.Thread):
    """Calls ModelInfer repeatedly until the server has stopped.

    Args:
        address: ``host:port``.

    Attributes:
        count: Number of calls with status OK.
        failures: Number of calls with another status.
    """

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._message = request_of(Load("table", "grpc", 1, 1))[0][GRPC_PREFIX_BYTES:]
        self.count = 0
        self.failures = 0

    def run(self) -> None:
        """Call until a connection is refused."""
        with grpc.insecure_channel(self._address) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            while True:
                try:
                    call(self._message, timeout=20)
                    self.count += 1
                except grpc.RpcError as error:
                    if "failed to connect" in error.details():
                        return
                    self.failures += 1


def end_under_load(process: subprocess.Popen[bytes], url: str, load: Load) -> int:
    """Send SIGTERM while clients are sending; return the number of requests without a response of status 200."""
    import http.client
    from urllib.parse import urlsplit

    body, headers = request_of(load)
    failures: list[int] = []

    def send() -> None:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.netloc, timeout=20)
        try:
            while True:
                connection.request("POST", address.path, body, headers)
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    failures.append(response.status)
                if response.will_close:
                    return
        except OSError:
            failures.append(0)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(load.clients)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    process.wait(60)
    return len(failures)


def main() -> None:
    """Run the server under load, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--change-seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_models(folder)
        facts = soak(folder, 60 * arguments.minutes, arguments.change_seconds, arguments.clients)
    growth = facts["memory_end"] / facts["memory_start"] - 1
    ratios = {"memory growth": round(growth, 3)}
    met = facts["failures"] == facts["grpc_failures"] == 0 and growth <= MAX_GROWTH and facts["exit_code"] == 0
    report("soak", results=facts, floor=None, peers={}, ratios=ratios, met=met)


if __name__ == "__main__":
    main()
