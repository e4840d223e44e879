"""Read an uploaded model in a separate process without credentials and with limited memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from pipeline.brought.limits import CPU_SECONDS, MAX_MEMORY_BYTES, PROCESS_SECONDS
from pipeline.contracts.errors import InvalidModelError, error_named

__all__ = ["read_in_subprocess"]

_MEMORY_SIGNS = ("bad_alloc", "MemoryError", "Cannot allocate memory")


def read_in_subprocess(folder: Path, file: str, *, seconds: float = PROCESS_SECONDS) -> None:
    """Read the model in ``folder``, and write ``folder/out`` (see brought.reading.read_model).

    Args:
        folder: Folder with the uploaded files.
        file: Name of the file, for messages.
        seconds: Time after which the process is killed.

    Raises:
        InvalidModelError: The file cannot be served, or the process exceeded its limits.
        InvalidJobSpecError: train.yaml does not fit the model.
    """
    root = str(Path(__file__).resolve().parents[2])
    environment = {
        "PATH": os.defpath, "PYTHONPATH": root, "HOME": str(folder), "TMPDIR": str(folder), "PYTHONUTF8": "1",
        "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "pipeline.brought.worker", str(folder)]
    try:
        result = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False, timeout=seconds, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise InvalidModelError(f"{file} was not read within {seconds:.0f} s") from None
    lines = result.stdout.strip().splitlines()
    if result.returncode == 0 and lines:
        document = json.loads(lines[-1])
        if "error" in document:
            raise error_named(document["error"], document["message"])
        return
    if result.returncode in (-signal.SIGXCPU, -signal.SIGKILL) and not lines:
        raise InvalidModelError(f"{file} used more than {CPU_SECONDS} s of CPU time, or too much memory")
    if any(sign in result.stderr for sign in _MEMORY_SIGNS):
        raise InvalidModelError(
            f"{file} needs more memory than the predict function has for a model ({MAX_MEMORY_BYTES >> 20:,} MB)"
        )
    raise InvalidModelError(f"{file} ended the process that read it (exit code {result.returncode})")
