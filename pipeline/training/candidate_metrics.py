"""Metrics of a candidate, on its out-of-fold predictions, on the validation rows, or on the rows of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.decision import ThresholdRule
from pipeline.contracts.records.outcome import OUT_OF_FOLD
from pipeline.contracts.signature import Signature
from pipeline.evaluation.decision.fit import decide
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.scoring import truth
from pipeline.training.algorithm import FittedModel, Rows
from pipeline.training.learning_rows import LearningRows
from pipeline.training.resampling.bagging import Bag

__all__ = ["CandidateMetrics"]

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateMetrics:
    """Measures the models of a candidate in the target's own units.

    Args:
        rows: The rows of the splits.
        metric: Metric that the plan compares candidates by.
        threshold_rule: Chooses the threshold of a classification; None: there is none, and probabilities are not
            calibrated.
    """

    rows: LearningRows
    metric: str
    threshold_rule: ThresholdRule | None

    def measure_bag(self, bag: Bag, workdir: Path, *, is_served: bool) -> Mapping[str, Any]:
        """Measure out-of-fold predictions, and write them to out_of_fold.npz.

        Args:
            bag: The fold models.
            workdir: The candidate's folder.
            is_served: Whether the average of the fold models is served; else one model refit on all rows.

        Returns:
            Fields of TrainedCandidate: ``quality``, ``interval``, ``folds`` and the fields of the decision.

        Raises:
            CandidateFailedError: A prediction is not finite.
        """
        predicted = self.rows.denormalize(bag.out_of_fold)
        held = np.flatnonzero(~np.isnan(predicted.reshape(len(predicted), -1)).any(axis=1))
        if not np.isfinite(predicted[held]).all():
            raise CandidateFailedError("its out-of-fold predictions are not all finite")
        dtype = np.float64 if self.rows.dataset.task == "regression" else np.float32
        np.savez(workdir / OUT_OF_FOLD, answers=predicted.astype(dtype))
        rows = self.rows.all.take(held)
        signature, y_true, predictions = self._metric_inputs(bag.out_of_fold[held], rows)
        decided = decide(signature, y_true, predictions, self.threshold_rule, rows.weight, is_bag=is_served)
        measured = signature, y_true, decided.predictions
        return {
            "quality": measure(*measured, weight=rows.weight),
            "interval": interval(*measured, weight=rows.weight, only=self.metric or None),
            "folds": len(bag.members),
            **decided.fields,
        }

    def measure_validation(self, fitted: FittedModel, predicted: Floats) -> Mapping[str, Any]:
        """Measure the predictions of a single model on the validation rows.

        Args:
            fitted: The model.
            predicted: Its predictions for the validation rows, in the target's own units.

        Returns:
            Fields of TrainedCandidate: ``quality`` and the fields of the decision. A private model is not calibrated.
        """
        signature = self.rows.dataset.signature_of(fitted.classes, fitted.quantiles)
        validation = self.rows.splits["validation"]
        weight, y_true = self.rows.weight_of(validation), truth(validation, signature)
        rule, predictions = self.threshold_rule, Predictions.of(signature, predicted)
        decided = decide(signature, y_true, predictions, rule, weight, calibrates=not fitted.privacy)
        return {"quality": measure(signature, y_true, decided.predictions, weight=weight), **decided.fields}

    def score(self, fitted: FittedModel, rows: Rows) -> float:
        """Return the plan's metric of a model on ``rows``."""
        return measure(*self._predict(fitted, rows), weight=rows.weight)[self.metric]

    def score_with_interval(self, fitted: FittedModel, rows: Rows) -> tuple[float, tuple[float, float]]:
        """Return the plan's metric of a model on ``rows``, and the metric's 95 % interval (low, high)."""
        measured = self._predict(fitted, rows)
        bounds = interval(*measured, weight=rows.weight, only=self.metric)[self.metric]
        return measure(*measured, weight=rows.weight)[self.metric], bounds

    def _predict(self, fitted: FittedModel, rows: Rows) -> tuple[Signature, npt.NDArray[Any], Predictions]:
        return self._metric_inputs(fitted.predict(rows), rows, classes=fitted.classes)

    def _metric_inputs(
        self, predicted: Floats, rows: Rows, classes: tuple[str, ...] = ()
    ) -> tuple[Signature, npt.NDArray[Any], Predictions]:
        signature = self.rows.dataset.signature_of(classes)
        if signature.task != "regression":
            labels = np.array(self.rows.dataset.classes, object)[rows.target]
            return signature, labels, Predictions.of(signature, predicted)
        values = predicted[:, 0] if predicted.ndim == 2 else predicted  # without the quantiles in the other columns
        y_true = self.rows.target.denormalize_targets(rows.target)
        return signature, y_true, Predictions.of(signature, self.rows.denormalize(values))
