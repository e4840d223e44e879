"""Limits of a model that a user brings; a message names the limit that it exceeds."""

from __future__ import annotations

__all__ = ["CPU_SECONDS", "MAX_MEMORY_BYTES", "MAX_ROWS", "PROCESS_SECONDS"]

MAX_MEMORY_BYTES = 1400 << 20  # the predict function has 1,769 MB; Python, onnxruntime and numpy need the rest
MAX_ROWS = 5_000  # rows of calibration.csv that are read
CPU_SECONDS = 600  # CPU time of the process that reads the model
PROCESS_SECONDS = 900.0  # elapsed time of this process
