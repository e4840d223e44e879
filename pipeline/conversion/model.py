"""A converted model with what the original predicts."""

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
    """A graph of raw columns.

    Attributes:
        model: One input per column; outputs label and probabilities, or value.
        sample: The columns that it reads.
        expected: What the original predicts for the sample, in the order of the outputs.
        kind: Name of the original's class.
    """

    model: onnx.ModelProto
    sample: Sample
    expected: Sequence[npt.NDArray[Any]]
    kind: str


def predict_original(model: Any, rows: Any, *, is_classifier: bool) -> list[npt.NDArray[Any]]:
    """Return what an estimator predicts, in the order of the outputs: labels and probabilities, or values.

    Args:
        model: The fitted estimator.
        rows: The rows, as it takes them.
        is_classifier: Whether it predicts labels.

    Raises:
        InvalidModelError: It predicts several values for a row.
    """
    predictions = np.ravel(model.predict(rows))
    if len(predictions) != len(rows):
        raise InvalidModelError(
            f"{type(model).__name__} predicts {len(predictions) // len(rows)} values for a row; one target is expected"
        )
    if not is_classifier:
        return [predictions.astype(np.float64)]
    return [np.array([str(label) for label in predictions], dtype=object), np.asarray(model.predict_proba(rows))]
