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


def test_two_models_that_err_differently_are_better_together() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=ROWS)
    answers = {name: truth + random.normal(scale=0.5, size=ROWS) for name in ("one", "other")}
    answers["hopeless"] = random.normal(scale=9, size=ROWS)
    blend_fit = fit_blend(answers, truth, VALUES, "rmse")
    assert blend_fit.beats_best
    assert set(blend_fit.weights) == {"one", "other"}
    assert sum(blend_fit.weights.values()) == pytest.approx(1)
    assert blend_fit.weights["one"] == pytest.approx(0.5, abs=0.15)
    expected = sum(weight * answers[name] for name, weight in blend_fit.weights.items())
    np.testing.assert_allclose(blend_fit.cross_fitted, expected, atol=0.2)  # each fifth has weights of its own


def test_where_the_best_alone_is_best_it_says_so() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=ROWS)
    good = truth + random.normal(scale=0.1, size=ROWS)
    blend_fit = fit_blend({"good": good, "noisy": good + random.normal(size=ROWS)}, truth, VALUES, "rmse")
    assert not blend_fit.beats_best
    assert blend_fit.reason == "no other candidate improves good"


def test_of_classes_the_mean_of_probabilities_is_judged_by_the_metric() -> None:
    random = np.random.default_rng(1)
    truth = np.array(["a", "b"], object)[random.integers(0, 2, ROWS)]
    signal = np.where(truth == "b", 1.0, -1.0)

    def model() -> np.ndarray:
        second = 1 / (1 + np.exp(-(signal + random.normal(scale=1.5, size=ROWS))))
        return np.stack([1 - second, second], axis=1)

    blend_fit = fit_blend({"one": model(), "other": model()}, truth, LABELS, "auc")
    assert blend_fit.beats_best
    np.testing.assert_allclose(blend_fit.cross_fitted.sum(axis=1), 1)


def test_of_few_rows_weights_are_the_mean_of_what_halves_of_them_say_and_sum_to_one() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(size=60)
    answers = {name: truth + random.normal(scale=0.5, size=60) for name in ("a", "b", "c", "d")}
    once = fit_blend(answers, truth, VALUES, "rmse")
    bagged = fit_blend(answers, truth, VALUES, "rmse", by_folds=True)
    assert bagged.weights != once.weights
    assert sum(bagged.weights.values()) == pytest.approx(1, abs=1e-9)
    assert list(bagged.weights.values()) == sorted(bagged.weights.values(), reverse=True)
    again = fit_blend(answers, truth, VALUES, "rmse", by_folds=True)
    assert again.weights == bagged.weights


def test_a_blend_that_is_surer_has_the_better_log_loss_though_no_more_rows_are_right() -> None:
    truth = np.array(["a", "b"] * 40, object)
    second = np.where(truth == "b", 0.9, 0.1)
    sure_of_half = [np.where(np.arange(80) % 4 < 2, second, 0.5 + (second - 0.5) / 10), None]
    sure_of_half[1] = np.where(np.arange(80) % 4 >= 2, second, 0.5 + (second - 0.5) / 10)
    answers = {str(place): np.stack([1 - one, one], axis=1) for place, one in enumerate(sure_of_half)}
    assert not fit_blend(answers, truth, LABELS, "accuracy").beats_best
    blend_fit = fit_blend(answers, truth, LABELS, "log_loss")
    assert blend_fit.beats_best
    assert "log_loss" in blend_fit.reason


def test_of_more_members_than_there_can_be_shares_the_largest_stay() -> None:
    """Each of 40 errs in a row of its own: all are taken once, and each has less than the least weight."""
    weights = blend_weights(np.eye(40), lambda candidate: float(np.square(candidate).sum()))
    np.testing.assert_allclose(weights, 1 / 40)


def test_where_labels_follow_a_threshold_a_blend_is_compared_by_the_labels_that_it_would_serve() -> None:
    """No member holds a rare row more likely than not, so that by the most probable class all labels are alike."""
    random = np.random.default_rng(0)
    positive = np.arange(4_000) % 40 == 0
    truth = np.where(positive, "b", "a").astype(object)
    scores = [1 / (1 + np.exp(3 - np.where(positive, 1.5, 0.0) - 0.7 * random.normal(size=4_000))) for _ in range(2)]
    answers = {str(place): np.stack([1 - score, score], axis=1) for place, score in enumerate(scores)}
    assert not fit_blend(answers, truth, LABELS, "f1").beats_best
    blend_fit = fit_blend(answers, truth, LABELS, "f1", rule=ThresholdRule(is_tuned=True))
    assert blend_fit.beats_best
    assert len(blend_fit.weights) == 2


def test_the_weights_of_a_blend_make_the_metric_that_decides_small() -> None:
    """One member is right about small values and the other about large ones: a share of error or its size decides."""
    truth = np.exp(np.random.default_rng(0).normal(3, 2, 600))
    is_large = truth > np.quantile(truth, 0.9)
    answers = {"small": np.where(is_large, 2 * truth, truth), "large": np.where(is_large, truth, 2 * truth)}
    for metric, best in (("mape", "small"), ("rmsle", "small"), ("rmse", "large"), ("mae", "large")):
        weights = fit_blend(answers, truth, VALUES, metric).weights
        assert next(iter(weights)) == best, metric
