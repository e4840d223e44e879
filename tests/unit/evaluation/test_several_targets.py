"""Metrics of several targets, compared with the multioutput averages of scikit-learn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

from pipeline.contracts.signature import Signature, split_label
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.several_targets import several_truths

VALUES = Signature(task="regression", target="a, b", targets=("a", "b"), columns=())
LABELS = Signature(
    task="classification",
    target="t",
    targets=("t: x", "t: y", "t: z"),
    classes=("x", "y", "z"),
    separator="|",
    columns=(),
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_metrics_of_numbers_are_the_uniform_average_of_scikit_learn(rng: np.random.Generator) -> None:
    truth = rng.normal(size=(200, 2)) * [1, 1000]
    values = truth + rng.normal(size=(200, 2)) * [0.5, 100]
    weight = rng.random(200)
    quality = measure(VALUES, truth, Predictions.of(VALUES, values), weight=weight)
    assert quality["r2"] == pytest.approx(sk.r2_score(truth, values, sample_weight=weight))
    assert quality["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, values, sample_weight=weight))
    assert quality["mae"] == pytest.approx(sk.mean_absolute_error(truth, values, sample_weight=weight))
    low, high = interval(VALUES, truth, Predictions.of(VALUES, values), weight=weight)["r2"]
    assert low < quality["r2"] < high


def test_metrics_of_labels_equal_those_of_scikit_learn(rng: np.random.Generator) -> None:
    truth = (rng.random((300, 3)) < [0.5, 0.2, 0.7]).astype(float)
    probabilities = np.clip(0.6 * truth + 0.4 * rng.random((300, 3)), 0.01, 0.99)
    probabilities[::5] = 1 - probabilities[::5]
    predicted = probabilities >= 0.5
    quality = measure(LABELS, truth, Predictions.of(LABELS, probabilities))
    assert quality["accuracy"] == pytest.approx(sk.accuracy_score(truth, predicted))
    assert quality["f1_macro"] == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    assert quality["f1_micro"] == pytest.approx(sk.f1_score(truth, predicted, average="micro"))
    assert quality["auc"] == pytest.approx(sk.roc_auc_score(truth, probabilities))
    assert quality["average_precision"] == pytest.approx(sk.average_precision_score(truth, probabilities))
    log_losses = [sk.log_loss(truth[:, n], probabilities[:, n]) for n in range(3)]
    assert quality["log_loss"] == pytest.approx(np.mean(log_losses))


def test_the_labels_of_a_row_have_a_probability_of_at_least_one_half() -> None:
    probabilities = np.array([[0.5, 0.49, 0.9], [0.1, 0.2, 0.3]], np.float32)
    predictions = Predictions.of(LABELS, probabilities)
    assert predictions.labels.tolist() == ["x|z", ""]
    assert [split_label(label, LABELS) for label in predictions.labels] == [["x", "z"], []]


def test_the_true_values_have_a_column_for_each_target() -> None:
    frame = pl.DataFrame({"t: x": ["yes", "no"], "t: y": ["no", "no"], "t: z": ["yes", "yes"]})
    assert several_truths(frame, LABELS).tolist() == [[1, 0, 1], [0, 0, 1]]
    assert several_truths(pl.DataFrame({"a": [1.5], "b": [2.0]}), VALUES).tolist() == [[1.5, 2.0]]
