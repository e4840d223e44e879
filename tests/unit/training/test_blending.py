from __future__ import annotations

import numpy as np
import pytest

from pipeline.contracts.records.decision import ThresholdRule
from pipeline.contracts.signature import Column, Signature
from pipeline.ensembling.blending import blend_weights, fit_blend

ROWS = 600
VALUES = Signature(task="regression", target="price", columns=(Column(name="x", kind="numeric"),))
LABELS = Signature(
    task="classification", target="sort", columns=(Column(name="x", kind="numeric"),), classes=("a", "b")
)


def test_a_blend_of_models_with_different_errors_beats_the_best_model() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=ROWS)
    predictions = {name: truth + random.normal(scale=0.5, size=ROWS) for name in ("one", "other")}
    predictions["hopeless"] = random.normal(scale=9, size=ROWS)
    blend_fit = fit_blend(predictions, truth, VALUES, "rmse")
    assert blend_fit.beats_best
    assert set(blend_fit.weights) == {"one", "other"}
    assert sum(blend_fit.weights.values()) == pytest.approx(1)
    assert blend_fit.weights["one"] == pytest.approx(0.5, abs=0.15)
    expected = sum(weight * predictions[name] for name, weight in blend_fit.weights.items())
    np.testing.assert_allclose(blend_fit.cross_fitted, expected, atol=0.2)  # each fifth of the rows has its own weights


def test_a_blend_that_does_not_improve_the_best_model_reports_the_reason() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=ROWS)
    good = truth + random.normal(scale=0.1, size=ROWS)
    blend_fit = fit_blend({"good": good, "noisy": good + random.normal(size=ROWS)}, truth, VALUES, "rmse")
    assert not blend_fit.beats_best
    assert blend_fit.reason == "no other candidate improves good"


def test_a_blend_of_class_probabilities_is_compared_by_the_metric() -> None:
    random = np.random.default_rng(1)
    truth = np.array(["a", "b"], object)[random.integers(0, 2, ROWS)]
    signal = np.where(truth == "b", 1.0, -1.0)

    def model() -> np.ndarray:
        second = 1 / (1 + np.exp(-(signal + random.normal(scale=1.5, size=ROWS))))
        return np.stack([1 - second, second], axis=1)

    blend_fit = fit_blend({"one": model(), "other": model()}, truth, LABELS, "auc")
    assert blend_fit.beats_best
    np.testing.assert_allclose(blend_fit.cross_fitted.sum(axis=1), 1)


def test_blend_weights_averaged_over_folds_are_deterministic_and_sum_to_one() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(size=60)
    predictions = {name: truth + random.normal(scale=0.5, size=60) for name in ("a", "b", "c", "d")}
    once = fit_blend(predictions, truth, VALUES, "rmse")
    bagged = fit_blend(predictions, truth, VALUES, "rmse", by_folds=True)
    assert bagged.weights != once.weights
    assert sum(bagged.weights.values()) == pytest.approx(1, abs=1e-9)
    assert list(bagged.weights.values()) == sorted(bagged.weights.values(), reverse=True)
    again = fit_blend(predictions, truth, VALUES, "rmse", by_folds=True)
    assert again.weights == bagged.weights


def test_a_more_confident_blend_improves_the_log_loss_with_equal_accuracy() -> None:
    truth = np.array(["a", "b"] * 40, object)
    second = np.where(truth == "b", 0.9, 0.1)
    sure_of_half = [np.where(np.arange(80) % 4 < 2, second, 0.5 + (second - 0.5) / 10), None]
    sure_of_half[1] = np.where(np.arange(80) % 4 >= 2, second, 0.5 + (second - 0.5) / 10)
    predictions = {
        str(number): np.stack([1 - probability, probability], axis=1) for number, probability in enumerate(sure_of_half)
    }
    assert not fit_blend(predictions, truth, LABELS, "accuracy").beats_best
    blend_fit = fit_blend(predictions, truth, LABELS, "log_loss")
    assert blend_fit.beats_best
    assert "log_loss" in blend_fit.reason


def test_forty_equally_good_members_get_equal_weights() -> None:
    """Each of 40 members errs in another row: all are selected once, each with less than the minimum weight."""
    weights = blend_weights(np.eye(40), lambda candidate: float(np.square(candidate).sum()))
    np.testing.assert_allclose(weights, 1 / 40)


def test_a_blend_with_a_tuned_threshold_is_compared_by_the_labels_of_the_threshold() -> None:
    """Members predict less than 0.5 for nearly all rare rows, so that the most probable class hardly varies."""
    random = np.random.default_rng(0)
    positive = np.arange(4_000) % 40 == 0
    truth = np.where(positive, "b", "a").astype(object)
    scores = [1 / (1 + np.exp(3 - np.where(positive, 1.5, 0.0) - 0.7 * random.normal(size=4_000))) for _ in range(2)]
    predictions = {str(number): np.stack([1 - score, score], axis=1) for number, score in enumerate(scores)}
    assert not fit_blend(predictions, truth, LABELS, "f1").beats_best
    blend_fit = fit_blend(predictions, truth, LABELS, "f1", rule=ThresholdRule(is_tuned=True))
    assert blend_fit.beats_best
    assert len(blend_fit.weights) == 2


def test_the_weights_of_a_blend_optimize_the_selected_metric() -> None:
    """One member is right about small values, the other about large ones: relative and absolute errors disagree."""
    truth = np.exp(np.random.default_rng(0).normal(3, 2, 600))
    is_large = truth > np.quantile(truth, 0.9)
    predictions = {"small": np.where(is_large, 2 * truth, truth), "large": np.where(is_large, truth, 2 * truth)}
    for metric, best in (("mape", "small"), ("rmsle", "small"), ("rmse", "large"), ("mae", "large")):
        weights = fit_blend(predictions, truth, VALUES, metric).weights
        assert next(iter(weights)) == best, metric
