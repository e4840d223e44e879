"""The evidence for an ensemble: trained candidates, and their predictions for rows that they have not learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.outcome import TrainedCandidate

__all__ = ["Evidence", "Member", "average_predictions", "take"]

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A trained candidate.

    Args:
        trained: The candidate's record.
        body: Content of the candidate's body.onnx.
        predictions: Predictions of the trained model for the validation rows (reference.npz).
        out_of_fold: Out-of-fold predictions of a bag for the training and then the validation rows
            (records.outcome.OUT_OF_FOLD).
        edges: Predictions of the trained model for edge rows; None: there are none.
    """

    trained: TrainedCandidate
    body: bytes
    predictions: Floats
    out_of_fold: Floats | None = None
    edges: Floats | None = None

    @property
    def name(self) -> str:
        """Return the candidate's name."""
        return self.trained.candidate

    def held_out(self, validation_rows: int) -> Floats:
        """Return predictions for the validation rows by models that have not learned from them."""
        return self.predictions if self.out_of_fold is None else self.out_of_fold[-validation_rows:]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Predictions of every member for rows that its model has not learned from.

    Args:
        predictions: Predictions of each member [rows, ...], by name; NaN for a row that no fold held out.
        truth: Labels or values [rows].
        weight: Weight of each row [rows]; None: all count the same.
        rows: Mask of the rows for which all members have a prediction [rows].
        folds: Smallest number of folds of the members' bags; 0: the rows are the validation rows.
    """

    predictions: dict[str, Floats]
    truth: npt.NDArray[Any]
    weight: Floats | None
    rows: npt.NDArray[np.bool_]
    folds: int

    def average(self, weights: Mapping[str, float]) -> Floats:
        """Return the weighted mean of the predictions [all rows, ...]; NaN if a member has no prediction for a row."""
        return average_predictions([self.predictions[name] for name in weights], list(weights.values()))


def take(weight: Floats | None, rows: Any) -> Floats | None:
    """Return the weights of these rows; None: all count the same."""
    return None if weight is None else weight[rows]


def average_predictions(predictions: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """Return the weighted mean of several models' predictions [rows, ...]; the weights sum to 1."""
    weighted = [weight * array.astype(np.float64) for weight, array in zip(weights, predictions, strict=True)]
    mean: Floats = np.sum(weighted, axis=0)
    return mean
