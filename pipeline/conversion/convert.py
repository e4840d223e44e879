"""Convert a model's file in a separate process without credentials."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.contracts.errors import InvalidModelError, error_named

__all__ = ["Conversion", "convert"]

_SECONDS = 1800


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """A converted model.

    Attributes:
        kind: Class name of the original model.
        columns: The columns that the ONNX file reads.
        rows: Number of rows of the sample.
        equal: Number of rows for which both models predict the same.
        max_difference: Largest difference of a number, relative for magnitudes above 1.
    """

    kind: str
    columns: tuple[str, ...]
    rows: int
    equal: int
    max_difference: float


def convert(model: Path, sample: Path, out: Path) -> Conversion:
    """Convert a model's file to ONNX, and compare the predictions of both on sample rows.

    Args:
        model: The file, or the folder of a SavedModel.
        sample: csv or Parquet file of the model's features.
        out: The ONNX file to write.

    Raises:
        InvalidModelError: The model cannot be loaded or converted; the message says why.
        ExportMismatchError: The predictions of the ONNX file differ; it is not written.
    """
    root = Path(__file__).resolve().parents[2]
    environment = {"PYTHONPATH": str(root), "HOME": str(Path.home()), "PYTHONUTF8": "1"}  # no credentials
    command = [sys.executable, "-m", "pipeline.conversion.worker", str(model), str(sample), str(out)]
    try:
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise InvalidModelError(f"{model.name} was not converted within {_SECONDS // 60} minutes") from None
    lines = result.stdout.strip().splitlines()
    if result.returncode or not lines:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise InvalidModelError(f"{model.name} ended the process that loaded it ({result.returncode}): {reason}")
    document = json.loads(lines[-1])
    if "error" in document:
        raise error_named(document["error"], document["message"])
    return Conversion(**{**document, "columns": tuple(document["columns"])})
