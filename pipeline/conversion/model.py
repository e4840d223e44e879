"""A converted model with the predictions of the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.contracts.errors import InvalidModelError
from pipeline.conversion.sample import Sample

__all__ = ["ConvertedModel", "predict_original"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertedModel:
    """A graph that reads raw columns.

    Attributes:
        model: The graph: one input per column; outputs label and probabilities, or value.
        sample: Rows of the columns that the graph reads.
        expected: The original's predictions for the sample, in the order of the outputs.
        kind: Class name of the original model.
    """

    model: onnx.ModelProto
    sample: Sample
    expected: Sequence[npt.NDArray[Any]]
    kind: str


def predict_original(model: Any, rows: Any, *, is_classifier: bool) -> list[npt.NDArray[Any]]:
    """Return the predictions of an estimator, in the order of the outputs: labels and probabilities, or values.

    Args:
        model: The fitted estimator.
        rows: The rows, in a form that the estimator accepts.
        is_classifier: Whether the estimator predicts labels.

    Raises:
        InvalidModelError: The estimator predicts several values for a row.
    """
    predictions = np.ravel(model.predict(rows))
    if len(predictions) != len(rows):
        raise InvalidModelError(
            f"{type(model).__name__} predicts {len(predictions) // len(rows)} values for a row; one target is expected"
        )
    if not is_classifier:
        return [predictions.astype(np.float64)]
    return [np.array([str(label) for label in predictions], dtype=object), np.asarray(model.predict_proba(rows))]
