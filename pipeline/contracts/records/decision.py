"""How a classifier's scores become probabilities and labels."""

from __future__ import annotations

from typing import Literal

from pipeline.contracts.record import Record

__all__ = ["ARGMAX", "Decision", "DecisionFit", "ThresholdMetric", "ThresholdRule"]

ThresholdMetric = Literal["f1", "balanced_accuracy", "mcc", "precision_at_recall"]


class ThresholdRule(Record):
    """Where the threshold comes from: ``value``, or where it is ``is_tuned`` the best by ``metric`` out of fold.

    Neither: the most probable class is the label. ``recall``: that precision_at_recall keeps at least.
    """

    value: float | None = None
    is_tuned: bool = False
    metric: ThresholdMetric = "f1"
    recall: float = 0.0


ARGMAX = ThresholdRule()


class Decision(Record):
    """``temperature``: log-probabilities are divided by it. ``threshold``: of the positive class's probability, from
    which a row is labeled so; None: the most probable class is the label."""

    temperature: float = 1.0
    threshold: float | None = None


class DecisionFit(Record):
    """What calibration and a tuned threshold changed, on the rows that they were found on, cross-fitted.

    ``log_loss`` and ``calibration_error`` (Naeini et al. 2015) before and after; ``threshold_metric`` by the most
    probable class, and by the threshold.
    """

    rows: int
    log_loss: tuple[float, float]
    calibration_error: tuple[float, float]
    threshold_metric: str = ""
    by_threshold: tuple[float, float] | None = None
