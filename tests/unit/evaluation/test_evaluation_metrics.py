from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from pipeline.contracts.signature import Signature
from pipeline.evaluation.card.calibration import calibration
from pipeline.evaluation.metric_names import SKLEARN_NAMES
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Answers

Case = tuple[Signature, np.ndarray[Any, Any], Answers]


def _regression() -> Signature:
    return Signature(task="regression", target="t", columns=())


def _classification(classes: int) -> Signature:
    return Signature(task="classification", target="t", columns=(), classes=tuple("abcdefgh"[:classes]))


def _classified(classes: int, rows: int = 500, decimals: int = 6) -> Case:
    random = np.random.default_rng(classes)
    probabilities = random.dirichlet(np.ones(classes), rows).round(decimals)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    signature = _classification(classes)
    truth = np.array([random.choice(signature.classes, p=row) for row in probabilities], dtype=object)
    return signature, truth, Answers.of(signature, probabilities)


def _valued(rows: int = 500) -> Case:
    random = np.random.default_rng(1)
    truth = random.normal(1e6, 10, rows)
    return _regression(), truth, Answers.of(_regression(), truth + random.normal(0, 4, rows))


@pytest.mark.parametrize("decimals", [6, 1], ids=["distinct scores", "many ties"])
def test_two_classes_agree_with_scikit_learn(decimals: int) -> None:
    signature, truth, answers = _classified(2, decimals=decimals)
    found = measure(signature, truth, answers)
    assert found["accuracy"] == metrics.accuracy_score(truth, answers.labels)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth == "b", answers.probabilities[:, 1]), abs=1e-12)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, answers.probabilities), rel=1e-4)


def test_many_classes_agree_with_scikit_learn() -> None:
    signature, truth, answers = _classified(5, decimals=2)
    found = measure(signature, truth, answers)
    wanted = metrics.roc_auc_score(truth, answers.probabilities, multi_class="ovr", average="weighted")
    assert found["auc"] == pytest.approx(wanted, abs=1e-12)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, answers.probabilities), rel=1e-4)


def test_values_agree_with_scikit_learn() -> None:
    signature, truth, answers = _valued()
    found = measure(signature, truth, answers)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, answers.values))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, answers.values))
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, answers.values))


def test_a_certain_and_wrong_answer_has_a_finite_log_loss() -> None:
    signature = _classification(2)
    answers = Answers.of(signature, np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
    assert 15 < measure(signature, np.array(["b", "a"], object), answers)["log_loss"] < 17


def test_rows_of_one_class_tell_nothing_apart() -> None:
    for classes in (2, 3):
        signature, _, answers = _classified(classes, rows=6)
        assert measure(signature, np.array(["a"] * 6, object), answers)["auc"] == 0.5


@pytest.mark.parametrize(("offset", "wanted"), [(0.0, 1.0), (1.0, 0.0)])
def test_r2_of_a_constant_truth_is_finite(offset: float, wanted: float) -> None:
    truth = np.full(8, 3.0)
    assert measure(_regression(), truth, Answers.of(_regression(), truth + offset))["r2"] == wanted


@pytest.mark.parametrize("case", [_classified(2), _classified(4), _valued()], ids=["two classes", "four", "values"])
def test_an_interval_holds_its_metric_and_is_the_same_for_the_same_seed(case: Case) -> None:
    point, found = measure(*case), interval(*case, seed=3)
    assert found == interval(*case, seed=3)
    assert set(found) == set(point)
    for name, (low, high) in found.items():
        assert low < point[name] < high


def test_an_interval_is_as_wide_as_the_binomial_says() -> None:
    signature, truth, answers = _classified(2, rows=4000)
    low, high = interval(signature, truth, answers)["accuracy"]
    share = measure(signature, truth, answers)["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 4000), rel=0.12)


def test_an_interval_over_sixteen_thousand_rows_takes_seconds_at_most() -> None:
    case = _classified(2, rows=16_000)
    started = time.process_time()
    interval(*case)
    assert time.process_time() - started < 10


def _clustered(rows: int = 400) -> Case:
    random = np.random.default_rng(2)
    which = random.choice(3, rows, p=(0.6, 0.3, 0.1))
    signature = Signature(task="clustering", target="", columns=(), classes=("0", "1", "2"))
    return signature, which[:, None] + random.normal(0, 0.4, (rows, 2)), Answers.of(signature, np.eye(3)[which])


def test_the_silhouette_agrees_with_scikit_learn() -> None:
    signature, places, answers = _clustered()
    wanted = metrics.silhouette_score(places, answers.labels)
    assert measure(signature, places, answers) == {"silhouette": pytest.approx(wanted)}
    low, high = interval(signature, places, answers)["silhouette"]
    assert wanted - 0.1 < low < wanted < high < wanted + 0.1


def test_one_cluster_tells_nothing_and_many_rows_are_sampled() -> None:
    signature, places, answers = _clustered(12_000)
    assert measure(signature, places, answers)["silhouette"] == pytest.approx(
        metrics.silhouette_score(places, answers.labels, sample_size=5000, random_state=0), abs=0.02
    )
    alone = Answers.of(signature, np.eye(3)[np.zeros(12_000, int)])
    assert measure(signature, places, alone) == {"silhouette": 0.0}


def test_a_few_rows_that_are_all_right_do_not_make_it_certain() -> None:
    signature = _classification(2)
    answers = Answers.of(signature, np.tile(np.array([[0.9, 0.1]]), (30, 1)))
    low, high = interval(signature, np.array(["a"] * 30, object), answers)["accuracy"]
    assert high == 1.0
    assert 0.85 < low < 0.92  # one wrong of 30 would not surprise


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_brier_score_is_scikit_learns(classes: int) -> None:
    signature, truth, answers = _classified(classes)
    wanted = metrics.brier_score_loss(truth, answers.probabilities, labels=list(signature.classes))
    assert calibration(signature, truth, answers).brier == pytest.approx(wanted, abs=1e-12)


def test_the_brier_score_of_two_classes_is_the_same_whichever_class_is_called_positive() -> None:
    signature, truth, answers = _classified(2)
    found = calibration(signature, truth, answers).brier
    assert found == pytest.approx(metrics.brier_score_loss(truth == "b", answers.probabilities[:, 1]))
    assert found == pytest.approx(metrics.brier_score_loss(truth == "a", answers.probabilities[:, 0]))


def test_every_metric_has_the_name_of_a_function_of_scikit_learn() -> None:
    measured = {*measure(*_classified(2)), *measure(*_valued()), "silhouette", "brier"}
    assert set(SKLEARN_NAMES) == measured
    assert all(callable(getattr(metrics, name)) for name in SKLEARN_NAMES.values())
