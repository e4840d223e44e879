"""Calibration and label thresholds, fitted on rows that the model has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from pipeline.contracts.records.decision import ARGMAX, ThresholdMetric, ThresholdRule
from pipeline.contracts.signature import Signature
from pipeline.evaluation.decision.fit import Decided, decide
from pipeline.evaluation.decision.temperature import calibrate, fit_temperature, log_loss
from pipeline.evaluation.decision.threshold import tune_threshold
from pipeline.evaluation.predictions import Predictions

BINARY = Signature(task="classification", target="t", columns=(), classes=("no", "yes"))
TUNED = ThresholdRule(is_tuned=True)


def _rare(rows: int = 4_000, share: float = 0.03, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make labels and calibrated probabilities [rows, 2]."""
    random = np.random.default_rng(seed)
    positive = random.random(rows) < share
    log_odds = 2 * random.normal(np.where(positive, 2.0, 0.0)) - 2 + np.log(share / (1 - share))
    probability = 1 / (1 + np.exp(-log_odds))
    return np.where(positive, "yes", "no").astype(object), np.stack([1 - probability, probability], axis=1)


def _decide(truth: np.ndarray, probabilities: np.ndarray, rule: ThresholdRule, *, is_bag: bool = False) -> Decided:
    return decide(BINARY, truth, Predictions.of(BINARY, probabilities), rule, is_bag=is_bag)


@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_the_fitted_temperature_undoes_a_known_temperature(temperature: float) -> None:
    random = np.random.default_rng(1)
    right = random.dirichlet(np.ones(4), 20_000)
    truth = (random.random(20_000)[:, None] > np.cumsum(right, axis=1)).sum(axis=1)
    spoiled = calibrate(right, temperature)
    assert fit_temperature(spoiled, truth) == pytest.approx(1 / temperature, rel=0.05)
    assert calibrate(spoiled, 1 / temperature) == pytest.approx(right)


def test_the_temperature_follows_the_weighted_rows() -> None:
    _, right = _rare()
    truth = (np.random.default_rng(3).random(4_000) < right[:, 1]).astype(int)
    sharp = np.where(np.arange(4_000)[:, None] < 2_000, calibrate(right, 0.5), right)
    first, second = (np.where(np.arange(4_000) < 2_000, *pair) for pair in ((1.0, 1e-9), (1e-9, 1.0)))
    assert fit_temperature(sharp, truth, first) == pytest.approx(2, rel=0.2)
    assert fit_temperature(sharp, truth, second) == pytest.approx(1, rel=0.2)


def test_overconfident_probabilities_are_calibrated_and_both_losses_are_reported() -> None:
    truth, right = _rare(share=0.4)
    sharp = calibrate(right, 0.3)
    fitted = _decide(truth, sharp, ARGMAX)
    assert fitted.decision.temperature == pytest.approx(1 / 0.3, rel=0.15)
    assert fitted.decision.threshold is None
    before, after = fitted.fit.log_loss
    assert before == pytest.approx(metrics.log_loss(truth == "yes", sharp[:, 1]), rel=0.05)
    assert after < 0.8 * before
    worse, better = fitted.fit.calibration_error
    assert better < worse / 2
    assert fitted.predictions.probabilities == pytest.approx(calibrate(sharp, fitted.decision.temperature), abs=0.03)


def test_a_bag_is_softened_only_if_it_is_clearly_overconfident() -> None:
    truth, right = _rare(share=0.4)
    for sharpness, single_model, bag in ((0.9, 1.11, 1.0), (0.5, 2.0, 1.67), (2.0, 0.5, 0.5)):
        spoiled = calibrate(right, sharpness)
        for is_bag, wanted in ((False, single_model), (True, bag)):
            fitted = _decide(truth, spoiled, ARGMAX, is_bag=is_bag)
            assert fitted.decision.temperature == pytest.approx(wanted, rel=0.08)


def test_probabilities_stay_unchanged_if_calibration_does_not_help_on_held_out_rows() -> None:
    """Thirty rows are too few for a temperature, which would always seem to help on the rows of its fit."""
    unchanged = 0
    for seed in range(20):
        truth, right = _rare(rows=30, share=0.5, seed=seed)
        fitted = _decide(truth, right, ARGMAX)
        unchanged += fitted.decision.temperature == 1.0
        assert fitted.fit.log_loss[1] <= fitted.fit.log_loss[0]
    assert unchanged >= 8


@pytest.mark.parametrize("metric", ["f1", "balanced_accuracy", "mcc"])
def test_a_tuned_threshold_labels_new_rows_almost_as_well_as_the_best_threshold(metric: ThresholdMetric) -> None:
    measure = {
        "f1": metrics.f1_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "mcc": metrics.matthews_corrcoef,
    }[metric]
    truth, probabilities = _rare(rows=6_000)
    rule = ThresholdRule(is_tuned=True, metric=metric)
    threshold = tune_threshold(probabilities[:, 1], truth == "yes", rule)
    new_truth, new = _rare(rows=60_000, seed=1)
    quality = {
        cut: measure(new_truth == "yes", new[:, 1] >= cut) for cut in (threshold, 0.5, *np.geomspace(0.005, 0.8, 40))
    }
    assert quality[threshold] > 0.97 * max(quality.values())
    assert quality[threshold] > quality[0.5] + 0.02


def _f1(scores: np.ndarray, positive: np.ndarray, cut: float) -> float:
    labeled = scores >= cut
    return 2 * float((labeled & positive).sum()) / float(labeled.sum() + positive.sum())


def test_a_threshold_averaged_over_bootstraps_beats_the_best_threshold_of_few_rows() -> None:
    new_truth, new = _rare(rows=50_000, seed=999)
    new_scores, new_positive = new[:, 1], new_truth == "yes"
    tuned, greedy = [], []
    for seed in range(20):
        truth, probabilities = _rare(rows=500, seed=seed)
        scores, positive = probabilities[:, 1], truth == "yes"
        best = max(scores, key=lambda cut: _f1(scores, positive, cut))
        tuned.append(_f1(new_scores, new_positive, tune_threshold(scores, positive, TUNED)))
        greedy.append(_f1(new_scores, new_positive, best))
    assert np.mean(tuned) > np.mean(greedy) + 0.01


def test_precision_at_recall_keeps_the_recall_with_the_best_precision() -> None:
    truth, probabilities = _rare()
    positive, scores = truth == "yes", probabilities[:, 1]
    for recall in (0.2, 0.8, 1.0):
        rule = ThresholdRule(is_tuned=True, metric="precision_at_recall", recall=recall)
        labeled = scores >= tune_threshold(scores, positive, rule)
        assert metrics.recall_score(positive, labeled) >= recall
        precision, recalls, _ = metrics.precision_recall_curve(positive, scores)
        assert metrics.precision_score(positive, labeled) == pytest.approx(precision[recalls >= recall].max())


def test_labels_by_a_threshold_are_measured_with_thresholds_of_other_rows() -> None:
    truth, probabilities = _rare()
    fitted = _decide(truth, probabilities, TUNED)
    assert fitted.decision.threshold is not None
    assert fitted.decision.threshold < 0.5
    half, tuned = fitted.fit.by_threshold or (0.0, 0.0)
    assert half == pytest.approx(metrics.f1_score(truth == "yes", fitted.predictions.probabilities[:, 1] > 0.5))
    assert tuned == pytest.approx(metrics.f1_score(truth == "yes", fitted.predictions.labels == "yes"))
    assert tuned > half + 0.05
    noise = np.random.default_rng(0).permutation(truth)
    chance = _decide(noise, probabilities, TUNED).fit.by_threshold or (0.0, 1.0)
    assert chance[1] < 0.12  # a threshold fitted to the same rows would seem better than chance


def test_three_positive_rows_give_a_threshold_and_a_single_class_gives_one_half() -> None:
    random = np.random.default_rng(0)
    probability = np.r_[random.uniform(0, 0.05, 397), 0.04, 0.2, 0.3]
    truth = np.array(["no"] * 397 + ["yes"] * 3, object)
    fitted = _decide(truth, np.stack([1 - probability, probability], axis=1), TUNED)
    assert fitted.decision.threshold is not None
    assert 0.02 < fitted.decision.threshold < 0.2
    assert tune_threshold(probability, np.zeros(400, bool), TUNED) == 0.5
    assert tune_threshold(probability, np.ones(400, bool), TUNED) == 0.5


def test_a_threshold_that_is_set_is_used() -> None:
    truth, probabilities = _rare()
    fitted = _decide(truth, probabilities, ThresholdRule(value=0.2))
    assert fitted.decision.threshold == 0.2
    assert fitted.fit.by_threshold is None
    assert (fitted.predictions.labels == "yes").tolist() == (fitted.predictions.probabilities[:, 1] >= 0.2).tolist()


def test_the_log_loss_equals_that_of_scikit_learn() -> None:
    truth, probabilities = _rare()
    weight = np.random.default_rng(0).random(len(truth))
    codes = (truth == "yes").astype(int)
    wanted = metrics.log_loss(codes, probabilities, sample_weight=weight)
    assert log_loss(probabilities, codes, weight) == pytest.approx(wanted, rel=1e-4)
