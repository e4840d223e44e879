"""The effect of the served file's temperature and threshold on the test rows."""

from __future__ import annotations

from dataclasses import replace

from pipeline.contracts.records.decision import DecisionFit
from pipeline.contracts.records.evaluation_report import DecisionReport
from pipeline.evaluation.card.confusion import class_quality
from pipeline.evaluation.decision.fit import calibration_error
from pipeline.evaluation.decision.temperature import calibrate, log_loss
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.predictions import Predictions, class_numbers

__all__ = ["report_decision"]


def report_decision(evaluation: HoldoutEvaluation, out_of_fold: DecisionFit | None) -> DecisionReport:
    """Measure the served predictions with and without the temperature and the threshold.

    Args:
        evaluation: Evaluation of a classification on the test rows.
        out_of_fold: The cross-fitted effect of both on the rows that they were fitted to.
    """
    signature, weight = evaluation.signature, evaluation.weight
    truth = class_numbers(evaluation.truth, signature.classes)
    served = evaluation.predictions.probabilities
    trained = calibrate(served, 1 / signature.temperature)
    by_most_probable = None
    if signature.threshold is not None:
        plain = Predictions.of(replace(signature, threshold=None), served)
        by_most_probable = class_quality(signature, evaluation.truth, plain, weight)[signature.positive_index]
    return DecisionReport(
        temperature=signature.temperature,
        threshold=signature.threshold,
        log_loss=(log_loss(trained, truth, weight), log_loss(served, truth, weight)),
        calibration_error=(calibration_error(trained, truth, weight), calibration_error(served, truth, weight)),
        by_most_probable=by_most_probable,
        out_of_fold=out_of_fold,
    )
