"""The time and memory to load a stored file, measured in a process like that of the predict function."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["LoadCost", "LoadProbe"]

_log = logging.getLogger(__name__)

_MODULE = "pipeline.compression.measuring.load_process"
# Libraries that start threads at import would make the process's forks unsafe.
_ONE_THREAD = ("env", "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadCost:
    """Unpacking a stored file and creating its session.

    Attributes:
        load_ms: Milliseconds with the file on the disk, the fastest of some loads; None if loading failed.
        memory_bytes: Resident memory that the loaded session holds; None if the system does not report it.
    """

    load_ms: float | None = None
    memory_bytes: int | None = None


class LoadProbe:
    """Measures loads in one child process. Use it as a context manager.

    The process starts when the context is entered, so that its imports do not delay the first measurement. If a
    measurement fails, its numbers are None; the variant is still made.
    """

    def __enter__(self) -> Self:
        """Start the process."""
        self._process = subprocess.Popen(
            [*_ONE_THREAD, sys.executable, "-m", _MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.communicate()  # closes stdin, which ends the process

    def measure(self, stored: bytes) -> LoadCost:
        """Measure one stored file."""
        with tempfile.NamedTemporaryFile(suffix=".model") as file:
            file.write(stored)
            file.flush()
            try:
                return LoadCost(**json.loads(self._request(Path(file.name))))
            except (OSError, ValueError, TypeError) as error:
                _log.warning("load time not measured", extra={"error": type(error).__name__})
                return LoadCost()

    def _request(self, path: Path) -> str:
        assert self._process.stdin is not None, "it was requested"
        assert self._process.stdout is not None, "it was requested"
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()
