"""`modeldrop serve` as a process: one JSON line when ready, and exit code 0 after SIGTERM."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from pipeline.cli.client.session import Choice, Session
from pipeline.cli.main import app
from tests.helpers.running_server import write_scaling_model

START = "import sys; from pipeline.cli.entry import main; main()"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_prints_a_ready_line_serves_and_exits_0(tmp_path: Path, workers: str) -> None:
    path = write_scaling_model(tmp_path)
    command = [sys.executable, "-c", START, "serve", "--file", path, "--name", "scale", "--no-auth"]
    ports = ["--http-port", "0", "--grpc-port", "0", "--workers", workers, "--no-access-log"]
    with subprocess.Popen([*command, *ports], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["models"] == ["scale"]
            assert ready["grpc"].startswith("127.0.0.1:")
            response = httpx.get(f"{ready['http']}/v2/models/scale/ready")
            assert response.json() == {"name": "scale", "ready": True}
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert process.stdout.read() == b""
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ([], "--folder"),
        (["churn", "--file", "FILE"], "is expected"),
        (["--file", "FILE", "--host", "0.0.0.0"], "--api-key-file"),
        (["--file", "FILE", "--tls-cert", "FILE"], "--tls-key"),
        (["--file", "FILE", "--otlp-endpoint", "collector:4318"], "http://HOST:4318"),
        (["--registry", "--api-key-file", "FILE"], "--api-key-file"),
        (["--file", "FILE", "--api-key-file", "FILE", "--no-auth"], "exclude"),
    ],
)
def test_invalid_combinations_of_options_are_refused(tmp_path: Path, arguments: list[str], fact: str) -> None:
    path = write_scaling_model(tmp_path)
    words = [str(path) if word == "FILE" else word for word in arguments]
    result = CliRunner().invoke(app, ["serve", *words], obj=lambda choice: Session(choice=Choice(), dependencies=None))
    assert result.exit_code == 2
    assert fact in result.output
