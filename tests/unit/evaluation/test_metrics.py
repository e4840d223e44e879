from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from sklearn import metrics

from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.metrics import Metric
from pipeline.evaluation.card.calibration import calibration
from pipeline.evaluation.metric_names import SKLEARN_NAMES
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Predictions

Case = tuple[Signature, np.ndarray[Any, Any], Predictions]


def _regression() -> Signature:
    return Signature(task="regression", target="t", columns=())


def _classification(classes: int) -> Signature:
    return Signature(task="classification", target="t", columns=(), classes=tuple("abcdefgh"[:classes]))


def _classified(classes: int, rows: int = 500, decimals: int = 6) -> Case:
    random = np.random.default_rng(classes)
    probabilities = (
        random.dirichlet(np.ones(classes), rows).round(decimals) + 1e-4
    )  # no probability is 0, which has no logarithm
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    signature = _classification(classes)
    truth = np.array([random.choice(signature.classes, p=row) for row in probabilities], dtype=object)
    return signature, truth, Predictions.of(signature, probabilities)


def _valued(rows: int = 500) -> Case:
    random = np.random.default_rng(1)
    truth = random.normal(1e6, 10, rows)
    return _regression(), truth, Predictions.of(_regression(), truth + random.normal(0, 4, rows))


def _weights(kind: str, rows: int) -> np.ndarray[Any, Any] | None:
    return None if kind == "unweighted" else np.random.default_rng(9).gamma(1.0, 2.0, rows) + 0.01


BOTH = pytest.mark.parametrize("weighting", ["unweighted", "weighted"])


@BOTH
@pytest.mark.parametrize("decimals", [6, 1], ids=["distinct scores", "many ties"])
@pytest.mark.parametrize("positive", ["a", "b"])
def test_metrics_of_two_classes_agree_with_scikit_learn(decimals: int, weighting: str, positive: str) -> None:
    signature, truth, predictions = _classified(2, decimals=decimals)
    signature = replace(signature, positive=positive)
    weight = _weights(weighting, len(truth))
    of_positive = predictions.probabilities[:, signature.positive_index]
    labels, options = predictions.labels, {"sample_weight": weight}
    wanted = {
        "accuracy": metrics.accuracy_score(truth, labels, **options),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, labels, **options),
        "f1": metrics.f1_score(truth, labels, pos_label=positive, **options),
        "f1_macro": metrics.f1_score(truth, labels, average="macro", **options),
        "f1_weighted": metrics.f1_score(truth, labels, average="weighted", **options),
        "auc": metrics.roc_auc_score(truth == positive, of_positive, **options),
        "average_precision": metrics.average_precision_score(truth == positive, of_positive, **options),
        "mcc": metrics.matthews_corrcoef(truth, labels, **options),
        "log_loss": metrics.log_loss(truth, predictions.probabilities, **options),
    }
    assert measure(signature, truth, predictions, weight=weight) == pytest.approx(wanted, abs=1e-9)


@BOTH
@pytest.mark.parametrize("labels", ["abcde", ("1", "2", "3", "4", "10")], ids=["words", "numbers"])
def test_metrics_of_many_classes_agree_with_scikit_learn(weighting: str, labels: Sequence[str]) -> None:
    _, letters, drawn = _classified(5, decimals=2)
    rename = dict(zip("abcde", labels, strict=True))
    signature = replace(_classification(5), classes=tuple(labels))
    truth = np.array([rename[letter] for letter in letters], object)
    predictions = Predictions.of(signature, drawn.probabilities)
    weight = _weights(weighting, len(truth))
    options = {"sample_weight": weight}
    codes = np.array([labels.index(label) for label in truth])
    wanted = {
        "accuracy": metrics.accuracy_score(truth, predictions.labels, **options),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predictions.labels, **options),
        "f1_macro": metrics.f1_score(truth, predictions.labels, average="macro", **options),
        "f1_weighted": metrics.f1_score(truth, predictions.labels, average="weighted", **options),
        "auc": metrics.roc_auc_score(
            codes, predictions.probabilities, multi_class="ovr", average="weighted", **options
        ),
        "average_precision": metrics.average_precision_score(codes, predictions.probabilities, **options),
        "mcc": metrics.matthews_corrcoef(truth, predictions.labels, **options),
        "log_loss": metrics.log_loss(codes, predictions.probabilities, **options),
    }
    if labels[0] == "1":
        wanted["quadratic_kappa"] = metrics.cohen_kappa_score(
            truth, predictions.labels, labels=list(labels), weights="quadratic", **options
        )
    assert measure(signature, truth, predictions, weight=weight) == pytest.approx(wanted, abs=1e-9)


def test_quadratic_kappa_orders_classes_as_numbers_and_not_as_text() -> None:
    signature = replace(_classification(3), classes=("1", "10", "2"))
    truth = np.array(["1", "2", "10", "2", "1", "10"], object)
    labels = np.array(["1", "10", "10", "1", "2", "10"], object)
    predictions = replace(Predictions.of(signature, np.eye(3)[[0] * 6]), labels=labels)
    wanted = metrics.cohen_kappa_score(truth, labels, labels=["1", "2", "10"], weights="quadratic")
    assert measure(signature, truth, predictions)["quadratic_kappa"] == pytest.approx(wanted, abs=1e-9)


@BOTH
@pytest.mark.parametrize("rows", [500, 501, 2])
def test_metrics_of_values_agree_with_scikit_learn(weighting: str, rows: int) -> None:
    signature, truth, predictions = _valued(rows)
    values, options = predictions.values, {"sample_weight": _weights(weighting, rows)}
    wanted = {
        "rmse": metrics.root_mean_squared_error(truth, values, **options),
        "mae": metrics.mean_absolute_error(truth, values, **options),
        "median_absolute_error": metrics.median_absolute_error(truth, values, **options),
        "mape": metrics.mean_absolute_percentage_error(truth, values, **options),
        "rmsle": metrics.root_mean_squared_log_error(truth, values, **options),
        "pinball": metrics.mean_pinball_loss(truth, values, **options),
        "r2": metrics.r2_score(truth, values, **options),
        "d2_absolute_error": metrics.d2_absolute_error_score(truth, values, **options),
    }
    assert measure(signature, truth, predictions, weight=options["sample_weight"]) == pytest.approx(wanted, abs=1e-9)


@BOTH
def test_the_pinball_loss_is_the_mean_over_the_predicted_quantiles(weighting: str) -> None:
    _, truth, predictions = _valued()
    quantiles = (0.1, 0.9)
    signature = replace(_regression(), quantiles=quantiles)
    quantile_predictions = predictions.values[:, None] + np.array([-3.0, 2.0])
    weight = _weights(weighting, len(truth))
    wanted = np.mean(
        [
            metrics.mean_pinball_loss(truth, quantile_predictions[:, index], alpha=quantile, sample_weight=weight)
            for index, quantile in enumerate(quantiles)
        ]
    )
    quality = measure(
        signature, truth, replace(predictions, quantiles=quantile_predictions), weight=weight, only="pinball"
    )
    assert quality == {"pinball": pytest.approx(wanted, abs=1e-9)}


def test_rmsle_is_absent_for_a_target_without_logarithm_and_penalizes_such_a_prediction() -> None:
    truth = np.array([1.0, -2.0, 3.0])
    assert "rmsle" not in measure(_regression(), truth, Predictions.of(_regression(), truth))
    far = measure(_regression(), np.abs(truth), Predictions.of(_regression(), np.array([1.0, -9.0, 3.0])))["rmsle"]
    assert 10 < far < 15


def test_a_row_of_weight_three_counts_as_three_rows() -> None:
    for signature, truth, predictions in (_classified(2), _classified(4), _valued()):
        times = np.random.default_rng(5).integers(1, 4, len(truth))
        three = np.repeat(np.arange(len(truth)), times)
        parts = {
            name: values[three] if len(values := getattr(predictions, name)) else values
            for name in ("labels", "probabilities", "values")
        }
        repeated = measure(signature, truth[three], Predictions(**parts))
        assert measure(signature, truth, predictions, weight=times) == pytest.approx(repeated, abs=1e-9)


def test_a_metric_is_the_same_if_computed_alone() -> None:
    for case in (_classified(2), _classified(5), _valued()):
        all_metrics = measure(*case)
        assert {name: measure(*case, only=name)[name] for name in all_metrics} == all_metrics


def test_the_interval_of_weighted_rows_has_the_width_of_the_effective_rows() -> None:
    signature, truth, predictions = _classified(2, rows=4000)
    heavy = np.where(np.arange(4000) < 400, 1.0, 1e-9)
    for metric in ("accuracy", "log_loss"):
        low, high = interval(signature, truth, predictions, weight=heavy, only=metric)[metric]
        first_rows = Predictions.of(signature, predictions.probabilities[:400])
        few_low, few_high = interval(signature, truth[:400], first_rows, only=metric)[metric]
        assert high - low == pytest.approx(few_high - few_low, rel=0.15)


def test_a_certain_and_wrong_prediction_has_a_finite_log_loss() -> None:
    signature = _classification(2)
    predictions = Predictions.of(signature, np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
    assert 15 < measure(signature, np.array(["b", "a"], object), predictions)["log_loss"] < 17


def test_the_auc_of_rows_of_one_class_is_one_half() -> None:
    for classes in (2, 3):
        signature, _, predictions = _classified(classes, rows=6)
        assert measure(signature, np.array(["a"] * 6, object), predictions)["auc"] == 0.5


@pytest.mark.parametrize(("offset", "wanted"), [(0.0, 1.0), (1.0, 0.0)])
def test_r2_of_a_constant_truth_is_finite(offset: float, wanted: float) -> None:
    truth = np.full(8, 3.0)
    assert measure(_regression(), truth, Predictions.of(_regression(), truth + offset))["r2"] == wanted


@pytest.mark.parametrize("case", [_classified(2), _classified(4), _valued()], ids=["two classes", "four", "values"])
def test_an_interval_contains_its_metric_and_is_the_same_for_the_same_seed(case: Case) -> None:
    point, quality = measure(*case), interval(*case, seed=3)
    assert quality == interval(*case, seed=3)
    assert set(quality) == set(point)
    for name, (low, high) in quality.items():
        assert low < point[name] < high


def test_the_interval_of_an_accuracy_has_the_width_of_the_binomial_interval() -> None:
    signature, truth, predictions = _classified(2, rows=4000)
    low, high = interval(signature, truth, predictions)["accuracy"]
    accuracy = measure(signature, truth, predictions)["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / 4000), rel=0.12)


def test_an_interval_over_sixteen_thousand_rows_takes_at_most_ten_seconds() -> None:
    case = _classified(2, rows=16_000)
    started = time.process_time()
    interval(*case)
    assert time.process_time() - started < 10


def _clustered(rows: int = 400) -> Case:
    random = np.random.default_rng(2)
    which = random.choice(3, rows, p=(0.6, 0.3, 0.1))
    signature = Signature(task="clustering", target="", columns=(), classes=("0", "1", "2"))
    return signature, which[:, None] + random.normal(0, 0.4, (rows, 2)), Predictions.of(signature, np.eye(3)[which])


def test_the_silhouette_agrees_with_scikit_learn() -> None:
    signature, points, predictions = _clustered()
    wanted = metrics.silhouette_score(points, predictions.labels)
    assert measure(signature, points, predictions) == {"silhouette": pytest.approx(wanted)}
    low, high = interval(signature, points, predictions)["silhouette"]
    assert wanted - 0.1 < low < wanted < high < wanted + 0.1


def test_one_cluster_has_a_silhouette_of_0_and_many_rows_are_sampled() -> None:
    signature, points, predictions = _clustered(12_000)
    assert measure(signature, points, predictions)["silhouette"] == pytest.approx(
        metrics.silhouette_score(points, predictions.labels, sample_size=5000, random_state=0), abs=0.02
    )
    one_cluster = Predictions.of(signature, np.eye(3)[np.zeros(12_000, int)])
    assert measure(signature, points, one_cluster) == {"silhouette": 0.0}


def test_the_interval_of_a_perfect_accuracy_on_few_rows_has_a_lower_bound() -> None:
    signature = _classification(2)
    predictions = Predictions.of(signature, np.tile(np.array([[0.9, 0.1]]), (30, 1)))
    low, high = interval(signature, np.array(["a"] * 30, object), predictions)["accuracy"]
    assert high == 1.0
    assert 0.85 < low < 0.92  # one wrong prediction of 30 is plausible


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_brier_score_equals_that_of_scikit_learn(classes: int) -> None:
    signature, truth, predictions = _classified(classes)
    wanted = metrics.brier_score_loss(truth, predictions.probabilities, labels=list(signature.classes))
    assert calibration(signature, truth, predictions).brier == pytest.approx(wanted, abs=1e-12)


def test_the_brier_score_of_two_classes_does_not_depend_on_the_positive_class() -> None:
    signature, truth, predictions = _classified(2)
    brier = calibration(signature, truth, predictions).brier
    assert brier == pytest.approx(metrics.brier_score_loss(truth == "b", predictions.probabilities[:, 1]))
    assert brier == pytest.approx(metrics.brier_score_loss(truth == "a", predictions.probabilities[:, 0]))


def test_every_metric_has_an_existing_scikit_learn_function() -> None:
    others = {"silhouette", "brier", "quadratic_kappa", "f1_micro"}
    measured = {*measure(*_classified(2)), *measure(*_valued())} | others
    assert set(SKLEARN_NAMES) == measured == {*get_args(Metric), "brier"}
    assert all(callable(getattr(metrics, name)) for name in SKLEARN_NAMES.values())
