"""Ranges of activations that the layers of a graph compute for training rows, by onnxruntime's calibrators.

onnxruntime's quantize_static would use one threshold for entropy and a percentile of 99.999, which 512 rows rarely
reach: both would equal MinMax. Therefore this module calls the calibrators itself, with other options.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, TensorsData, create_calibrator

from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.training_rows import TrainingRows, predict

__all__ = ["CALIBRATED_OPERATORS", "Calibration", "calibrate", "sample_calibration_rows"]

Calibration = Literal["min_max", "percentile", "entropy"]

# Layers, and the operators that may lie between two of them, so that a chain of layers stays in integers.
CALIBRATED_OPERATORS = ("Conv", "MatMul", "Gemm", "Relu", "MaxPool", "Reshape", "Flatten")
_MAX_ROWS = 512
_ROWS_PER_CALL = 64
_METHODS: Mapping[Calibration, tuple[CalibrationMethod, dict[str, Any]]] = {
    "min_max": (CalibrationMethod.MinMax, {}),
    # One activation in 1,000 is cut off.
    "percentile": (CalibrationMethod.Percentile, {"percentile": 99.9, "num_bins": 2048, "symmetric": False}),
    # The range is at least an eighth of the range of all values.
    "entropy": (CalibrationMethod.Entropy, {"num_bins": 1024, "num_quantized_bins": 128, "symmetric": False}),
}


def sample_calibration_rows(context: PassContext, model: onnx.ModelProto) -> TrainingRows:
    """Return some training rows whose predictions are finite: one NaN would make every scale NaN."""
    rows = context.rows.sample(_MAX_ROWS, context.seed)
    if not len(rows):
        return rows
    finite = np.isfinite(predict(model.SerializeToString(), rows)).reshape(len(rows), -1).all(axis=1)
    return rows.take(np.flatnonzero(finite))


def calibrate(graph: onnx.ModelProto, rows: TrainingRows, method: Calibration) -> TensorsData:
    """Return the range of each activation that a layer reads or makes.

    Args:
        graph: A graph from prepare_quantization.
        rows: The calibration rows, at least one.
        method: min_max: from the smallest to the largest value. percentile: 99.9 % of the values. entropy: the range
            whose integers have the least Kullback-Leibler divergence from the values.

    References:
        Migacz 2017, 8-bit inference with TensorRT, for entropy.
    """
    calibration, options = _METHODS[method]
    names = [value.name for value in graph.graph.input]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):  # it logs
        file = Path(folder, "model.onnx")
        onnx.save_model(graph, file)
        calibrator = create_calibrator(
            file,
            CALIBRATED_OPERATORS,
            augmented_model_path=str(Path(folder, "augmented.onnx")),
            calibrate_method=calibration,
            providers=["CPUExecutionProvider"],
            extra_options=options,
        )
        calibrator.collect_data(_Reader(rows.read(names, slice(None))))
        return calibrator.compute_data()


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Batches of the rows, for onnxruntime."""

    def __init__(self, inputs: Mapping[str, npt.NDArray[Any]]) -> None:
        count = len(next(iter(inputs.values())))
        size = min(count, _ROWS_PER_CALL)
        starts = range(0, count - size + 1, size)  # its histograms fail on an incomplete last batch, which is dropped
        self._batches = iter(
            [{name: values[start : start + size] for name, values in inputs.items()} for start in starts]
        )

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        """Return the next batch; None after the last."""
        return next(self._batches, None)
