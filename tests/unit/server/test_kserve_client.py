"""The unmodified inference client of KServe by REST and gRPC, in the environment of benchmarks/server.py."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.helpers import running_server

ROOT = Path(__file__).parents[3]
KSERVE = ROOT / ".venv-peers" / "kserve" / "bin" / "python"


@pytest.mark.skipif(not KSERVE.exists(), reason="kserve has no environment: benchmarks/server.py makes it")
def test_the_kserve_client_infers_and_describes_models(tmp_path: Path) -> None:
    running_server.write_scaling_model(tmp_path)
    with running_server.run_folder(tmp_path) as server:
        script = Path(running_server.__file__).with_name("kserve_client.py")
        command = [KSERVE, script, f"http://127.0.0.1:{server.http_port}", server.grpc]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={})
    assert ended.returncode == 0, ended.stderr
    results = json.loads(ended.stdout.splitlines()[-1])
    predicted = ["scale", "7", [[2, 4], [6, 8]]]
    states = [f"{protocol} {state}" for protocol in ("rest", "grpc") for state in ("live", "ready", "model", "unknown")]
    forms = [f"{protocol} {form}" for protocol in ("rest", "grpc") for form in ("plain", "binary")]
    assert results == dict.fromkeys(states, True) | dict.fromkeys(forms, predicted)
