"""Fit the decision of a classifier (temperature and threshold) to held-out predictions, and measure it cross-fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.decision import Decision, DecisionFit, ThresholdRule
from pipeline.contracts.signature import Signature
from pipeline.evaluation.decision.temperature import calibrate, fit_temperature, log_loss
from pipeline.evaluation.decision.threshold import label_quality, tune_threshold
from pipeline.evaluation.predictions import Predictions, class_numbers

__all__ = ["Decided", "calibration_error", "decide"]

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

_FOLDS = 5
_BINS = 10
_BAG_TEMPERATURE = 1.2  # approximate temperature of the mean of five models relative to a single one (decision 20)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """Predictions with a decision.

    Args:
        predictions: Predictions to measure; the decision for each row was fitted to other rows.
        decision: The served decision, fitted to all rows; None: there is no decision.
        fit: The effect of the decision; None: there is no decision.
    """

    predictions: Predictions
    decision: Decision | None = None
    fit: DecisionFit | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """Return the fields of a TrainedCandidate; empty if there is no decision."""
        return {} if self.decision is None else {"decision": self.decision, "decision_fit": self.fit}


def decide(  # noqa: PLR0913 - predictions, truth, rule and options
    signature: Signature,
    truth: npt.NDArray[Any],
    predictions: Predictions,
    rule: ThresholdRule | None,
    weight: Floats | None = None,
    *,
    calibrates: bool = True,
    is_bag: bool = False,
) -> Decided:
    """Find the temperature of a classification, and its threshold by ``rule``.

    Probabilities are calibrated only if that lowers the cross-fitted log loss: the temperature for each fifth of the
    rows is fitted to the other rows.

    Args:
        signature: Signature of the model.
        truth: Labels [rows].
        predictions: Predictions for rows that the model has not learned from, with uncalibrated probabilities.
        rule: How the threshold is chosen; None: make no decision. Other tasks have no decision either.
        weight: Weight of each row [rows]; None: all count the same.
        calibrates: Whether a temperature is fitted.
        is_bag: Whether the probabilities are those of fold models whose mean is served, which is less confident.
    """
    if signature.task != "classification" or signature.is_multilabel or rule is None:
        return Decided(predictions=predictions)
    probabilities = predictions.probabilities
    rows = _Rows(
        probabilities=probabilities,
        truth=class_numbers(truth, signature.classes),
        weight=weight,
        positive=signature.positive_index,
        rule=rule,
        is_bag=is_bag,
    )
    before = after = log_loss(probabilities, rows.truth, weight)
    temperature, calibrated = 1.0, probabilities
    if calibrates:
        crossed = rows.cross_calibrated()
        if (lowered := log_loss(crossed, rows.truth, weight)) < before:
            after, calibrated = lowered, crossed
            temperature = rows.fit_temperature(np.arange(len(truth)))
    labels, thresholds = calibrated.argmax(axis=1), rows.cross_thresholds(calibrated)
    by_threshold = labels
    if thresholds is not None:
        is_positive = calibrated[:, rows.positive] >= thresholds
        by_threshold = np.where(is_positive, rows.positive, 1 - rows.positive)
    served = calibrate(probabilities, temperature)
    return Decided(
        decision=Decision(temperature=temperature, threshold=rows.threshold(served)),
        fit=DecisionFit(
            rows=len(truth),
            log_loss=(before, after),
            calibration_error=(
                calibration_error(probabilities, rows.truth, weight),
                calibration_error(calibrated, rows.truth, weight),
            ),
            threshold_metric=rule.metric if rule.is_tuned else "",
            by_threshold=(rows.label_quality(labels), rows.label_quality(by_threshold)) if rule.is_tuned else None,
        ),
        predictions=Predictions(labels=np.array(signature.classes, object)[by_threshold], probabilities=calibrated),
    )


def calibration_error(probabilities: Floats, truth: Ints, weight: Floats | None = None) -> float:
    """Compute the expected calibration error of the most probable class (Naeini et al. 2015), over ten bins."""
    counts = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, weights=counts * (right - confidence), minlength=_BINS)
    return float(np.abs(gaps).sum() / counts.sum())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """The rows that a decision is fitted to; ``truth`` is the class index of each row."""

    probabilities: Floats
    truth: Ints
    weight: Floats | None
    positive: int
    rule: ThresholdRule
    is_bag: bool

    def fit_temperature(self, rows: Ints) -> float:
        """Fit a temperature; for a bag, a temperature above 1 is reduced, since the models' mean is less confident."""
        counts = None if self.weight is None else self.weight[rows]
        temperature = fit_temperature(self.probabilities[rows], self.truth[rows], counts)
        return max(1.0, temperature / _BAG_TEMPERATURE) if self.is_bag and temperature > 1 else temperature

    def cross_calibrated(self) -> Floats:
        """Return the probabilities; each fifth of the rows is calibrated with a temperature fitted to the others."""
        calibrated = np.empty(self.probabilities.shape)
        for held, fitting in self._folds():
            calibrated[held] = calibrate(self.probabilities[held], self.fit_temperature(fitting))
        return calibrated

    def cross_thresholds(self, calibrated: Floats) -> Floats | None:
        """Return each row's threshold [rows], fixed or cross-fitted; None: the most probable class is the label."""
        if not self.rule.is_tuned:
            return None if self.rule.value is None else np.full(len(self.truth), self.rule.value)
        thresholds = np.empty(len(self.truth))
        for held, fitting in self._folds():
            thresholds[held] = self._tune(calibrated, fitting)
        return thresholds

    def threshold(self, calibrated: Floats) -> float | None:
        """Return the threshold to serve; None: the most probable class is the label."""
        if not self.rule.is_tuned:
            return self.rule.value
        return round(self._tune(calibrated, np.arange(len(self.truth))), 6)

    def label_quality(self, labels: Ints) -> float:
        return label_quality(labels == self.positive, self.truth == self.positive, self.rule, self.weight)

    def _tune(self, calibrated: Floats, rows: Ints) -> float:
        counts = None if self.weight is None else self.weight[rows]
        return tune_threshold(calibrated[rows, self.positive], self.truth[rows] == self.positive, self.rule, counts)

    def _folds(self) -> Iterator[tuple[Ints, Ints]]:
        """Yield the rows of each fold and the other rows; folds are stratified, so that rare classes are spread."""
        shuffled = np.random.default_rng(0).permutation(len(self.truth))
        ordered = shuffled[np.argsort(self.truth[shuffled], kind="stable")]
        fold = np.empty(len(ordered), np.int64)
        fold[ordered] = np.arange(len(ordered)) % _FOLDS
        for number in range(_FOLDS):
            yield np.flatnonzero(fold == number), np.flatnonzero(fold != number)
