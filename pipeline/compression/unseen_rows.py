"""Estimate the predictions of a bag's compressed file for unseen rows, from rows that the bag has learned from.

Four of five fold models have learned from a validation row: the bag knows its label and a compressed file knows it a
little less, so on these rows the file seems worse than it is. The out-of-fold prediction of a row is made by the one
model that has not learned the row. The compressed file's prediction for an unseen row is estimated as this out-of-fold
prediction plus the difference between the file's and the bag's predictions for a *similar* row, a neighbor in the order
of the bag's predictions. This keeps the size of the differences, but not their direction away from the known label.
Each difference is used with both signs, so that it cancels if it points to the truth of this row by chance
(docs/decisions/0043 compares the estimates with test rows).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.contracts.signature import Signature
from pipeline.evaluation.scoring import Predictions

__all__ = ["UnseenRows"]

_MIN_PROBABILITY = 1e-6
_NEIGHBORS = (-3, -2, -1, 1, 2, 3)  # offsets of similar rows in the order of the bag's predictions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class UnseenRows:
    """The validation rows of a bag.

    Attributes:
        signature: Signature of the candidate.
        out_of_fold: Calibrated probabilities [rows, classes], or values, by models that have not learned the row.
    """

    signature: Signature
    out_of_fold: npt.NDArray[np.floating]

    @property
    def full(self) -> Predictions:
        """Return the out-of-fold predictions."""
        return Predictions.of(self.signature, self.out_of_fold)

    def estimate(self, full: Predictions, small: Predictions) -> Iterator[Predictions]:
        """Yield estimates of the compressed file's predictions for unseen rows, two for each neighbor.

        Args:
            full: The bag's own predictions for the rows.
            small: The compressed file's predictions for the rows.
        """
        before, after = (self._to_scores(self._outputs(predictions)) for predictions in (full, small))
        unseen = self._to_scores(self.out_of_fold)
        order = self._order(before)
        for neighbor in _NEIGHBORS:
            difference = np.empty_like(before)
            ordered = np.take_along_axis(after - before, order, axis=0)
            np.put_along_axis(difference, order, np.roll(ordered, neighbor, axis=0), axis=0)
            for moved in (unseen + difference, unseen - difference):
                outputs = self._from_scores(moved).reshape(self.out_of_fold.shape).astype(self.out_of_fold.dtype)
                yield Predictions.of(self.signature, outputs)

    def _outputs(self, predictions: Predictions) -> npt.NDArray[np.floating]:
        """Return predictions in the shape of the out-of-fold ones."""
        if self.signature.task != "regression":
            return predictions.probabilities
        if self.out_of_fold.ndim == 2 and not self.signature.targets:
            values = np.concatenate([predictions.values[:, None], predictions.quantiles], axis=1)
            return values[:, : self.out_of_fold.shape[1]]
        return predictions.values

    def _order(self, scores: Floats) -> npt.NDArray[np.int64]:
        """Return the order of the rows for each column [rows, columns]; for classes it is equal in all columns."""
        if self.signature.task == "regression" or self.signature.is_multilabel:
            return np.argsort(scores, axis=0, kind="stable")
        order = np.lexsort((scores.max(axis=1), scores.argmax(axis=1)))
        return np.tile(order[:, None], (1, scores.shape[1]))

    def _to_scores(self, predicted: npt.NDArray[np.floating]) -> Floats:
        """Return values, logarithms of class probabilities, or log-odds of labels [rows, columns]."""
        scores: Floats = predicted.reshape(len(predicted), -1).astype(np.float64)
        if self.signature.task == "regression":
            return scores
        probabilities = np.clip(scores, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
        if self.signature.is_multilabel:
            return np.asarray(np.log(probabilities) - np.log1p(-probabilities))
        return np.asarray(np.log(probabilities))

    def _from_scores(self, scores: Floats) -> Floats:
        if self.signature.task == "regression":
            return scores
        if self.signature.is_multilabel:
            return 1 / (1 + np.exp(-scores))
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities: Floats = odds / odds.sum(axis=1, keepdims=True)
        return probabilities
