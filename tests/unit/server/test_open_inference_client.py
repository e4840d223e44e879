"""The unmodified client of open-inference-openapi, in the environment of benchmarks/server.py."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.helpers import running_server

ENVIRONMENT = Path(__file__).parents[3] / ".venv-peers" / "kserve"


@pytest.mark.skipif(
    not list(ENVIRONMENT.glob("lib/*/site-packages/open_inference")),
    reason="open-inference-openapi has no environment: benchmarks/server.py makes it",
)
def test_the_models_of_the_client_parse_every_response(tmp_path: Path) -> None:
    running_server.write_scaling_model(tmp_path)
    with running_server.run_folder(tmp_path) as server:
        script = Path(running_server.__file__).with_name("open_inference_client.py")
        command = [ENVIRONMENT / "bin" / "python", script, f"http://127.0.0.1:{server.http_port}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={})
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == {
        "server": "modeldrop",
        "inputs": [["x", "FP32", [-1, 2]]],
        "infer": ["scale", "7", "y", [2, 2], [2, 4, 6, 8]],
        "unknown": 404,
    }
