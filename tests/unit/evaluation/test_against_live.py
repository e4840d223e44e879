"""The comparison of the winner with the live version on the same rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pipeline.contracts.signature import Column, Signature
from pipeline.evaluation.card.against_live import LiveModel, compare_with_live
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.metrics import gain_interval
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.scoring import OnnxModel
from tests.helpers.served_models import CLASSIFIER, REGRESSOR, model_bytes

GENERATOR = np.random.default_rng(0)


def regression(values: np.ndarray) -> Predictions:
    return Predictions(labels=np.empty(0, object), probabilities=np.empty((0, 0)), values=values)


def test_the_interval_of_a_paired_gain_is_narrow() -> None:
    truth = GENERATOR.normal(size=400) * 100
    noise = GENERATOR.normal(size=400) * 50
    new, old = regression(truth + noise), regression(truth + 1.1 * noise)
    low, high = gain_interval(REGRESSOR, truth, new, old, metric="rmse")
    gain = 0.1 * float(np.sqrt(np.square(noise).mean()))
    assert 0 < low < gain < high
    assert high - low < gain  # an unpaired interval would be about seven times the gain wide
    swapped = gain_interval(REGRESSOR, truth, old, new, metric="rmse")
    assert swapped == pytest.approx((-high, -low))


def evaluation(signature: Signature = CLASSIFIER) -> HoldoutEvaluation:
    rows = 60
    frame = pl.DataFrame(
        {
            "age": [20.0 + number for number in range(rows)],
            "job": ["cook", "clerk", "juggler"] * (rows // 3),
            "hours per week": [40.0] * rows,
            "member": [float(number % 2) for number in range(rows)],
            "income": [signature.classes[number % 2] for number in range(rows)],
        }
    )
    served = OnnxModel(model_bytes(signature))
    return HoldoutEvaluation(signature=signature, metric="log_loss", served=served, test=frame)


def test_the_classes_of_the_live_version_are_matched_by_name() -> None:
    reordered = replace(CLASSIFIER, classes=CLASSIFIER.classes[::-1])
    compared = compare_with_live(evaluation(), LiveModel(3, reordered, model_bytes(reordered)))
    assert (compared.version, compared.problem, compared.rows) == (3, "", 60)
    assert compared.live != compared.new  # the live file gives the same scores to classes in another order


@pytest.mark.parametrize(
    ("live", "problem"),
    [
        (REGRESSOR, "task or target differs"),
        (replace(CLASSIFIER, target="other"), "task or target differs"),
        (replace(CLASSIFIER, columns=(*CLASSIFIER.columns, Column(name="wage", kind="numeric"))), "different columns"),
    ],
)
def test_a_live_version_that_reads_or_predicts_something_else_cannot_be_compared(live: Signature, problem: str) -> None:
    compared = compare_with_live(evaluation(), LiveModel(3, live, model_bytes(live)))
    assert problem in compared.problem
    assert not compared.is_not_inferior
    assert "the live version 3" in compared.sentence
