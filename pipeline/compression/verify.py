"""Parity: the exported file predicts like the trained model, in a process without the training library.

The inputs must be those of the signature, in order. Each prediction for the raw columns of the validation rows must
equal the trained model's within the tolerance: for all rows at once, for single rows, and in a batch of up to 10,000.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.contracts.errors import ExportMismatchError
from pipeline.contracts.signature import Signature
from pipeline.evaluation.decision.temperature import calibrate
from pipeline.evaluation.predictions import Predictions, class_numbers
from pipeline.evaluation.scoring import Feeds, OnnxModel
from pipeline.evaluation.several_targets import join_labels

__all__ = ["Reference", "VerifyEdgeRows", "VerifyExport", "largest_difference"]

Scale = float | npt.NDArray[np.floating[Any]]
Reference = Mapping[str, npt.NDArray[np.floating[Any]]]

_Floats = npt.NDArray[np.floating[Any]]

_SINGLE_ROWS = 10  # validation rows that are also predicted alone
_LARGE_BATCH = 10_000  # rows
_MAX_BATCH_SECONDS = 1.0
_MAX_BATCH_BYTES = 256 << 20
_EPSILON = 1e-9


class VerifyExport:
    """Verify an exported file by the trained model's own predictions.

    Args:
        signature: Signature of the file.
        rows: The validation rows.
        reference: The trained model's predictions for them (contracts.records.outcome.TrainedCandidate).
        tolerance: Largest difference: of a probability, or of a value in units of ``scale``.
        scale: Standard deviation of the target.
    """

    def __init__(
        self, signature: Signature, rows: Feeds, reference: Reference, *, tolerance: float, scale: Scale = 1.0
    ) -> None:
        self._signature = signature
        self._rows = rows
        self._reference = reference
        self._tolerance = tolerance
        self._scale = scale

    def __call__(self, model: bytes) -> None:
        """Verify a serialized file.

        Raises:
            ExportMismatchError: The file takes other columns, or its predictions differ by more than the tolerance.
        """
        inputs = [value.name for value in onnx.load_from_string(model).graph.input]
        if inputs != [column.name for column in self._signature.columns]:
            raise ExportMismatchError("the exported graph does not take the columns that the model was trained on")

        self._check_predictions(OnnxModel(model))

    def _check_predictions(self, session: OnnxModel) -> None:
        """Check the predictions in batches of any size."""
        count = len(next(iter(self._rows.values())))
        started = time.perf_counter()
        self._check(session, np.arange(count), "on the validation rows")
        seconds_per_row = (time.perf_counter() - started) / count
        for row in range(min(count, _SINGLE_ROWS)):
            self._check(session, np.array([row]), f"on validation row {row} alone")
        size = self._large_batch(seconds_per_row)
        self._check(session, np.arange(size) % count, f"in a batch of {size:,} rows")

    def _check(self, session: OnnxModel, indices: npt.NDArray[np.int64], where: str) -> None:
        predictions = session.run({name: values[indices] for name, values in self._rows.items()})
        reference = {name: values[indices] for name, values in self._reference.items()}
        difference = largest_difference(predictions, reference, self._signature, self._scale)
        if not difference <= self._tolerance:  # NaN is a mismatch
            raise ExportMismatchError(
                f"the exported graph's predictions differ from the trained model's by {difference:.3g} {where}, "
                f"at most {self._tolerance:.3g} is expected"
            )

    def _large_batch(self, seconds_per_row: float) -> int:
        """Return the rows of the large batch: 10,000, or fewer if these would take over 1 s or 256 MiB."""
        row_bytes = sum(values[:1].nbytes for values in self._rows.values())
        affordable = min(_MAX_BATCH_SECONDS / max(seconds_per_row, _EPSILON), _MAX_BATCH_BYTES / max(row_bytes, 1))
        return max(1, min(_LARGE_BATCH, int(affordable)))


class VerifyEdgeRows(VerifyExport):
    """Parity on edge rows (missing, unknown and extreme values), together and each alone.

    Values far outside the training rows are extrapolated: their differences are in units of the largest prediction if
    it is larger than ``scale``. Rows for which the trained model's prediction is not finite are skipped.
    """

    def _check_predictions(self, session: OnnxModel) -> None:
        """Check the predictions for all edge rows together, and for each alone."""
        outputs = [values.reshape(len(values), -1) for values in self._reference.values()]
        indices = np.flatnonzero(np.isfinite(np.concatenate(outputs, axis=1)).all(axis=1))
        if not len(indices):
            return
        if self._signature.task == "regression":
            self._scale = np.maximum(self._scale, np.abs(self._reference["value"][indices]).max(axis=0))
        self._check(session, indices, f"on {len(indices)} edge rows (missing, unknown and extreme values)")
        for row in indices:
            self._check(session, np.array([row]), f"on edge row {row} alone")


def largest_difference(
    predictions: Predictions, reference: Reference, signature: Signature, scale: Scale = 1.0
) -> float:
    """Return the largest difference in a value, a quantile or a calibrated probability; NaN if a prediction is NaN.

    A differing label counts as the trained model's probability of its own label less that of the file's label, or, with
    a threshold, as the distance of the probability from the threshold.

    Args:
        predictions: Predictions of the file.
        reference: Predictions of the trained model.
        signature: Signature of the file.
        scale: Unit of values: one number, or one for each target.
    """
    if signature.task == "regression":
        difference = np.max(np.abs(predictions.values - reference["value"]) / scale)
        if signature.quantiles:
            difference = np.maximum(difference, np.max(np.abs(predictions.quantiles - reference["quantiles"]) / scale))
        return float(difference)
    if signature.is_multilabel:
        if np.any(predictions.labels != join_labels(signature, predictions.probabilities)):
            return math.inf
        return float(np.max(np.abs(predictions.probabilities - reference["probabilities"])))
    expected = Predictions.of(signature, calibrate(reference["probabilities"], signature.temperature))
    undo = _undo(signature)
    difference = np.max(np.abs(undo(predictions.probabilities) - undo(expected.probabilities)))
    return float(np.maximum(difference, np.max(_label_margins(predictions, expected, signature), initial=0.0)))


def _undo(signature: Signature) -> Callable[[_Floats], _Floats]:
    """Return a function that undoes a temperature above 1, which amplifies rounding of probabilities near 0."""
    return lambda probabilities: calibrate(probabilities, min(1.0, 1 / signature.temperature))


def _label_margins(predictions: Predictions, expected: Predictions, signature: Signature) -> _Floats:
    """Return the difference in probability between the two labels of each row whose labels differ."""
    differs, undo = predictions.labels != expected.labels, _undo(signature)
    probabilities = undo(expected.probabilities)
    if signature.threshold is not None:
        positive = signature.positive_index
        threshold = undo(np.array([[1 - signature.threshold, signature.threshold]]))[0, 1]
        distance = np.abs(probabilities[:, positive] - threshold)
    else:
        predicted = probabilities[np.arange(len(differs)), class_numbers(predictions.labels, signature.classes)]
        distance = probabilities.max(axis=1) - predicted
    return np.asarray(distance[differs])
