"""How a classifier's scores become probabilities and labels."""

from __future__ import annotations

from typing import Literal

from pipeline.contracts.record import Record

__all__ = ["ARGMAX", "Decision", "DecisionFit", "ThresholdMetric", "ThresholdRule"]

ThresholdMetric = Literal["f1", "balanced_accuracy", "mcc", "precision_at_recall"]


class ThresholdRule(Record):
    """How the threshold of a classification is chosen.

    Attributes:
        value: Fixed threshold; None: labels are the most probable class, unless the threshold is tuned.
        is_tuned: Whether the threshold is tuned on out-of-fold predictions.
        metric: Metric that the threshold is tuned for.
        recall: Minimum recall, for ``precision_at_recall``.
    """

    value: float | None = None
    is_tuned: bool = False
    metric: ThresholdMetric = "f1"
    recall: float = 0.0


ARGMAX = ThresholdRule()


class Decision(Record):
    """How the probabilities and labels of a classifier are made.

    Attributes:
        temperature: Divisor of the log-probabilities.
        threshold: Probability from which the positive class is the label; None: labels are the most probable class.
    """

    temperature: float = 1.0
    threshold: float | None = None


class DecisionFit(Record):
    """The effect of calibration and of a tuned threshold, cross-fitted over the rows that both were fitted to.

    Attributes:
        rows: Number of rows that both were fitted to.
        log_loss: Log loss before and after calibration.
        calibration_error: Expected calibration error before and after (Naeini et al. 2015).
        threshold_metric: Metric that the threshold is tuned for; empty: it is not tuned.
        by_threshold: This metric for labels by the most probable class, and for labels by the threshold.
    """

    rows: int
    log_loss: tuple[float, float]
    calibration_error: tuple[float, float]
    threshold_metric: str = ""
    by_threshold: tuple[float, float] | None = None
