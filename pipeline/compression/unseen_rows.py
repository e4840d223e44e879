"""What a compressed file of a bag costs on rows that neither has learned from, by rows that the bag has learned from.

Four of five fold models have learned from a validation row: the bag knows its label and a compressed file knows it a
little less, so on these rows it seems worse than it is. The out-of-fold prediction of a row is by the one model that
has not learned it. The compressed file's prediction of the row is estimated as that prediction, moved by as much as the
file's prediction differs from the bag's for a *similar* row: the next ones in the order of the bag's predictions. How
much the file differs stays, and that it differs from the bag towards the truth no longer counts. Each difference is
taken with both signs: whether that of another row happens to point to this row's truth is chance, and cancels
(docs/decisions/0043 has what it estimates beside test rows).
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
_NEIGHBORS = (-3, -2, -1, 1, 2, 3)  # in the order of the bag's predictions, whose differences are taken

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class UnseenRows:
    """The validation rows of a bag.

    Attributes:
        signature: The candidate's.
        out_of_fold: Calibrated probabilities [rows, classes], or values, by models that have not learned the row.
    """

    signature: Signature
    out_of_fold: npt.NDArray[np.floating]

    @property
    def full(self) -> Predictions:
        """Return what the bag predicts, by the model that has not learned the row."""
        return Predictions.of(self.signature, self.out_of_fold)

    def estimate(self, full: Predictions, small: Predictions) -> Iterator[Predictions]:
        """Yield what the compressed file would predict, twice for each neighbor.

        Args:
            full: The bag's own predictions for the rows.
            small: The compressed file's.
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
        """Return the order of the rows for each column, [rows, columns]; of classes it is the same for all columns."""
        if self.signature.task == "regression" or self.signature.is_multilabel:
            return np.argsort(scores, axis=0, kind="stable")
        order = np.lexsort((scores.max(axis=1), scores.argmax(axis=1)))
        return np.tile(order[:, None], (1, scores.shape[1]))

    def _to_scores(self, predicted: npt.NDArray[np.floating]) -> Floats:
        """Return values; or logarithms of probabilities; or the log-odds of labels; [rows, columns]."""
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
