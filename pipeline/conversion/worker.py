"""The process that loads and converts a model: ``python -m pipeline.conversion.worker MODEL SAMPLE OUT``.

Loading may run arbitrary code of a pickle, so the environment has no credentials. The last line of stdout is JSON: the
fields of Conversion, or the error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import onnxruntime

from pipeline.contracts.errors import ExportMismatchError, ModeldropError
from pipeline.conversion.loading import convert_file
from pipeline.conversion.sample import read_sample
from pipeline.exporting.comparison import compare_outputs, format_difference

__all__ = ["main"]


def main(model: Path, sample: Path, out: Path) -> dict[str, Any]:
    """Convert a model, compare it on the sample, and write it.

    Returns:
        ``kind``, ``columns``, ``rows``, ``equal`` and ``max_difference``.

    Raises:
        InvalidModelError: The model cannot be converted.
        ExportMismatchError: The predictions of the converted model differ.
        UnreadableDatasetError: The sample cannot be read.
    """
    converted = convert_file(model, read_sample(sample))
    file = converted.model.SerializeToString()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    comparison = compare_outputs(session.run(None, converted.sample.feeds()), converted.expected)
    if not comparison.is_equal:
        raise ExportMismatchError(
            f"the ONNX file of {model.name} predicts {comparison.rows - comparison.equal} of {comparison.rows} rows of "
            f"{sample.name} differently (largest difference {format_difference(comparison)}): nothing is written"
        )
    out.write_bytes(file)
    return {
        "kind": converted.kind,
        "columns": converted.sample.columns,
        "rows": comparison.rows,
        "equal": comparison.equal,
        "max_difference": comparison.max_difference,
    }


if __name__ == "__main__":
    try:
        document = main(*map(Path, sys.argv[1:]))
    except ModeldropError as error:
        document = {"error": type(error).__name__, "message": error.message}
    print(json.dumps(document))  # noqa: T201
