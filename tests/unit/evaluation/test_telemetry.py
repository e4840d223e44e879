"""onnxruntime sends no telemetry from a process of ours."""

from __future__ import annotations

import subprocess
import sys


def test_every_process_that_imports_the_library_turns_telemetry_off_before_onnxruntime_is_imported() -> None:
    script = "import sys, os, pipeline; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PATH": ""}
    ).stdout
    assert printed == "1 False\n"
