"""Limits of a model that a user brings. A message names the limit that was exceeded."""

from __future__ import annotations

__all__ = ["CPU_SECONDS", "MAX_MEMORY_BYTES", "MAX_ROWS", "PROCESS_SECONDS"]

MAX_MEMORY_BYTES = 1400 << 20  # of the predict function's 1,769 MB: Python, onnxruntime and numpy take the rest
MAX_ROWS = 5_000  # of calibration.csv
CPU_SECONDS = 600
PROCESS_SECONDS = 900.0
