"""No process of modeldrop sends telemetry of onnxruntime."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_library_disables_telemetry_before_onnxruntime_is_imported() -> None:
    script = "import sys, os, pipeline; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PATH": ""}
    ).stdout
    assert printed == "1 False\n"
